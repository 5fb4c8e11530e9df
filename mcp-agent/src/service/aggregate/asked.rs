//! Who asks, and what a request says beside its question.

use std::sync::Arc;

use mcp_protocol::{
    capabilities::ClientCapabilities,
    error_code::{self, UnsupportedProtocolVersion},
    jsonrpc::{ErrorObject, Request, RequestId},
    logging::LoggingLevel,
    raw::RawJson,
    version::{Era, ProtocolVersion},
};
use mcp_transport::serve::Peer;
use serde::{Deserialize, de::DeserializeOwned};

use super::{conversation::Conversation, operations::Measured};
use crate::service::scope::Scope;

/// The client as one request shows it. Modern requests say everything themselves, legacy ones
/// belong to a conversation that was opened before.
#[derive(Clone, Debug)]
pub(super) struct Caller<'a> {
    pub(super) era: Era,
    pub(super) peer: &'a Peer,
    pub(super) progress_token: Option<RequestId>,
    pub(super) capabilities: Arc<ClientCapabilities>,
    pub(super) log_level: Option<LoggingLevel>,
    /// What its calls belong to.
    pub(super) scope: Scope,
    /// Its conversation, for servers that keep a state with theirs. Modern requests have none: each
    /// stands for itself.
    pub(super) affinity: Option<Arc<str>>,
    /// The same, where it hears what nobody asked for.
    pub(super) conversation: Option<&'a Conversation>,
    /// Where it is noted what it was about and how it ended.
    pub(super) measured: Option<&'a Measured>,
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
    #[serde(default, rename = "io.modelcontextprotocol/clientCapabilities")]
    capabilities: Option<ClientCapabilities>,
    #[serde(default, rename = "io.modelcontextprotocol/logLevel")]
    log_level: Option<LoggingLevel>,
    #[serde(default, rename = "progressToken")]
    progress_token: Option<RequestId>,
    traceparent: Option<String>,
    tracestate: Option<String>,
    baggage: Option<String>,
}

impl<'a> Caller<'a> {
    /// Modern requests name their revision. That of a legacy one was agreed upon when its
    /// connection or session was opened.
    pub(super) fn read(
        request: &Request,
        peer: &'a Peer,
        conversation: Option<&'a Conversation>,
    ) -> Result<Self, ErrorObject> {
        let Entries {
            version,
            capabilities,
            log_level,
            progress_token,
            traceparent,
            tracestate,
            baggage,
        } = params::<Params>(request)?.meta;
        let outside = peer.beside::<Scope>().cloned().unwrap_or_default();
        let (parent, state) = (traceparent.as_deref(), tracestate.as_deref());
        let scope = outside.in_trace(outside.read_trace(parent, state, baggage.as_deref()));
        if let Some(noted) = scope.request() {
            noted.asks(&request.method);
        }
        let is_modern = match version {
            None => false,
            Some(version) if version == ProtocolVersion::V2026_07_28 => true,
            Some(_) if &*request.method == "initialize" => false,
            Some(version) => return Err(unsupported(version)),
        };
        let (era, (capabilities, log_level)) = if is_modern {
            (Era::Modern, (Arc::new(capabilities.unwrap_or_default()), log_level))
        } else {
            (Era::Legacy, conversation.map(Conversation::said).unwrap_or_default())
        };
        let conversation = conversation.filter(|_| !is_modern);
        let affinity = conversation.map(Conversation::affinity);
        Ok(Self {
            era,
            peer,
            progress_token,
            capabilities,
            log_level,
            scope,
            affinity,
            conversation,
            measured: None,
        })
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
