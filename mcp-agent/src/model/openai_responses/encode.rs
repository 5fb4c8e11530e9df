//! From a request in our words to the body of a Responses request.

use bytes::Bytes;
use mcp_protocol::raw::RawJson;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::items;
use crate::model::{
    ModelError, ModelId, ModelRequest, OutputSchema, ToolChoice, ToolDefinition,
    codec::{invalid_request, shortest},
    schema::{self, SchemaCache, SchemaDialect, ToolParameters},
};

/// How a request is to be written.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "switches that have nothing to do with another")]
pub struct Encoding<'a> {
    /// Who is asked; only its own reasoning goes back to it.
    pub id: &'a ModelId,
    /// The longest answer where the request does not say.
    pub max_tokens: Option<u32>,
    /// Whether pictures and files may be sent; otherwise a note stands in their place.
    pub media: bool,
    /// Whether the answer comes piece by piece.
    pub stream: bool,
    /// Whether the model's thoughts are asked for, encrypted.
    pub reasoning: bool,
    /// Whether the model is held to the parameters of tools that have a strict form.
    pub strict_tools: bool,
    /// The schemas of tools that were compiled before.
    pub schemas: &'a SchemaCache,
}

/// Writes the body of `POST /responses`.
///
/// The same conversation always gives the same bytes, and a longer one starts with the bytes of
/// the shorter: the provider caches by prefix.
///
/// # Errors
/// [`InvalidRequest`](crate::model::ModelErrorKind::InvalidRequest): the request asks for a tool
/// that it does not offer.
pub fn encode(request: &ModelRequest, encoding: Encoding<'_>) -> Result<Bytes, ModelError> {
    let Encoding { id, max_tokens, media, stream, reasoning, strict_tools, schemas } = encoding;
    let overridden = |name: &str| request.extra.contains_key(name);
    let dialect = if strict_tools { SchemaDialect::OpenAiStrict } else { SchemaDialect::OpenAi };
    let parameters = schemas.parameters(&request.tools, dialect);
    let offered = request.tools.iter().zip(&*parameters);
    let tools: Vec<_> = offered.map(|(one, schema)| WireTool::new(one, schema)).collect();
    let body = Body {
        model: (!overridden("model")).then_some(&id.model),
        store: (!overridden("store")).then_some(false),
        include: (reasoning && !overridden("include")).then_some(["reasoning.encrypted_content"]),
        stream: stream && !overridden("stream"),
        tool_choice: tool_choice(request)?.filter(|_| !overridden("tool_choice")),
        parallel_tool_calls: request
            .parallel_tool_calls
            .filter(|_| !tools.is_empty() && !overridden("parallel_tool_calls")),
        temperature: request.temperature.map(shortest).filter(|_| !overridden("temperature")),
        max_output_tokens: request
            .max_tokens
            .or(max_tokens)
            .filter(|_| !overridden("max_output_tokens")),
        text: request.output.as_ref().filter(|_| !overridden("text")).map(text),
        extra: &request.extra,
        tools: Some(tools).filter(|tools| !tools.is_empty() && !overridden("tools")),
        input: items::encode(&request.messages, id, media),
    };
    let bytes = serde_json::to_vec(&body).map_err(|error| invalid_request(error.to_string()))?;
    Ok(bytes.into())
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    include: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Value>,
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<Vec<WireTool<'a>>>,
    input: Vec<Value>,
}

#[derive(Serialize)]
struct WireTool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    parameters: &'a RawJson,
    /// Without a word the API would take the schema as strict and refuse most.
    strict: bool,
}

impl<'a> WireTool<'a> {
    fn new(tool: &'a ToolDefinition, parameters: &'a ToolParameters) -> Self {
        Self {
            kind: "function",
            name: &tool.name,
            description: &tool.description,
            parameters: &parameters.schema,
            strict: parameters.is_strict,
        }
    }
}

fn tool_choice(request: &ModelRequest) -> Result<Option<Value>, ModelError> {
    Ok(match &request.tool_choice {
        ToolChoice::Required | ToolChoice::Named(_) if request.tools.is_empty() => {
            return Err(invalid_request("a tool call is required, but no tool is offered"));
        }
        _ if request.tools.is_empty() => None,
        // What it does unasked.
        ToolChoice::Auto => None,
        ToolChoice::None => Some("none".into()),
        ToolChoice::Required => Some("required".into()),
        ToolChoice::Named(name) => {
            if !request.tools.iter().any(|tool| tool.name == *name) {
                return Err(invalid_request(format!("`{name}` is required, but not offered")));
            }
            Some(json!({"type": "function", "name": name}))
        }
    })
}

/// Strict where the schema has such a form.
fn text(output: &OutputSchema) -> Value {
    let strict = schema::compile_raw(&output.schema, SchemaDialect::OpenAiStrict);
    let mut format = json!({"type": "json_schema", "name": output.name, "strict": strict.is_ok()});
    format["schema"] = match strict {
        Ok(compiled) => compiled.schema,
        Err(_) => json!(schema::parameters(&output.schema, SchemaDialect::OpenAi)),
    };
    json!({"format": format})
}
