//! What a model is asked.

use std::sync::Arc;

use mcp_protocol::raw::RawJson;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Message;

/// One question to a model: the conversation so far and the terms of the answer.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ModelRequest {
    /// The conversation, oldest first.
    pub messages: Vec<Message>,
    /// What the model may call. A provider caches the start of a request, and tools stand there:
    /// keep the list and its order the same from request to request.
    pub tools: Arc<[ToolDefinition]>,
    /// Whether it must, may or must not call.
    pub tool_choice: ToolChoice,
    /// Whether it may call several tools in one turn; `None` leaves it to the provider.
    pub parallel_tool_calls: Option<bool>,
    /// Randomness, 0 for none; `None` leaves it to the provider.
    pub temperature: Option<f32>,
    /// The longest answer, in tokens; `None` leaves it to the provider.
    pub max_tokens: Option<u32>,
    /// Repeats the same random choices, where the provider can.
    pub seed: Option<u64>,
    /// The shape that the text of the answer must have.
    pub output: Option<OutputSchema>,
    /// Further members of the request in the provider's own words; they win over ours.
    pub extra: Map<String, Value>,
}

impl ModelRequest {
    /// A question with default terms.
    pub fn new(messages: Vec<Message>) -> Self {
        Self { messages, ..Self::default() }
    }
}

/// A tool as a model sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolDefinition {
    /// At most 64 characters of `A-Z a-z 0-9 _ -`.
    pub name: String,
    /// What it does and when to use it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The JSON Schema of the arguments, whole, as its author wrote it.
    pub parameters: RawJson,
}

/// Whether the model must, may or must not call a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ToolChoice {
    /// As it sees fit.
    #[default]
    Auto,
    /// It must answer in words.
    None,
    /// It must call at least one.
    Required,
    /// It must call this one.
    Named(String),
}

/// The shape that the text of an answer must have.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputSchema {
    /// A word for the shape, such as `weather_report`.
    pub name: String,
    /// A JSON Schema.
    pub schema: RawJson,
}
