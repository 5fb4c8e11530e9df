//! What a request says beside its question.

use mcp_protocol::{
    error_code::{self, UnsupportedProtocolVersion},
    jsonrpc::{ErrorObject, Request, RequestId},
    raw::RawJson,
    version::{Era, ProtocolVersion},
};
use serde::{Deserialize, de::DeserializeOwned};

/// The lifecycle of a request, and how its progress is told.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) era: Era,
    pub(super) progress_token: Option<RequestId>,
}

#[derive(Default, Deserialize)]
struct Params {
    #[serde(default, rename = "_meta")]
    meta: Entries,
}

#[derive(Default, Deserialize)]
struct Entries {
    #[serde(default, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<ProtocolVersion>,
    #[serde(default, rename = "progressToken")]
    progress_token: Option<RequestId>,
}

impl Asked {
    /// Modern requests name their revision. That of a legacy one was agreed upon when its
    /// connection or session was opened.
    pub(super) fn read(request: &Request) -> Result<Self, ErrorObject> {
        let Entries { version, progress_token } = params::<Params>(request)?.meta;
        let era = match version {
            None => Era::Legacy,
            Some(_) if &*request.method == "initialize" => Era::Legacy,
            Some(version) if version == ProtocolVersion::V2026_07_28 => Era::Modern,
            Some(version) => return Err(unsupported(version)),
        };
        Ok(Self { era, progress_token })
    }
}

/// The parameters as what the method expects.
pub(super) fn params<T: DeserializeOwned>(request: &Request) -> Result<T, ErrorObject> {
    serde_json::from_slice(&request.params)
        .map_err(|error| ErrorObject::new(error_code::INVALID_PARAMS, error.to_string()))
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
