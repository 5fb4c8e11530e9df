//! A server asks the client's model.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    content::{ContentBlock, MediaContent, Role, Tagged, TextContent, UnknownContent, read_tagged},
    meta::Meta,
    method::Method,
    open_enum::open_enum,
    raw::{RawJson, present},
    tasks::legacy::TaskMetadata,
    tolerant::{is_false, object, one_or_many, or_default, whole},
    tools::Tool,
};

/// `sampling/createMessage`, from server to client.
#[derive(Debug)]
pub enum CreateMessage {}

impl Method for CreateMessage {
    const NAME: &'static str = "sampling/createMessage";
    type Params = CreateMessageParams;
    type Output = CreateMessageResult;
}

/// What to ask the model. The client may change or refuse it; a person should see it first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateMessageParams {
    /// The conversation so far.
    pub messages: Vec<SamplingMessage>,
    /// Which model would suit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_preferences: Option<ModelPreferences>,
    /// What the model should be told first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// Whose context to add; absent means none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_context: Option<IncludeContext>,
    /// How freely the model should choose its words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<serde_json::Number>,
    /// The most tokens to make.
    #[serde(deserialize_with = "whole")]
    pub max_tokens: u64,
    /// Texts at which to stop.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub stop_sequences: Vec<String>,
    /// For the model's provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<RawJson>,
    /// What the model may call (since 2025-11-25); only if the client offers `sampling.tools`.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// Whether it must call something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// Asks for a task (2025-11-25 only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskMetadata>,
    /// Entries beside the parameters.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl CreateMessageParams {
    /// A conversation, and the most tokens to make.
    pub fn new(messages: Vec<SamplingMessage>, max_tokens: u64) -> Self {
        Self { messages, max_tokens, ..Self::default() }
    }
}

open_enum! {
    /// Whose context to add to a conversation.
    pub enum IncludeContext {
        /// Nobody's.
        None = "none",
        /// That of the server which asks. Deprecated.
        ThisServer = "thisServer",
        /// That of all servers. Deprecated.
        AllServers = "allServers",
    }
}

/// Which model would suit. Advice only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelPreferences {
    /// Names, the best first.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<ModelHint>,
    /// From 0 to 1: how much the price matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_priority: Option<serde_json::Number>,
    /// From 0 to 1: how much speed matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_priority: Option<serde_json::Number>,
    /// From 0 to 1: how much ability matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intelligence_priority: Option<serde_json::Number>,
}

/// A name of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelHint {
    /// Part of a model's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Whether the model must call a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolChoice {
    /// Absent means [`ToolChoiceMode::Auto`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<ToolChoiceMode>,
}

open_enum! {
    /// Whether the model must call a tool.
    pub enum ToolChoiceMode {
        /// As it likes.
        Auto = "auto",
        /// It must.
        Required = "required",
        /// It must not.
        None = "none",
    }
}

/// One message of the conversation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SamplingMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said; the wire may have one block without a list.
    #[serde(deserialize_with = "one_or_many")]
    pub content: Vec<SamplingContent>,
    /// Entries beside the message.
    #[serde(rename = "_meta")]
    pub meta: Option<Meta>,
}

impl SamplingMessage {
    /// A text of the person.
    pub fn user(text: impl Into<String>) -> Self {
        Self { role: Role::User, content: vec![SamplingContent::text(text)], meta: None }
    }

    /// A text of the model.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self { role: Role::Assistant, content: vec![SamplingContent::text(text)], meta: None }
    }
}

impl Serialize for SamplingMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            role: &'a Role,
            #[serde(serialize_with = "one_bare")]
            content: &'a [SamplingContent],
            #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
            meta: Option<&'a Meta>,
        }
        let Self { role, content, meta } = self;
        Wire { role, content, meta: meta.as_ref() }.serialize(serializer)
    }
}

/// One block goes without a list: revisions before 2025-11-25 know no lists here.
fn one_bare<S: Serializer>(content: &&[SamplingContent], serializer: S) -> Result<S::Ok, S::Error> {
    match content {
        [one] => one.serialize(serializer),
        many => many.serialize(serializer),
    }
}

/// What the model said.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateMessageResult {
    /// Who speaks: the model.
    pub role: Role,
    /// What is said; the wire may have one block without a list.
    #[serde(deserialize_with = "one_or_many")]
    pub content: Vec<SamplingContent>,
    /// Which model it was.
    pub model: String,
    /// Why it stopped, if known.
    pub stop_reason: Option<StopReason>,
    /// Entries beside the result.
    #[serde(rename = "_meta")]
    pub meta: Option<Meta>,
}

impl CreateMessageResult {
    /// A text of the model.
    pub fn text(model: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            role: Role::Assistant,
            content: vec![SamplingContent::text(text)],
            model: model.into(),
            stop_reason: Some(StopReason::EndTurn),
            meta: None,
        }
    }
}

impl Serialize for CreateMessageResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire<'a> {
            role: &'a Role,
            #[serde(serialize_with = "one_bare")]
            content: &'a [SamplingContent],
            model: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            stop_reason: Option<&'a StopReason>,
            #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
            meta: Option<&'a Meta>,
        }
        let Self { role, content, model, stop_reason, meta } = self;
        Wire { role, content, model, stop_reason: stop_reason.as_ref(), meta: meta.as_ref() }
            .serialize(serializer)
    }
}

open_enum! {
    /// Why a model stopped.
    pub enum StopReason {
        /// It had said what it had to say.
        EndTurn = "endTurn",
        /// It came to a stop sequence.
        StopSequence = "stopSequence",
        /// It had made the most tokens allowed.
        MaxTokens = "maxTokens",
        /// It wants to call tools.
        ToolUse = "toolUse",
    }
}

/// One piece of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SamplingContent {
    /// Text.
    Text(TextContent),
    /// A picture.
    Image(MediaContent),
    /// Sound (since 2025-03-26).
    Audio(MediaContent),
    /// The model calls a tool (since 2025-11-25).
    ToolUse(ToolUseContent),
    /// What the tool gave (since 2025-11-25).
    ToolResult(ToolResultContent),
    /// A kind that this crate does not know, whole.
    Unknown(UnknownContent),
}

impl SamplingContent {
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
}

/// The model calls a tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolUseContent {
    /// What the result will name.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments, a JSON object.
    #[serde(deserialize_with = "object")]
    pub input: RawJson,
    /// To be kept for later requests.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

/// What a tool gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolResultContent {
    /// The call.
    pub tool_use_id: String,
    /// As in a [`CallToolResult`](crate::tools::CallToolResult).
    #[serde(default, deserialize_with = "or_default")]
    pub content: Vec<ContentBlock>,
    /// As in a [`CallToolResult`](crate::tools::CallToolResult).
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub structured_content: Option<RawJson>,
    /// The tool failed.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub is_error: bool,
    /// To be kept for later requests.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl Serialize for SamplingContent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        enum Wire<'a> {
            Text(&'a TextContent),
            Image(&'a MediaContent),
            Audio(&'a MediaContent),
            ToolUse(&'a ToolUseContent),
            ToolResult(&'a ToolResultContent),
        }
        match self {
            Self::Text(content) => Wire::Text(content),
            Self::Image(content) => Wire::Image(content),
            Self::Audio(content) => Wire::Audio(content),
            Self::ToolUse(content) => Wire::ToolUse(content),
            Self::ToolResult(content) => Wire::ToolResult(content),
            Self::Unknown(content) => return content.serialize(serializer),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SamplingContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_tagged(deserializer)
    }
}

/// The kinds of [`SamplingContent`] that this crate knows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Text,
    Image,
    Audio,
    ToolUse,
    ToolResult,
}

impl Tagged for SamplingContent {
    type Kind = Kind;

    fn kind(name: &str) -> Option<Kind> {
        Some(match name {
            "text" => Kind::Text,
            "image" => Kind::Image,
            "audio" => Kind::Audio,
            "tool_use" => Kind::ToolUse,
            "tool_result" => Kind::ToolResult,
            _ => return None,
        })
    }

    fn read<'de, D: Deserializer<'de>>(kind: Kind, members: D) -> Result<Self, D::Error> {
        Ok(match kind {
            Kind::Text => Self::Text(TextContent::deserialize(members)?),
            Kind::Image => Self::Image(MediaContent::deserialize(members)?),
            Kind::Audio => Self::Audio(MediaContent::deserialize(members)?),
            Kind::ToolUse => Self::ToolUse(ToolUseContent::deserialize(members)?),
            Kind::ToolResult => Self::ToolResult(ToolResultContent::deserialize(members)?),
        })
    }

    fn unknown(content: UnknownContent) -> Self {
        Self::Unknown(content)
    }
}
