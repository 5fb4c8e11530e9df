//! Reads the example messages of the specification into this crate's types, writes them again, and
//! compares.
//!
//! The examples are not part of this repository. To run the test, point `MCP_SPEC_DIR` at a checkout
//! of the repository `modelcontextprotocol/modelcontextprotocol`:
//!
//! ```sh
//! git clone --depth 1 https://github.com/modelcontextprotocol/modelcontextprotocol spec
//! MCP_SPEC_DIR=$PWD/spec cargo test -p mcp-protocol --test official_examples
//! ```
//!
//! Without the variable the test does nothing. With it, a folder without examples, an example of an
//! unknown type and an example that changes are all failures.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use mcp_protocol::{
    capabilities::{ClientCapabilities, ServerCapabilities},
    completion::{CompleteParams, CompleteResult},
    content::{Annotations, ContentBlock},
    discover::{Discover, DiscoverResult},
    elicitation::{ElicitParams, ElicitResult, PrimitiveSchema},
    error_code::{MissingRequiredClientCapability, UnsupportedProtocolVersion},
    initialize::Initialize,
    input_required::{InputRequest, InputRequests, InputRequired, InputResponses},
    jsonrpc::{self, ErrorObject, Message, RequestId},
    logging::{LoggingMessageParams, SetLevel},
    meta::RequestMeta,
    method::Method,
    notifications::{CancelledParams, ProgressParams, ResourceUpdatedParams, ServerNotification},
    pagination::PaginatedParams,
    prompts::{GetPrompt, GetPromptParams, GetPromptResult, ListPrompts, Prompt},
    resources::{
        ListResourceTemplates, ListResources, ReadResource, ReadResourceParams, Resource,
        ResourceContents, ResourceTemplate,
    },
    roots::{ListRootsResult, Root},
    sampling::{
        CreateMessageParams, CreateMessageResult, ModelPreferences, SamplingContent,
        SamplingMessage,
    },
    subscriptions::{
        SubscriptionsAcknowledgedParams, SubscriptionsListen, SubscriptionsListenParams,
    },
    tools::{CallTool, CallToolParams, CallToolResult, ListTools, Tool},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

type Outcome = Result<Value, String>;

#[test]
fn the_official_examples_survive_the_round_trip() {
    let Some(checkout) = env::var_os("MCP_SPEC_DIR").map(PathBuf::from) else {
        eprintln!("MCP_SPEC_DIR is not set: the official examples are not read");
        return;
    };
    let mut read = 0;
    let mut failures = Vec::new();
    for example in examples(&checkout.join("schema")) {
        let kind = parent_name(&example);
        let text = fs::read_to_string(&example).unwrap();
        let expected: Value = serde_json::from_str(&text).unwrap();
        read += 1;
        match round_trip(&kind, &text) {
            Ok(written) if same(&written, &canonical(&kind, &expected)) => {}
            Ok(written) => failures.push(format!("{}\n  now {written}", example.display())),
            Err(reason) => failures.push(format!("{}\n  {reason}", example.display())),
        }
    }
    assert!(read > 0, "no examples under {}/schema/*/examples", checkout.display());
    assert!(failures.is_empty(), "{} of {read}:\n{}", failures.len(), failures.join("\n"));
    eprintln!("{read} examples read");
}

/// The example files of every revision that is named by its date.
fn examples(schema: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for revision in entries(schema) {
        let is_dated = revision.file_name().unwrap().to_string_lossy().starts_with("20");
        let folder = revision.join("examples");
        if is_dated && folder.is_dir() {
            files.extend(entries(&folder).iter().flat_map(|kind| entries(kind)));
        }
    }
    files
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let listing = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{} cannot be listed: {error}", folder.display()));
    let mut found: Vec<PathBuf> = listing.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn parent_name(file: &Path) -> String {
    file.parent().and_then(Path::file_name).unwrap().to_string_lossy().into_owned()
}

fn round_trip(kind: &str, text: &str) -> Outcome {
    if let Some(request) = kind.strip_suffix("Request") {
        return match request {
            "CreateMessage" | "Elicit" | "ListRoots" => plain::<InputRequest>(text),
            "CallTool" => request_of::<CallTool, CallToolParams>(text),
            "Complete" => request_of::<mcp_protocol::completion::Complete, CompleteParams>(text),
            "Discover" => request_of::<Discover, PaginatedParams>(text),
            "GetPrompt" => request_of::<GetPrompt, GetPromptParams>(text),
            "Initialize" => {
                request_of::<Initialize, mcp_protocol::initialize::InitializeParams>(text)
            }
            "ListPrompts" => request_of::<ListPrompts, PaginatedParams>(text),
            "ListResourceTemplates" => request_of::<ListResourceTemplates, PaginatedParams>(text),
            "ListResources" => request_of::<ListResources, PaginatedParams>(text),
            "ListTools" => request_of::<ListTools, PaginatedParams>(text),
            "ReadResource" => request_of::<ReadResource, ReadResourceParams>(text),
            "SetLevel" => request_of::<SetLevel, mcp_protocol::logging::SetLevelParams>(text),
            "SubscriptionsListen" => {
                request_of::<SubscriptionsListen, SubscriptionsListenParams>(text)
            }
            _ => Err(format!("no type for {kind}")),
        };
    }
    if kind.ends_with("Notification") {
        return notification(text);
    }
    if let Some(result) = kind.strip_suffix("Response") {
        return response(text, |body| round_trip(result, body));
    }
    match kind {
        "CallToolResult" => outcome::<CallTool>(text).and(plain::<CallToolResult>(text)),
        "GetPromptResult" => outcome::<GetPrompt>(text).and(plain::<GetPromptResult>(text)),
        "ReadResourceResult" => outcome::<ReadResource>(text),
        "InputRequiredResult" => outcome::<CallTool>(text).and(plain::<InputRequired>(text)),
        "ListPromptsResult" => outcome::<ListPrompts>(text),
        "ListResourceTemplatesResult" => outcome::<ListResourceTemplates>(text),
        "ListResourcesResult" => outcome::<ListResources>(text),
        "ListToolsResult" => outcome::<ListTools>(text),
        "SubscriptionsListenResult" => outcome::<SubscriptionsListen>(text),
        "DiscoverResult" => plain::<DiscoverResult>(text),
        "CompleteResult" => plain::<CompleteResult>(text),
        "CreateMessageResult" => plain::<CreateMessageResult>(text),
        "ElicitResult" => plain::<ElicitResult>(text),
        "ListRootsResult" => plain::<ListRootsResult>(text),
        "CallToolRequestParams" => params::<CallToolParams>(text),
        "CompleteRequestParams" => params::<CompleteParams>(text),
        "GetPromptRequestParams" => params::<GetPromptParams>(text),
        "PaginatedRequestParams" => params::<PaginatedParams>(text),
        "CreateMessageRequestParams" => plain::<CreateMessageParams>(text),
        "ElicitRequestFormParams" | "ElicitRequestURLParams" => plain::<ElicitParams>(text),
        "CancelledNotificationParams" => plain::<CancelledParams>(text),
        "LoggingMessageNotificationParams" => plain::<LoggingMessageParams>(text),
        "ProgressNotificationParams" => plain::<ProgressParams>(text),
        "ResourceUpdatedNotificationParams" => plain::<ResourceUpdatedParams>(text),
        "SubscriptionsAcknowledgedNotificationParams" => {
            plain::<SubscriptionsAcknowledgedParams>(text)
        }
        "Annotations" => plain::<Annotations>(text),
        "TextContent" | "ImageContent" | "AudioContent" => {
            plain::<ContentBlock>(text).and(plain::<SamplingContent>(text))
        }
        "EmbeddedResource" | "ResourceLink" => plain::<ContentBlock>(text),
        "ToolUseContent" | "ToolResultContent" => plain::<SamplingContent>(text),
        "TextResourceContents" | "BlobResourceContents" => plain::<ResourceContents>(text),
        "BooleanSchema"
        | "NumberSchema"
        | "StringSchema"
        | "TitledMultiSelectEnumSchema"
        | "TitledSingleSelectEnumSchema"
        | "UntitledMultiSelectEnumSchema"
        | "UntitledSingleSelectEnumSchema"
        | "LegacyTitledEnumSchema" => plain::<PrimitiveSchema>(text),
        "ClientCapabilities" => plain::<ClientCapabilities>(text),
        "ServerCapabilities" => plain::<ServerCapabilities>(text),
        "InputRequests" => plain::<InputRequests>(text),
        "InputResponses" => plain::<InputResponses>(text),
        "ModelPreferences" => plain::<ModelPreferences>(text),
        "Prompt" => plain::<Prompt>(text),
        "Resource" => plain::<Resource>(text),
        "ResourceTemplate" => plain::<ResourceTemplate>(text),
        "Root" => plain::<Root>(text),
        "SamplingMessage" => plain::<SamplingMessage>(text),
        "Tool" => plain::<Tool>(text),
        "HeaderMismatchError" => error_response(text, |_| Ok(())),
        "MissingRequiredClientCapabilityError" => {
            error_response(text, data_of::<MissingRequiredClientCapability>)
        }
        "UnsupportedProtocolVersionError" => {
            error_response(text, data_of::<UnsupportedProtocolVersion>)
        }
        _ if kind.ends_with("Error") => plain::<ErrorObject>(text),
        _ => Err(format!("no type for {kind}")),
    }
}

fn value<T: Serialize>(read: &T) -> Outcome {
    serde_json::to_value(read).map_err(|error| error.to_string())
}

fn plain<T: DeserializeOwned + Serialize>(text: &str) -> Outcome {
    mcp_protocol::decode::strict::<T>(text.as_bytes())
        .map_err(|error| error.to_string())
        .and_then(|read| value(&read))
}

/// Parameters of a modern request: their `_meta` must be one as well.
fn params<T: DeserializeOwned + Serialize>(text: &str) -> Outcome {
    let written = plain::<T>(text)?;
    let meta = written.get("_meta").ok_or("no `_meta`")?;
    let again = plain::<RequestMeta>(&meta.to_string())?;
    if same(&again, meta) { Ok(written) } else { Err(format!("`_meta` is now {again}")) }
}

fn outcome<M: Method<Output: Serialize>>(text: &str) -> Outcome {
    M::decode(text.as_bytes()).map_err(|error| error.to_string()).and_then(|read| value(&read))
}

fn request_of<M: Method, P: DeserializeOwned + Serialize>(text: &str) -> Outcome {
    let message = Message::parse(&text.to_owned().into()).map_err(|error| error.to_string())?;
    let Message::Request(request) = message else { return Err("not a request".to_owned()) };
    if &*request.method != M::NAME {
        return Err(format!("`{}` instead of `{}`", request.method, M::NAME));
    }
    let params = params::<P>(std::str::from_utf8(&request.params).unwrap())?;
    let written = jsonrpc::encode_request(&request.id, M::NAME, &params, None).unwrap();
    serde_json::from_slice(&written).map_err(|error| error.to_string())
}

fn notification(text: &str) -> Outcome {
    let message = Message::parse(&text.to_owned().into()).map_err(|error| error.to_string())?;
    let Message::Notification(message) = message else {
        return Err("not a notification".to_owned());
    };
    let read = ServerNotification::decode(&message.method, &message.params)
        .map_err(|error| error.to_string())?;
    let params = match &read {
        ServerNotification::Progress(params) => value(params),
        ServerNotification::Cancelled(params) => value(params),
        ServerNotification::Message(params) => value(params),
        ServerNotification::ToolListChanged(params)
        | ServerNotification::PromptListChanged(params)
        | ServerNotification::ResourceListChanged(params) => value(params),
        ServerNotification::ResourceUpdated(params) => value(params),
        ServerNotification::ElicitationComplete(params) => value(params),
        ServerNotification::SubscriptionsAcknowledged(params) => value(params),
        other => Err(format!("read as {other:?}")),
    }?;
    let written = jsonrpc::encode_notification(&message.method, &params, None).unwrap();
    serde_json::from_slice(&written).map_err(|error| error.to_string())
}

fn parse_response(text: &str) -> Result<(RequestId, Result<String, ErrorObject>), String> {
    let message = Message::parse(&text.to_owned().into()).map_err(|error| error.to_string())?;
    let Message::Response(response) = message else { return Err("not a response".to_owned()) };
    let body = response.outcome.map(|body| String::from_utf8(body.to_vec()).unwrap());
    Ok((response.id.ok_or("no `id`")?, body))
}

fn response(text: &str, read: impl Fn(&str) -> Outcome) -> Outcome {
    let (id, body) = parse_response(text)?;
    let result = read(&body.map_err(|error| error.to_string())?)?;
    serde_json::from_slice(&jsonrpc::encode_result(&id, &result).unwrap())
        .map_err(|error| error.to_string())
}

fn error_response(text: &str, check: impl Fn(&ErrorObject) -> Result<(), String>) -> Outcome {
    let (id, body) = parse_response(text)?;
    let error = body.err().ok_or("no `error`")?;
    check(&error)?;
    serde_json::from_slice(&jsonrpc::encode_error(Some(&id), &error))
        .map_err(|error| error.to_string())
}

fn data_of<T: DeserializeOwned + Serialize>(error: &ErrorObject) -> Result<(), String> {
    let data = error.data.as_ref().ok_or("no `data`")?;
    let written = plain::<T>(data.as_str())?;
    let expected: Value = data.parse().map_err(|error| error.to_string())?;
    if same(&written, &expected) { Ok(()) } else { Err(format!("`data` is now {written}")) }
}

/// The example as this crate writes it: without flags that say no more than their absence does.
fn canonical(kind: &str, expected: &Value) -> Value {
    let mut value = expected.clone();
    normalize(&mut value);
    if kind == "ListRootsRequest" {
        // The one example of this type has an `id`, which the type itself has not.
        value.as_object_mut().unwrap().remove("id");
    }
    value
}

fn normalize(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|key, value| {
                !matches!(key.as_str(), "isError" | "hasMore") || *value != Value::Bool(false)
            });
            // A form is the default of elicitation, but this crate says so.
            if members.contains_key("requestedSchema") {
                members.insert("mode".into(), "form".into());
            }
            members.values_mut().for_each(normalize);
        }
        Value::Array(items) => items.iter_mut().for_each(normalize),
        _ => {}
    }
}

/// Equality of JSON: the order of keys does not count, and `1` equals `1.0`.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}
