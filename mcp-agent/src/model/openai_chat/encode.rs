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
use crate::model::{
    ModelError, ModelId, ModelRequest, OutputSchema, ToolChoice, ToolDefinition,
    codec::{invalid_request, shortest},
    schema::{self, SchemaCache, SchemaDialect, ToolParameters},
};

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
    /// The longest answer where the request does not say.
    pub max_tokens: Option<u32>,
    /// The schemas of tools that were compiled before.
    pub schemas: &'a SchemaCache,
}

/// Writes the body of `POST /chat/completions`.
///
/// The same conversation always gives the same bytes, and a longer one starts with the bytes of
/// the shorter: providers cache by prefix.
///
/// # Errors
/// [`InvalidRequest`](crate::model::ModelErrorKind::InvalidRequest): the request asks for a tool that it does not offer.
pub fn encode(request: &ModelRequest, encoding: Encoding<'_>) -> Result<Bytes, ModelError> {
    let Encoding { id, dialect, stream, media, max_tokens, schemas } = encoding;
    let longest = request.max_tokens.or(max_tokens);
    let schema_dialect =
        if dialect.strict { SchemaDialect::OpenAiStrict } else { SchemaDialect::OpenAi };
    let parameters = schemas.parameters(&request.tools, schema_dialect);
    let (tools, tool_choice) = offer(request, &parameters, dialect.tool_choice)?;
    let (max_tokens, max_completion_tokens) = match dialect.token_limit {
        TokenLimit::MaxTokens => (longest, None),
        TokenLimit::MaxCompletionTokens => (None, longest),
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
                json_schema: JsonSchema::new(output, dialect.strict),
            },
        ),
        stream: stream && !overridden("stream"),
        stream_options: (stream && dialect.stream_usage && !overridden("stream_options"))
            .then(|| json!({"include_usage": true})),
        extra: &request.extra,
    };
    let bytes = serde_json::to_vec(&body).map_err(|error| invalid_request(error.to_string()))?;
    Ok(bytes.into())
}

/// Which tools the model is shown, and what it is told about choosing.
fn offer<'a>(
    request: &'a ModelRequest,
    parameters: &'a [ToolParameters],
    support: ToolChoiceSupport,
) -> Result<(Vec<WireTool<'a>>, Option<Value>), ModelError> {
    let offered = || request.tools.iter().zip(parameters);
    let wire = |(tool, parameters)| WireTool::new(tool, parameters);
    let all = || offered().map(wire).collect::<Vec<_>>();
    match &request.tool_choice {
        _ if request.tools.is_empty() => match &request.tool_choice {
            ToolChoice::Auto | ToolChoice::None => Ok((Vec::new(), None)),
            ToolChoice::Required | ToolChoice::Named(_) => {
                Err(invalid_request("a tool call is required, but no tool is offered"))
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
            let tool = offered()
                .find(|(tool, _)| tool.name == *name)
                .ok_or_else(|| invalid_request(format!("`{name}` is required, but not offered")))?;
            match support {
                ToolChoiceSupport::Full => {
                    let choice = json!({"type": "function", "function": {"name": name}});
                    Ok((all(), Some(choice)))
                }
                ToolChoiceSupport::AutoAndRequired => {
                    Ok((vec![wire(tool)], Some("required".into())))
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
    parameters: &'a RawJson,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

impl<'a> WireTool<'a> {
    fn new(tool: &'a ToolDefinition, parameters: &'a ToolParameters) -> Self {
        Self {
            kind: "function",
            function: WireFunction {
                name: &tool.name,
                description: &tool.description,
                parameters: &parameters.schema,
                strict: parameters.is_strict,
            },
        }
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
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
    schema: Cow<'a, RawJson>,
}

impl<'a> JsonSchema<'a> {
    /// Strict where the server knows the word and the schema has such a form.
    fn new(output: &'a OutputSchema, strict: bool) -> Self {
        let compiled = strict
            .then(|| schema::compile_raw(&output.schema, SchemaDialect::OpenAiStrict).ok())
            .flatten();
        Self {
            name: &output.name,
            strict: compiled.is_some(),
            schema: compiled.map_or(Cow::Borrowed(&output.schema), |compiled| {
                Cow::Owned(compiled.schema.into())
            }),
        }
    }
}
