//! From a request in our words to the body of a Chat Completions request.

use std::borrow::Cow;

use bytes::Bytes;
use mcp_protocol::raw::RawJson;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    dialect::{Dialect, TokenLimit, ToolChoiceSupport},
    messages::{self, WireMessage},
};
use crate::model::{ModelError, ModelErrorKind, ModelId, ModelRequest, ToolChoice};

/// How a request is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Encoding<'a> {
    /// Who is asked; only its own reasoning goes back to it.
    pub id: &'a ModelId,
    /// What the server understands.
    pub dialect: Dialect,
    /// Whether the answer comes piece by piece.
    pub stream: bool,
    /// Whether pictures, sounds and files may be sent; otherwise a note stands in their place.
    pub media: bool,
}

/// Writes the body of `POST /chat/completions`.
///
/// The same conversation always gives the same bytes, and a longer one starts with the bytes of
/// the shorter: providers cache by prefix.
///
/// # Errors
/// [`ModelErrorKind::InvalidRequest`]: the request asks for a tool that it does not offer.
pub fn encode(request: &ModelRequest, encoding: Encoding<'_>) -> Result<Bytes, ModelError> {
    let Encoding { id, dialect, stream, media } = encoding;
    let (tools, tool_choice) = offer(request, dialect.tool_choice)?;
    let (max_tokens, max_completion_tokens) = match dialect.token_limit {
        TokenLimit::MaxTokens => (request.max_tokens, None),
        TokenLimit::MaxCompletionTokens => (None, request.max_tokens),
    };
    let overridden = |name: &str| request.extra.contains_key(name);
    let body = Body {
        model: (!overridden("model")).then_some(&id.model),
        parallel_tool_calls: request
            .parallel_tool_calls
            .filter(|_| !tools.is_empty() && !overridden("parallel_tool_calls")),
        tools,
        tool_choice: tool_choice.filter(|_| !overridden("tool_choice")),
        messages: messages::encode(&request.messages, id, dialect.reasoning, media),
        temperature: request.temperature.map(shortest).filter(|_| !overridden("temperature")),
        max_tokens: max_tokens.filter(|_| !overridden("max_tokens")),
        max_completion_tokens: max_completion_tokens
            .filter(|_| !overridden("max_completion_tokens")),
        seed: request.seed.filter(|_| !overridden("seed")),
        response_format: request.output.as_ref().filter(|_| !overridden("response_format")).map(
            |output| ResponseFormat {
                kind: "json_schema",
                json_schema: JsonSchema { name: &output.name, schema: &output.schema },
            },
        ),
        stream: stream && !overridden("stream"),
        stream_options: (stream && dialect.stream_usage && !overridden("stream_options"))
            .then(|| json!({"include_usage": true})),
        extra: &request.extra,
    };
    let bytes = serde_json::to_vec(&body).map_err(|error| invalid(error.to_string()))?;
    Ok(bytes.into())
}

fn invalid(reason: String) -> ModelError {
    ModelError::new(ModelErrorKind::InvalidRequest { reason })
}

/// A `f32` such as 0.7 as the `f64` with the same short spelling, not as 0.699999988079071.
fn shortest(number: f32) -> f64 {
    number.to_string().parse().unwrap_or_else(|_| f64::from(number))
}

/// Which tools the model is shown, and what it is told about choosing.
fn offer(
    request: &ModelRequest,
    support: ToolChoiceSupport,
) -> Result<(Vec<WireTool<'_>>, Option<Value>), ModelError> {
    let all = || request.tools.iter().map(WireTool::new).collect::<Vec<_>>();
    match &request.tool_choice {
        _ if request.tools.is_empty() => match &request.tool_choice {
            ToolChoice::Auto | ToolChoice::None => Ok((Vec::new(), None)),
            ToolChoice::Required | ToolChoice::Named(_) => {
                Err(invalid("a tool call is required, but no tool is offered".to_owned()))
            }
        },
        // What every server does unasked.
        ToolChoice::Auto => Ok((all(), None)),
        ToolChoice::Required => Ok((all(), Some("required".into()))),
        ToolChoice::None => match support {
            ToolChoiceSupport::Full => Ok((all(), Some("none".into()))),
            ToolChoiceSupport::AutoAndRequired => Ok((Vec::new(), None)),
        },
        ToolChoice::Named(name) => {
            let tool = request
                .tools
                .iter()
                .find(|tool| tool.name == *name)
                .ok_or_else(|| invalid(format!("`{name}` is required, but not offered")))?;
            match support {
                ToolChoiceSupport::Full => {
                    let choice = json!({"type": "function", "function": {"name": name}});
                    Ok((all(), Some(choice)))
                }
                ToolChoiceSupport::AutoAndRequired => {
                    Ok((vec![WireTool::new(tool)], Some("required".into())))
                }
            }
        }
    }
}

/// The tools stand before the messages: caches work by prefix, and the tools change least.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<WireTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<Value>,
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
    messages: Vec<WireMessage<'a>>,
}

#[derive(Serialize)]
struct WireTool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: WireFunction<'a>,
}

#[derive(Serialize)]
struct WireFunction<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    parameters: Cow<'a, RawJson>,
}

impl<'a> WireTool<'a> {
    fn new(tool: &'a crate::model::ToolDefinition) -> Self {
        Self {
            kind: "function",
            function: WireFunction {
                name: &tool.name,
                description: &tool.description,
                parameters: with_properties(&tool.parameters),
            },
        }
    }
}

/// The schema as it is, except that OpenAI refuses objects that do not list their properties.
fn with_properties(schema: &RawJson) -> Cow<'_, RawJson> {
    if schema.as_str().contains("\"properties\"") {
        return Cow::Borrowed(schema);
    }
    match schema.parse::<Map<String, Value>>() {
        Ok(mut object) if object.get("type").is_some_and(|kind| kind == "object") => {
            object.insert("properties".to_owned(), json!({}));
            Cow::Owned(Value::Object(object).into())
        }
        _ => Cow::Borrowed(schema),
    }
}

#[derive(Serialize)]
struct ResponseFormat<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    json_schema: JsonSchema<'a>,
}

#[derive(Serialize)]
struct JsonSchema<'a> {
    name: &'a str,
    schema: &'a RawJson,
}
