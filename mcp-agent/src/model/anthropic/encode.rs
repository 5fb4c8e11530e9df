//! From a request in our words to the body of a Messages request.

use bytes::Bytes;
use mcp_protocol::raw::RawJson;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{messages, strict::Taken};
use crate::model::{
    ModelError, ModelId, ModelRequest, OutputSchema, ToolChoice, ToolDefinition,
    codec::{invalid_request, shortest},
    schema::{self, Compiled, SchemaCache, SchemaDialect, ToolParameters},
};

/// The API wants a limit; this one stands where nobody names one.
const MAX_TOKENS: u32 = 4096;

/// How a request is to be written.
#[expect(clippy::struct_excessive_bools, reason = "each is one choice of whoever asks")]
#[derive(Clone, Copy, Debug)]
pub struct Encoding<'a> {
    /// Who is asked; only its own reasoning goes back to it.
    pub id: &'a ModelId,
    /// The longest answer where the request does not say.
    pub max_tokens: Option<u32>,
    /// Whether pictures and files may be sent; otherwise a note stands in their place.
    pub media: bool,
    /// Whether the answer comes piece by piece.
    pub stream: bool,
    /// Whether to mark what shall be cached.
    pub cache: bool,
    /// Whether the model is held to the parameters of tools that have a strict form, as far as
    /// the API has room for them.
    pub strict_tools: bool,
    /// The schemas of tools that were compiled before.
    pub schemas: &'a SchemaCache,
}

/// Writes the body of `POST /messages`.
///
/// At most four places are marked to be cached: the end of the tools, the end of the rules, and
/// the ends of the last two turns of the user. The last is where the next request goes on, the one
/// before it where this request finds what the previous one stored.
///
/// # Errors
/// [`InvalidRequest`](crate::model::ModelErrorKind::InvalidRequest): the request asks for a tool
/// that it does not offer, or for a shape of answer that the provider cannot be held to.
pub fn encode(request: &ModelRequest, encoding: Encoding<'_>) -> Result<Bytes, ModelError> {
    let Encoding { id, max_tokens, media, stream, cache, strict_tools, schemas } = encoding;
    let overridden = |name: &str| request.extra.contains_key(name);
    let (mut system, mut messages) = messages::encode(&request.messages, id, media);
    let output = request.output.as_ref().map(output).transpose()?;
    let loose = schemas.parameters(&request.tools, SchemaDialect::Anthropic);
    let strict =
        strict_tools.then(|| schemas.parameters(&request.tools, SchemaDialect::AnthropicStrict));
    let mut taken = Taken::default();
    if let Some(output) = &output {
        taken.by_answer(&output.schema);
    }
    // In their order, so that those that were strict stay so when others are added behind them.
    let parameters = loose.iter().enumerate().map(|(at, loose)| {
        let strict = strict.as_ref().map(|strict| &strict[at]);
        let strict = strict.filter(|strict| strict.is_strict && taken.by_tool(&strict.schema));
        strict.unwrap_or(loose)
    });
    let offered = request.tools.iter().zip(parameters);
    let mut tools: Vec<_> = offered.map(|(one, schema)| WireTool::new(one, schema)).collect();
    if cache {
        if let Some(last) = tools.last_mut() {
            last.cache_control = Some(cached());
        }
        mark(system.last_mut());
        let turns = messages.iter_mut().rev().filter(|message| message.role == "user");
        for turn in turns.take(2) {
            mark(turn.content.last_mut());
        }
    }
    let body = Body {
        model: (!overridden("model")).then_some(&id.model),
        max_tokens: (!overridden("max_tokens"))
            .then(|| request.max_tokens.or(max_tokens).unwrap_or(MAX_TOKENS)),
        stream: stream && !overridden("stream"),
        temperature: request.temperature.map(shortest).filter(|_| !overridden("temperature")),
        tool_choice: tool_choice(request)?.filter(|_| !overridden("tool_choice")),
        output_config: output
            .filter(|_| !overridden("output_config"))
            .map(|output| json!({"format": {"type": "json_schema", "schema": output.schema}})),
        extra: &request.extra,
        tools: Some(tools).filter(|tools| !tools.is_empty() && !overridden("tools")),
        system: Some(system).filter(|system| !system.is_empty() && !overridden("system")),
        messages,
    };
    let bytes = serde_json::to_vec(&body).map_err(|error| invalid_request(error.to_string()))?;
    Ok(bytes.into())
}

/// In the order in which the provider caches: tools, rules, conversation.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<Value>,
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<Vec<WireTool<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<Vec<Value>>,
    messages: Vec<messages::WireMessage>,
}

#[derive(Serialize)]
struct WireTool<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
    input_schema: &'a RawJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<Value>,
}

impl<'a> WireTool<'a> {
    fn new(tool: &'a ToolDefinition, parameters: &'a ToolParameters) -> Self {
        Self {
            name: &tool.name,
            description: &tool.description,
            strict: parameters.is_strict,
            input_schema: &parameters.schema,
            cache_control: None,
        }
    }
}

fn cached() -> Value {
    json!({"type": "ephemeral"})
}

fn mark(block: Option<&mut Value>) {
    if let Some(block) = block.and_then(Value::as_object_mut) {
        block.insert("cache_control".to_owned(), cached());
    }
}

fn tool_choice(request: &ModelRequest) -> Result<Option<Value>, ModelError> {
    let mut choice = match &request.tool_choice {
        ToolChoice::Required | ToolChoice::Named(_) if request.tools.is_empty() => {
            return Err(invalid_request("a tool call is required, but no tool is offered"));
        }
        _ if request.tools.is_empty() => return Ok(None),
        ToolChoice::Auto => json!({"type": "auto"}),
        ToolChoice::None => return Ok(Some(json!({"type": "none"}))),
        ToolChoice::Required => json!({"type": "any"}),
        ToolChoice::Named(name) => {
            if !request.tools.iter().any(|tool| tool.name == *name) {
                return Err(invalid_request(format!("`{name}` is required, but not offered")));
            }
            json!({"type": "tool", "name": name})
        }
    };
    match request.parallel_tool_calls {
        Some(parallel) => choice["disable_parallel_tool_use"] = (!parallel).into(),
        // What it does unasked.
        None if request.tool_choice == ToolChoice::Auto => return Ok(None),
        None => {}
    }
    Ok(Some(choice))
}

fn output(output: &OutputSchema) -> Result<Compiled, ModelError> {
    schema::compile_raw(&output.schema, SchemaDialect::AnthropicStrict)
        .map_err(|error| invalid_request(format!("the shape of the answer: {error}")))
}
