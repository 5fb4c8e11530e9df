//! What is answered in the words of other documents, as far as a reader needs it.

#![expect(dead_code, reason = "only their schemas are used")]

use schemars::JsonSchema;
use serde_json::{Map, Value};

/// An error in the way of OpenAI.
#[derive(JsonSchema)]
pub(super) struct OpenAiError {
    error: OpenAiErrorBody,
}

/// What is wrong.
#[derive(JsonSchema)]
struct OpenAiErrorBody {
    message: String,
    r#type: String,
    /// The member of the request that is wrong.
    param: Option<String>,
    code: Option<String>,
}

/// The result of a tool, as MCP has it.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolResult {
    content: Vec<Map<String, Value>>,
    structured_content: Option<Value>,
    #[serde(default)]
    is_error: bool,
}

/// The contents of a resource, as MCP has them.
#[derive(JsonSchema)]
pub(super) struct ResourceResult {
    contents: Vec<Map<String, Value>>,
}

/// The messages of a prompt, as MCP has them.
#[derive(JsonSchema)]
pub(super) struct PromptResult {
    messages: Vec<Map<String, Value>>,
}

/// The models; there is one.
#[derive(JsonSchema)]
pub(super) struct Models {
    object: String,
    data: Vec<Map<String, Value>>,
}

/// A chat completion, as OpenAI has it, with `tool_runs`.
#[derive(JsonSchema)]
pub(super) struct ChatCompletion {
    id: String,
    object: String,
    created: u64,
    model: String,
    choices: Vec<Map<String, Value>>,
    usage: Map<String, Value>,
    tool_runs: Vec<Map<String, Value>>,
    /// Where the person has to log in before tools of these servers can be called.
    #[serde(default)]
    logins: Vec<MissingLogin>,
}

/// A login that a call lacked.
#[derive(JsonSchema)]
struct MissingLogin {
    server: String,
    login_url: String,
}

/// A response, as OpenAI has it.
#[derive(JsonSchema)]
pub(super) struct Response {
    id: String,
    object: String,
    created_at: u64,
    status: String,
    model: String,
    output: Vec<Map<String, Value>>,
}

/// A response that is forgotten.
#[derive(JsonSchema)]
pub(super) struct DeletedResponse {
    id: String,
    object: String,
    deleted: bool,
}
