//! From a request in our words to the body of a generateContent request.

use bytes::Bytes;
use mcp_protocol::raw::RawJson;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{contents, is_third_generation};
use crate::model::{
    ModelError, ModelId, ModelRequest, ToolChoice, ToolDefinition,
    codec::{invalid_request, shortest},
    schema::{self, SchemaCache, SchemaDialect, ToolParameters},
};

/// How a request is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Encoding<'a> {
    /// Who is asked; only its own reasoning goes back to it.
    pub id: &'a ModelId,
    /// The longest answer where the request does not say.
    pub max_tokens: Option<u32>,
    /// Whether pictures, sounds and files may be sent; otherwise a note stands in their place.
    pub media: bool,
    /// The schemas of tools that were compiled before.
    pub schemas: &'a SchemaCache,
}

/// Writes the body of `POST /models/MODEL:streamGenerateContent`.
///
/// Further members of the request in the provider's words win over ours; those of
/// `generationConfig` one by one.
///
/// # Errors
/// [`InvalidRequest`](crate::model::ModelErrorKind::InvalidRequest): the request asks for a tool
/// that it does not offer.
pub fn encode(request: &ModelRequest, encoding: Encoding<'_>) -> Result<Bytes, ModelError> {
    let Encoding { id, max_tokens, media, schemas } = encoding;
    let overridden = |name: &str| request.extra.contains_key(name);
    let mut extra = request.extra.clone();
    let mut config = generation_config(request, max_tokens);
    if let Some(Value::Object(theirs)) = extra.remove("generationConfig") {
        config.extend(theirs);
    }
    let (system, contents) =
        contents::encode(&request.messages, id, media, is_third_generation(&id.model));
    let parameters = schemas.parameters(&request.tools, SchemaDialect::Gemini);
    let declared = request.tools.iter().zip(&*parameters);
    let function_declarations: Vec<_> =
        declared.map(|(tool, parameters)| Declaration::new(tool, parameters)).collect();
    let body = Body {
        tools: (!function_declarations.is_empty() && !overridden("tools"))
            .then_some([Declarations { function_declarations }]),
        tool_config: tool_config(request)?.filter(|_| !overridden("toolConfig")),
        generation_config: Some(config).filter(|config| !config.is_empty()),
        extra,
        system_instruction: system.filter(|_| !overridden("systemInstruction")),
        contents,
    };
    let bytes = serde_json::to_vec(&body).map_err(|error| invalid_request(error.to_string()))?;
    Ok(bytes.into())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<[Declarations<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation_config: Option<Map<String, Value>>,
    #[serde(flatten)]
    extra: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Value>,
    contents: Vec<contents::Content>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Declarations<'a> {
    function_declarations: Vec<Declaration<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Declaration<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    parameters_json_schema: &'a RawJson,
}

impl<'a> Declaration<'a> {
    fn new(tool: &'a ToolDefinition, parameters: &'a ToolParameters) -> Self {
        Self {
            name: &tool.name,
            description: &tool.description,
            parameters_json_schema: &parameters.schema,
        }
    }
}

fn generation_config(request: &ModelRequest, max_tokens: Option<u32>) -> Map<String, Value> {
    let mut config = Map::new();
    if let Some(temperature) = request.temperature {
        config.insert("temperature".to_owned(), shortest(temperature).into());
    }
    if let Some(tokens) = request.max_tokens.or(max_tokens) {
        config.insert("maxOutputTokens".to_owned(), tokens.into());
    }
    if let Some(seed) = request.seed {
        config.insert("seed".to_owned(), seed.into());
    }
    if let Some(output) = &request.output {
        let schema = schema::parameters(&output.schema, SchemaDialect::Gemini);
        config.insert("responseMimeType".to_owned(), "application/json".into());
        config.insert("responseJsonSchema".to_owned(), json!(schema));
    }
    config
}

/// The API cannot be told to make only one call; that is left to the model.
fn tool_config(request: &ModelRequest) -> Result<Option<Value>, ModelError> {
    let config = match &request.tool_choice {
        ToolChoice::Required | ToolChoice::Named(_) if request.tools.is_empty() => {
            return Err(invalid_request("a tool call is required, but no tool is offered"));
        }
        _ if request.tools.is_empty() => return Ok(None),
        // What it does unasked.
        ToolChoice::Auto => return Ok(None),
        ToolChoice::None => json!({"mode": "NONE"}),
        ToolChoice::Required => json!({"mode": "ANY"}),
        ToolChoice::Named(name) => {
            if !request.tools.iter().any(|tool| tool.name == *name) {
                return Err(invalid_request(format!("`{name}` is required, but not offered")));
            }
            json!({"mode": "ANY", "allowedFunctionNames": [name]})
        }
    };
    Ok(Some(json!({"functionCallingConfig": config})))
}
