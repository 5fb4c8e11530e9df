//! What tools and prompts hand over: text, pictures, sound, resources.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess},
    ser::SerializeMap,
};

use crate::{raw::RawJson, resources::{Resource, ResourceContents}};

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
    Resource(EmbeddedResource),
    /// A kind that this crate does not know, whole.
    Unknown(UnknownContent),
}

/// Text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextContent {
    /// The text.
    pub text: String,
    /// For whom it is, and how important.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
    /// Entries beside the content.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<RawJson>,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
    /// Entries beside the content.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<RawJson>,
}

/// A resource with its contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddedResource {
    /// The contents.
    pub resource: ResourceContents,
    /// For whom it is, and how important.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
    /// Entries beside the content.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<RawJson>,
}

/// Content of an unknown kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownContent {
    /// The `type`.
    pub kind: String,
    /// The other members, in their order.
    pub members: Vec<(String, RawJson)>,
}

/// Hints of the sender. Untrusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Annotations {
    /// `user`, `assistant`, or both; empty means everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audience: Vec<String>,
    /// From 0, least, to 1, most important.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<serde_json::Number>,
    /// When it last changed, ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

impl ContentBlock {
    /// Text without annotations.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(TextContent { text: text.into(), ..TextContent::default() })
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
        struct Tagged<'a, T> {
            r#type: &'a str,
            #[serde(flatten)]
            content: &'a T,
        }
        let r#type = self.kind();
        match self {
            Self::Text(content) => Tagged { r#type, content }.serialize(serializer),
            Self::Image(content) | Self::Audio(content) => {
                Tagged { r#type, content }.serialize(serializer)
            }
            Self::ResourceLink(content) => Tagged { r#type, content }.serialize(serializer),
            Self::Resource(content) => Tagged { r#type, content }.serialize(serializer),
            Self::Unknown(content) => {
                let mut map = serializer.serialize_map(Some(content.members.len() + 1))?;
                map.serialize_entry("type", r#type)?;
                for (key, value) in &content.members {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for ContentBlock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BlockVisitor)
    }
}

struct BlockVisitor;

impl<'de> de::Visitor<'de> for BlockVisitor {
    type Value = ContentBlock;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a content block")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ContentBlock, A::Error> {
        // Nearly all senders write `type` first; then the rest goes straight into its variant.
        let mut early: Vec<(String, RawJson)> = Vec::new();
        let kind = loop {
            let Some(key) = map.next_key::<String>()? else {
                return Err(de::Error::missing_field("type"));
            };
            if key == "type" {
                break map.next_value::<String>()?;
            }
            early.push((key, map.next_value()?));
        };
        if early.is_empty() && is_known(&kind) {
            return read_known(&kind, de::value::MapAccessDeserializer::new(map));
        }
        let mut members = early;
        while let Some(member) = map.next_entry::<String, RawJson>()? {
            members.push(member);
        }
        if !is_known(&kind) {
            return Ok(ContentBlock::Unknown(UnknownContent { kind, members }));
        }
        let mut text = String::from("{");
        for (index, (key, value)) in members.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            let key = serde_json::to_string(key).map_err(de::Error::custom)?;
            text.push_str(&key);
            text.push(':');
            text.push_str(value.as_str());
        }
        text.push('}');
        read_known(&kind, &mut serde_json::Deserializer::from_str(&text)).map_err(de::Error::custom)
    }
}

fn is_known(kind: &str) -> bool {
    matches!(kind, "text" | "image" | "audio" | "resource_link" | "resource")
}

fn read_known<'de, D: Deserializer<'de>>(
    kind: &str,
    deserializer: D,
) -> Result<ContentBlock, D::Error> {
    match kind {
        "text" => TextContent::deserialize(deserializer).map(ContentBlock::Text),
        "image" => MediaContent::deserialize(deserializer).map(ContentBlock::Image),
        "audio" => MediaContent::deserialize(deserializer).map(ContentBlock::Audio),
        "resource_link" => {
            Resource::deserialize(deserializer).map(Box::new).map(ContentBlock::ResourceLink)
        }
        "resource" => EmbeddedResource::deserialize(deserializer).map(ContentBlock::Resource),
        other => Err(de::Error::unknown_variant(other, &["text", "image", "audio"])),
    }
}
