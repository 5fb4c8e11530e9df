//! What the modern lifecycle asks of a POST: headers that repeat the body.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName};
use mcp_protocol::{
    error_code, header_values,
    jsonrpc::{ErrorObject, Request},
    version::{Era, ProtocolVersion},
};
use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::http::headers::{METHOD, NAME, PROTOCOL_VERSION};

/// The members of `params` that headers repeat.
#[derive(Default, Deserialize)]
struct Params<'a> {
    #[serde(default, rename = "_meta", borrow)]
    meta: Option<Meta<'a>>,
    #[serde(default)]
    name: Option<Value>,
    #[serde(default)]
    uri: Option<Value>,
    #[serde(default, rename = "taskId")]
    task_id: Option<Value>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(default, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<Value>,
    #[serde(default, rename = "io.modelcontextprotocol/clientCapabilities", borrow)]
    capabilities: Option<&'a RawValue>,
}

/// Which lifecycle a request belongs to. A modern one is checked as a whole.
///
/// # Errors
/// It is modern, and its headers or its `_meta` are not as they must be.
pub(super) fn check(request: &Request, headers: &HeaderMap) -> Result<Era, ErrorObject> {
    let shown = text(headers, &PROTOCOL_VERSION)?;
    let era_of = |version: &str| ProtocolVersion::new(version.to_owned()).era();
    let shows_modern = shown.is_some_and(|version| era_of(version) == Era::Modern);
    if !shows_modern && !may_name_version(&request.params) {
        return Ok(Era::Legacy);
    }
    let params: Params<'_> = serde_json::from_slice(&request.params).unwrap_or_default();
    let named = params.meta.as_ref().and_then(|meta| meta.version.as_ref());
    if !shows_modern && (named.is_none() || &*request.method == "initialize") {
        return Ok(Era::Legacy);
    }
    let missing = |key: &str| {
        ErrorObject::new(error_code::INVALID_PARAMS, format!("`params._meta` has no `{key}`"))
    };
    let Some(version) = named.and_then(Value::as_str) else {
        return Err(missing("io.modelcontextprotocol/protocolVersion"));
    };
    compare("mcp-protocol-version", shown, version)?;
    if params.meta.as_ref().is_none_or(|meta| meta.capabilities.is_none()) {
        return Err(missing("io.modelcontextprotocol/clientCapabilities"));
    }
    compare("mcp-method", text(headers, &METHOD)?, &request.method)?;
    let name = match &*request.method {
        "tools/call" | "prompts/get" => params.name,
        "resources/read" => params.uri,
        "tasks/get" | "tasks/update" | "tasks/cancel" => params.task_id,
        _ => None,
    };
    if let Some(name) = name.as_ref().and_then(Value::as_str) {
        let shown = text(headers, &NAME)?;
        let decoded = shown.map(header_values::decode).transpose();
        let decoded = decoded.map_err(|error| mismatch(error.to_string()))?;
        compare("mcp-name", decoded.as_deref(), name)?;
    }
    Ok(Era::Modern)
}

/// Made once: it costs more than a search.
static VERSION_KEY: LazyLock<Finder<'_>> =
    LazyLock::new(|| Finder::new("io.modelcontextprotocol/protocolVersion"));

/// Whether it is worth a look: a key may be written with escapes.
fn may_name_version(params: &[u8]) -> bool {
    VERSION_KEY.find(params).is_some() || memchr::memchr(b'\\', params).is_some()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ErrorObject> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match (value.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text.trim())),
        _ => Err(mismatch(format!("the header `{name}` is not one readable value"))),
    }
}

fn compare(header: &str, shown: Option<&str>, body: &str) -> Result<(), ErrorObject> {
    match shown {
        Some(shown) if shown == body => Ok(()),
        Some(shown) => Err(mismatch(format!("`{header}` says `{shown}`, the body `{body}`"))),
        None => Err(mismatch(format!("the header `{header}` is missing; the body has `{body}`"))),
    }
}

fn mismatch(reason: String) -> ErrorObject {
    ErrorObject::new(error_code::HEADER_MISMATCH, reason)
}
