//! What is said between people, models and tools, in words that belong to no provider.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
}

impl Message {
    /// Rules for the model.
    pub fn system(text: impl Into<String>) -> Self {
        Self { role: Role::System, parts: vec![Part::Text(text.into())] }
    }

    /// What a person says.
    pub fn user(parts: impl Into<Parts>) -> Self {
        Self { role: Role::User, parts: parts.into().0 }
    }

    /// What a model said.
    pub fn assistant(parts: Vec<Part>) -> Self {
        Self { role: Role::Assistant, parts }
    }

    /// What tools returned.
    pub fn tool(results: Vec<ToolResult>) -> Self {
        Self { role: Role::Tool, parts: results.into_iter().map(Part::ToolResult).collect() }
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// Whoever set the conversation up.
    System,
    /// A person.
    User,
    /// The model.
    Assistant,
    /// The tools that the model called; every part is a [`Part::ToolResult`].
    Tool,
}

/// One piece of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    /// Words.
    Text(String),
    /// A picture.
    Image(Media),
    /// Sound.
    Audio(Media),
    /// A file, such as a PDF or a text.
    Document(Media),
    /// Structured data.
    Json(Value),
    /// The model wants a tool to run. Only in [`Role::Assistant`].
    ToolCall(ToolCall),
    /// What the tool returned. Only in [`Role::Tool`].
    ToolResult(ToolResult),
    /// What the model thought before it spoke. Only in [`Role::Assistant`].
    Reasoning(Reasoning),
    /// Something that only its origin understands.
    Opaque(OpaquePart),
}

impl Part {
    /// The words, if this is [`Part::Text`].
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Parts of a message, made from a text or from a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parts(pub Vec<Part>);

impl From<&str> for Parts {
    fn from(text: &str) -> Self {
        Self(vec![Part::Text(text.to_owned())])
    }
}

impl From<String> for Parts {
    fn from(text: String) -> Self {
        Self(vec![Part::Text(text)])
    }
}

impl From<Vec<Part>> for Parts {
    fn from(parts: Vec<Part>) -> Self {
        Self(parts)
    }
}

/// A picture, a sound or a file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Such as `image/png`.
    pub mime_type: String,
    /// The bytes or where they are.
    #[serde(flatten)]
    pub source: MediaSource,
    /// A file name or title, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The bytes of a [`Media`], or where they are.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MediaSource {
    /// In Base64, as MCP and the providers carry them. Shared, since transcripts are copied.
    Base64(Arc<str>),
    /// At an address that the provider can fetch.
    Url(String),
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Media")
            .field("mime_type", &self.mime_type)
            .field("source", &self.source)
            .field("name", &self.name)
            .finish()
    }
}

impl fmt::Debug for MediaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base64(data) => write!(f, "Base64({} characters)", data.len()),
            Self::Url(url) => write!(f, "Url({url:?})"),
        }
    }
}

/// Names one call of one assistant turn, so that its result can be told from the others'.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(pub String);

impl CallId {
    /// The id as the provider wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for CallId {
    fn from(id: &str) -> Self {
        Self(id.to_owned())
    }
}

impl From<String> for CallId {
    fn from(id: String) -> Self {
        Self(id)
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The model's wish that a tool runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Unique in its turn; some providers use the same ids again in later turns.
    pub id: CallId,
    /// As the model wrote it; it may name no tool at all.
    pub name: String,
    /// As the model wrote them: usually, but not always, a JSON object.
    pub arguments: String,
}

/// What a tool returned, as the model is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolResult {
    /// Which call this answers.
    pub call_id: CallId,
    /// The tool's name as the model knows it.
    pub name: String,
    /// For the model.
    pub content: Vec<Part>,
    /// Whether the content says what went wrong.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_error: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde calls")]
pub(crate) fn is_false(flag: &bool) -> bool {
    !flag
}

/// What a model thought. It is given back only to its origin, unchanged and in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reasoning {
    /// In words, where the provider shows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Proves to the origin that the text is its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// What only the origin can read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<String>,
    /// Whose thoughts they are.
    pub origin: ModelId,
}

/// A piece of an answer that only its origin understands, kept as it came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpaquePart {
    /// Who understands it.
    pub origin: ModelId,
    /// What the origin calls it, such as `reasoning_details`.
    pub kind: String,
    /// The piece.
    pub value: Value,
}

/// Which model, served where.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ModelId {
    /// Host and port that serve it, or another name for the place.
    pub provider: String,
    /// The provider's name for the model.
    pub model: String,
}

impl ModelId {
    /// A model of a provider.
    pub fn new(provider: impl Into<String>, model: impl Into<String>) -> Self {
        Self { provider: provider.into(), model: model.into() }
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.model, self.provider)
    }
}
