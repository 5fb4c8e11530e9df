//! What tools and prompts hand over: text, pictures, sound, resources.

mod tagged;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap};

pub(crate) use tagged::{Tagged, read_tagged};

use crate::{
    meta::Meta,
    object::Object,
    open_enum::open_enum,
    resources::{Resource, ResourceContents},
    tolerant::or_default,
};

open_enum! {
    /// Who speaks, or who is meant to listen.
    pub enum Role {
        /// The person.
        User = "user",
        /// The model.
        Assistant = "assistant",
    }
}

/// One piece of content.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContentBlock {
    /// Text.
    Text(TextContent),
    /// A picture.
    Image(MediaContent),
    /// Sound (since 2025-03-26).
    Audio(MediaContent),
    /// A resource by its URI (since 2025-06-18); it need not be in any list.
    ResourceLink(Box<Resource>),
    /// A resource with its contents.
    Resource(Box<EmbeddedResource>),
    /// A kind that this crate does not know, whole.
    Unknown(UnknownContent),
}

/// Text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextContent {
    /// The text.
    pub text: String,
    /// For whom it is, and how important.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
    /// Entries beside the content.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

/// A picture or sound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaContent {
    /// The bytes in base64.
    pub data: String,
    /// Such as `image/png`.
    pub mime_type: String,
    /// For whom it is, and how important.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
    /// Entries beside the content.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl MediaContent {
    /// Bytes, already in base64, and their type.
    pub fn new(data: impl Into<String>, mime_type: impl Into<String>) -> Self {
        Self { data: data.into(), mime_type: mime_type.into(), ..Self::default() }
    }
}

/// A resource with its contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddedResource {
    /// The contents.
    pub resource: ResourceContents,
    /// For whom it is, and how important.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
    /// Entries beside the content.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

/// Content of an unknown kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownContent {
    /// The `type`.
    pub kind: String,
    /// The other members, in their order.
    pub members: Object,
}

impl Serialize for UnknownContent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.members.len() + 1))?;
        map.serialize_entry("type", &self.kind)?;
        for (key, value) in self.members.iter() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// Hints of the sender. Untrusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Annotations {
    /// For whom the content is; empty means everybody.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub audience: Vec<Role>,
    /// From 0, least, to 1, most important.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<serde_json::Number>,
    /// When it last changed, ISO 8601 (since 2025-06-18).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

impl ContentBlock {
    /// Text without annotations.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(TextContent { text: text.into(), ..TextContent::default() })
    }

    /// A picture in base64.
    pub fn image(data: impl Into<String>, mime_type: impl Into<String>) -> Self {
        Self::Image(MediaContent::new(data, mime_type))
    }

    /// Sound in base64.
    pub fn audio(data: impl Into<String>, mime_type: impl Into<String>) -> Self {
        Self::Audio(MediaContent::new(data, mime_type))
    }

    /// A resource with its contents.
    pub fn resource(resource: ResourceContents) -> Self {
        Self::Resource(Box::new(EmbeddedResource { resource, annotations: None, meta: None }))
    }

    /// The text, if that is what it is.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(content) => Some(&content.text),
            _ => None,
        }
    }

    /// The `type` on the wire.
    pub fn kind(&self) -> &str {
        match self {
            Self::Text(_) => "text",
            Self::Image(_) => "image",
            Self::Audio(_) => "audio",
            Self::ResourceLink(_) => "resource_link",
            Self::Resource(_) => "resource",
            Self::Unknown(content) => &content.kind,
        }
    }

    /// The annotations, if there are any.
    pub fn annotations(&self) -> Option<&Annotations> {
        match self {
            Self::Text(content) => content.annotations.as_ref(),
            Self::Image(content) | Self::Audio(content) => content.annotations.as_ref(),
            Self::ResourceLink(content) => content.annotations.as_ref(),
            Self::Resource(content) => content.annotations.as_ref(),
            Self::Unknown(_) => None,
        }
    }
}

impl Serialize for ContentBlock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        enum Wire<'a> {
            Text(&'a TextContent),
            Image(&'a MediaContent),
            Audio(&'a MediaContent),
            ResourceLink(&'a Resource),
            Resource(&'a EmbeddedResource),
        }
        match self {
            Self::Text(content) => Wire::Text(content),
            Self::Image(content) => Wire::Image(content),
            Self::Audio(content) => Wire::Audio(content),
            Self::ResourceLink(content) => Wire::ResourceLink(content),
            Self::Resource(content) => Wire::Resource(content),
            Self::Unknown(content) => return content.serialize(serializer),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ContentBlock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_tagged(deserializer)
    }
}

/// The kinds of [`ContentBlock`] that this crate knows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Text,
    Image,
    Audio,
    ResourceLink,
    Resource,
}

impl Tagged for ContentBlock {
    type Kind = Kind;

    fn kind(name: &str) -> Option<Kind> {
        Some(match name {
            "text" => Kind::Text,
            "image" => Kind::Image,
            "audio" => Kind::Audio,
            "resource_link" => Kind::ResourceLink,
            "resource" => Kind::Resource,
            _ => return None,
        })
    }

    fn read<'de, D: Deserializer<'de>>(kind: Kind, members: D) -> Result<Self, D::Error> {
        Ok(match kind {
            Kind::Text => Self::Text(TextContent::deserialize(members)?),
            Kind::Image => Self::Image(MediaContent::deserialize(members)?),
            Kind::Audio => Self::Audio(MediaContent::deserialize(members)?),
            Kind::ResourceLink => Self::ResourceLink(Box::new(Resource::deserialize(members)?)),
            Kind::Resource => Self::Resource(Box::new(EmbeddedResource::deserialize(members)?)),
        })
    }

    fn unknown(content: UnknownContent) -> Self {
        Self::Unknown(content)
    }
}
