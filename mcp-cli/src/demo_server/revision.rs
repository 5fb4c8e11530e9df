//! Which revision a request speaks.

use std::sync::atomic::{AtomicBool, Ordering};

use mcp_protocol::{
    error_code::{self, UnsupportedProtocolVersion},
    jsonrpc::{ErrorObject, Request},
    meta::RequestMeta,
    raw::RawJson,
    version::{Era, ProtocolVersion},
};
use serde::Deserialize;

/// Modern requests name their revision; others must come after `initialize`.
pub(super) fn of(request: &Request, initialized: &AtomicBool) -> Result<Era, ErrorObject> {
    #[derive(Default, Deserialize)]
    struct Params {
        #[serde(default, rename = "_meta")]
        meta: Option<RequestMeta>,
    }
    let params: Params = serde_json::from_slice(&request.params)
        .map_err(|error| ErrorObject::new(error_code::INVALID_PARAMS, error.to_string()))?;
    let meta = params.meta.unwrap_or_default();
    if &*request.method == "initialize" && meta.protocol_version.is_none() {
        initialized.store(true, Ordering::Relaxed);
        return Ok(Era::Legacy);
    }
    match meta.protocol_version {
        Some(version) if version == ProtocolVersion::V2026_07_28 => {
            if meta.client_capabilities.is_none() {
                return Err(missing("io.modelcontextprotocol/clientCapabilities"));
            }
            Ok(Era::Modern)
        }
        Some(version) => Err(unsupported(version)),
        None if initialized.load(Ordering::Relaxed) || &*request.method == "ping" => {
            Ok(Era::Legacy)
        }
        None => Err(missing("io.modelcontextprotocol/protocolVersion")),
    }
}

fn missing(key: &str) -> ErrorObject {
    let text = format!("`_meta` has no `{key}`, and no `initialize` came before");
    ErrorObject::new(error_code::INVALID_PARAMS, text)
}

fn unsupported(requested: ProtocolVersion) -> ErrorObject {
    let text = format!("no request can be made in revision {}", requested.as_str());
    let data = UnsupportedProtocolVersion {
        supported: ProtocolVersion::SUPPORTED.to_vec(),
        requested: Some(requested),
    };
    ErrorObject {
        data: RawJson::from_value(&data).ok(),
        ..ErrorObject::new(error_code::UNSUPPORTED_PROTOCOL_VERSION, text)
    }
}
