//! The members of objects and the elements of lists, one after the other.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor, value::BorrowedStrDeserializer},
};

use super::{RAW, Reader, Refused, TAG};

/// The elements of a list. Stops before its bracket.
pub(super) struct Elements<'a, 'de> {
    reader: &'a mut Reader<'de>,
    first: bool,
}

impl<'a, 'de> Elements<'a, 'de> {
    pub(super) fn of(reader: &'a mut Reader<'de>) -> Self {
        Self { reader, first: true }
    }
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refused> {
        if self.reader.peek()? == b']' {
            return Ok(None);
        }
        if !std::mem::take(&mut self.first) {
            self.reader.expect(b',')?;
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

/// The members of an object. Stops before its brace.
pub(super) struct Members<'a, 'de> {
    reader: &'a mut Reader<'de>,
    first: bool,
    tag: Tag,
}

/// A member that is given before those that precede it.
enum Tag {
    /// There is none.
    InPlace,
    /// To be given; its key is here.
    Wanted(usize),
    /// Its key, which is here, was given; the members before it begin where `back` says.
    Given { key: usize, back: usize },
    /// To be left out where its key is.
    Passed(usize),
}

impl<'a, 'de> Members<'a, 'de> {
    pub(super) fn of(reader: &'a mut Reader<'de>) -> Self {
        Self { reader, first: true, tag: Tag::InPlace }
    }

    /// As [`of`](Self::of), but the member whose key is [`TAG`] comes first.
    pub(super) fn tag_first(reader: &'a mut Reader<'de>) -> Result<Self, Refused> {
        let tag = late_tag(*reader)?.map_or(Tag::InPlace, Tag::Wanted);
        Ok(Self { reader, first: true, tag })
    }
}

/// Where the key of the tag is, unless it is the first or there is none.
///
/// Only the shape is looked at: all that is passed over here is read afterwards, and where it then
/// turns out to be no JSON nothing is read.
fn late_tag(mut reader: Reader<'_>) -> Result<Option<usize>, Refused> {
    let mut first = true;
    while reader.peek()? == b'"' {
        let start = reader.at;
        reader.pass()?;
        let key = &reader.bytes()[start + 1..reader.at - 1];
        if key == TAG.as_bytes() {
            return Ok((!first).then_some(start));
        }
        // It may be the tag's, so what comes first is not for this function to say.
        if key.contains(&b'\\') {
            return Ok(None);
        }
        reader.expect(b':')?;
        reader.skip_space();
        reader.pass()?;
        if reader.peek()? == b'}' {
            break;
        }
        reader.expect(b',')?;
        first = false;
    }
    Ok(None)
}

impl<'de> MapAccess<'de> for Members<'_, 'de> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Refused> {
        if let Tag::Wanted(key) = self.tag {
            self.tag = Tag::Given { key, back: self.reader.at };
            self.reader.at = key;
            return seed.deserialize(Key(self.reader)).map(Some);
        }
        loop {
            if self.reader.peek()? == b'}' {
                return Ok(None);
            }
            if !std::mem::take(&mut self.first) {
                self.reader.expect(b',')?;
            }
            if self.reader.peek()? != b'"' {
                return Err(Refused);
            }
            if !matches!(self.tag, Tag::Passed(key) if key == self.reader.at) {
                return seed.deserialize(Key(self.reader)).map(Some);
            }
            self.reader.skip_string()?;
            self.reader.expect(b':')?;
            self.reader.skip_value()?;
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refused> {
        self.reader.expect(b':')?;
        let value = seed.deserialize(&mut *self.reader)?;
        if let Tag::Given { key, back } = self.tag {
            self.reader.at = back;
            self.tag = Tag::Passed(key);
        }
        Ok(value)
    }
}

/// A key, which is always a string.
struct Key<'a, 'de>(&'a mut Reader<'de>);

impl<'de> Deserializer<'de> for Key<'_, 'de> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.0.string(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        if name == RAW { self.0.raw(visitor) } else { visitor.visit_newtype_struct(self) }
    }

    /// Numbers and such as keys are left to `serde_json`.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_some(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// The text of a value, in the form in which `serde_json`'s `RawValue` wants to be given it.
pub(super) struct RawMember<'de>(pub(super) Option<&'de str>);

impl<'de> MapAccess<'de> for RawMember<'de> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Refused> {
        match self.0 {
            Some(_) => seed.deserialize(BorrowedStrDeserializer::new(RAW)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refused> {
        let text = self.0.take().ok_or(Refused)?;
        seed.deserialize(BorrowedStrDeserializer::new(text))
    }
}

/// Takes the name of a variant, which is never escaped.
pub(super) struct VariantName;

impl<'de> Visitor<'de> for VariantName {
    type Value = &'de str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<&'de str, E> {
        Ok(name)
    }
}
