//! Reading an object whose `type` says which shape it has, without a tree in between.
//!
//! Nearly all senders write `type` first; then the rest goes straight from the wire into the
//! variant. When it comes later, the reader of results looks for it and gives it first; with any
//! other deserializer, what precedes it is kept as text and read a second time.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, value::MapAccessDeserializer},
};

use super::UnknownContent;
use crate::{
    object::Object,
    raw::RawJson,
    read::{TAG, TAG_FIRST},
};

/// An enum of the shapes of a tagged object.
pub(crate) trait Tagged: Sized {
    /// A known `type`.
    type Kind: Copy;
    /// The known kind of this name.
    fn kind(name: &str) -> Option<Self::Kind>;
    /// Reads the members other than `type`.
    fn read<'de, D: Deserializer<'de>>(kind: Self::Kind, members: D) -> Result<Self, D::Error>;
    /// Keeps a shape of an unknown kind.
    fn unknown(content: UnknownContent) -> Self;
}

pub(crate) fn read_tagged<'de, T: Tagged, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    deserializer.deserialize_struct(TAG_FIRST, &[TAG], BlockVisitor(PhantomData))
}

struct BlockVisitor<T>(PhantomData<T>);

impl<'de, T: Tagged> de::Visitor<'de> for BlockVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a content block")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut members = Vec::new();
        let kind = loop {
            match map.next_key::<Key>()? {
                Some(Key::Type) => break map.next_value::<KindOrName<T>>()?,
                Some(Key::Other(key)) => members.push((key, map.next_value()?)),
                None => return Err(de::Error::missing_field("type")),
            }
        };
        match kind {
            KindOrName::Kind(kind) if members.is_empty() => {
                T::read(kind, MapAccessDeserializer::new(map))
            }
            KindOrName::Kind(kind) => {
                read_kept(kind, &with_rest(members, map)?).map_err(de::Error::custom)
            }
            KindOrName::Name(kind) => {
                let members = with_rest(members, map)?;
                Ok(T::unknown(UnknownContent { kind, members }))
            }
        }
    }
}

fn with_rest<'de, A: MapAccess<'de>>(
    mut members: Vec<(Box<str>, RawJson)>,
    mut map: A,
) -> Result<Object, A::Error> {
    while let Some(member) = map.next_entry()? {
        members.push(member);
    }
    Ok(members.into_iter().collect())
}

fn read_kept<T: Tagged>(kind: T::Kind, members: &Object) -> Result<T, String> {
    let text = serde_json::to_string(members).map_err(|error| error.to_string())?;
    T::read(kind, &mut serde_json::Deserializer::from_str(&text)).or_else(|_| {
        // The outer path ends at this object, so the message carries the rest of it.
        let mut track = serde_path_to_error::Track::new();
        let mut reader = serde_json::Deserializer::from_str(&text);
        T::read(kind, serde_path_to_error::Deserializer::new(&mut reader, &mut track))
            .map_err(|error| format!("`{}`: {error}", track.path()))
    })
}

enum Key {
    Type,
    Other(Box<str>),
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_str<E>(self, key: &str) -> Result<Key, E> {
                Ok(if key == TAG { Key::Type } else { Key::Other(key.into()) })
            }
        }
        deserializer.deserialize_identifier(Visitor)
    }
}

enum KindOrName<T: Tagged> {
    Kind(T::Kind),
    Name(String),
}

impl<'de, T: Tagged> Deserialize<'de> for KindOrName<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);
        impl<T: Tagged> de::Visitor<'_> for Visitor<T> {
            type Value = KindOrName<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E>(self, name: &str) -> Result<KindOrName<T>, E> {
                Ok(T::kind(name)
                    .map_or_else(|| KindOrName::Name(name.to_owned()), KindOrName::Kind))
            }
        }
        deserializer.deserialize_str(Visitor(PhantomData))
    }
}
