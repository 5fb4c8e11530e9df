//! `_meta`: entries beside the parameters and results, some of them reserved by the protocol.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    capabilities::ClientCapabilities, implementation::Implementation, jsonrpc::RequestId,
    logging::LoggingLevel, object::Object, raw::RawJson, tolerant::object,
    version::ProtocolVersion,
};

/// The revision of a modern request.
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// What the client of a modern request can do.
pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// What the client of a modern request says it is.
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// The log messages that a modern request asks for.
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// What the server of a modern result says it is.
pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// The `subscriptions/listen` request to which a notification or result belongs.
pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
/// The task to which a message belongs, in revision 2025-11-25.
pub const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";
/// What to tell a model while a task of revision 2025-11-25 runs.
pub const MODEL_IMMEDIATE_RESPONSE: &str = "io.modelcontextprotocol/model-immediate-response";
/// Asks for progress, in every revision.
pub const PROGRESS_TOKEN: &str = "progressToken";
/// W3C trace context.
pub const TRACEPARENT: &str = "traceparent";
/// W3C trace context, vendors' part.
pub const TRACESTATE: &str = "tracestate";
/// W3C baggage.
pub const BAGGAGE: &str = "baggage";

/// The `_meta` of a message, kept as text until an entry is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Meta(#[serde(deserialize_with = "object")] RawJson);

impl Meta {
    /// Makes `_meta` of entries.
    pub fn new(entries: &Object) -> Self {
        // Strings as keys and JSON as values always serialize.
        Self(RawJson::from_value(entries).unwrap_or_else(|_| empty_object()))
    }

    /// The JSON object as its sender wrote it.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// All entries.
    pub fn entries(&self) -> Object {
        self.0.parse().unwrap_or_default()
    }

    /// One entry.
    pub fn get(&self, key: &str) -> Option<RawJson> {
        self.entries().remove(key)
    }

    /// One entry, if it has the shape of `T`.
    pub fn read<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        self.get(key)?.parse().ok()
    }

    /// What the server says it is. Unverified: for display only.
    pub fn server_info(&self) -> Option<Implementation> {
        self.read(SERVER_INFO)
    }

    /// The `subscriptions/listen` request to which the message belongs.
    pub fn subscription_id(&self) -> Option<RequestId> {
        self.read(SUBSCRIPTION_ID)
    }

    /// The token under which progress is expected.
    pub fn progress_token(&self) -> Option<RequestId> {
        self.read(PROGRESS_TOKEN)
    }

    /// The task of revision 2025-11-25 to which the message belongs.
    pub fn related_task(&self) -> Option<String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct RelatedTask {
            task_id: String,
        }
        self.read::<RelatedTask>(RELATED_TASK).map(|related| related.task_id)
    }
}

impl From<Object> for Meta {
    fn from(entries: Object) -> Self {
        Self::new(&entries)
    }
}

fn empty_object() -> RawJson {
    RawJson::from(serde_json::Value::Object(serde_json::Map::new()))
}

/// The `_meta` of a request, as a client writes it and a server reads it.
///
/// A modern request must have the revision and the capabilities; a legacy one has neither.
///
/// ```
/// use mcp_protocol::{
///     capabilities::ClientCapabilities, meta::RequestMeta, version::ProtocolVersion,
/// };
///
/// let meta = RequestMeta::modern(ProtocolVersion::LATEST, ClientCapabilities::default())
///     .progress_token(7);
/// let text = serde_json::to_string(&meta)?;
/// assert!(text.contains(r#""progressToken":7"#));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestMeta {
    /// The revision of the request.
    #[serde(
        rename = "io.modelcontextprotocol/protocolVersion",
        skip_serializing_if = "Option::is_none"
    )]
    pub protocol_version: Option<ProtocolVersion>,
    /// What the client says it is.
    #[serde(
        rename = "io.modelcontextprotocol/clientInfo",
        skip_serializing_if = "Option::is_none"
    )]
    pub client_info: Option<Implementation>,
    /// What the client can do during this request.
    #[serde(
        rename = "io.modelcontextprotocol/clientCapabilities",
        skip_serializing_if = "Option::is_none"
    )]
    pub client_capabilities: Option<ClientCapabilities>,
    /// The log messages to send during this request; none without it.
    #[serde(rename = "io.modelcontextprotocol/logLevel", skip_serializing_if = "Option::is_none")]
    pub log_level: Option<LoggingLevel>,
    /// Asks for progress under this token.
    #[serde(rename = "progressToken", skip_serializing_if = "Option::is_none")]
    pub progress_token: Option<RequestId>,
    /// W3C trace context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// W3C trace context, vendors' part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracestate: Option<String>,
    /// W3C baggage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baggage: Option<String>,
}

impl RequestMeta {
    /// What every modern request must carry.
    pub fn modern(version: ProtocolVersion, capabilities: ClientCapabilities) -> Self {
        Self {
            protocol_version: Some(version),
            client_capabilities: Some(capabilities),
            ..Self::default()
        }
    }

    /// Says what the client is.
    #[must_use]
    pub fn client_info(mut self, client_info: Implementation) -> Self {
        self.client_info = Some(client_info);
        self
    }

    /// Asks for log messages.
    #[must_use]
    pub fn log_level(mut self, level: LoggingLevel) -> Self {
        self.log_level = Some(level);
        self
    }

    /// Asks for progress.
    #[must_use]
    pub fn progress_token(mut self, token: impl Into<RequestId>) -> Self {
        self.progress_token = Some(token.into());
        self
    }

    /// Carries the trace to which the request belongs, in the W3C formats.
    #[must_use]
    pub fn trace(mut self, traceparent: impl Into<String>, tracestate: Option<String>) -> Self {
        self.traceparent = Some(traceparent.into());
        self.tracestate = tracestate;
        self
    }
}

/// Whether a key has a prefix and a name of the allowed form, such as `com.example/search`.
pub fn is_prefixed_key(key: &str) -> bool {
    key.split_once('/').is_some_and(|(prefix, name)| {
        !name.is_empty() && is_name(name) && prefix.split('.').all(is_label)
    })
}

/// Whether a key follows the naming rules of `_meta`: an optional prefix, then a name.
pub fn is_valid_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_name(name) && prefix.split('.').all(is_label),
        None => is_name(key),
    }
}

/// Whether the prefix of a key belongs to the protocol: its second label is `mcp` or
/// `modelcontextprotocol`.
pub fn is_reserved_key(key: &str) -> bool {
    key.split_once('/')
        .and_then(|(prefix, _)| prefix.split('.').nth(1))
        .is_some_and(|label| matches!(label, "mcp" | "modelcontextprotocol"))
}

fn is_label(label: &str) -> bool {
    label.starts_with(|c: char| c.is_ascii_alphabetic())
        && label.ends_with(|c: char| c.is_ascii_alphanumeric())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn is_name(name: &str) -> bool {
    name.is_empty()
        || (name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.ends_with(|c: char| c.is_ascii_alphanumeric())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers: extension-ids
    #[test]
    fn key_rules() {
        for (key, valid, reserved) in [
            ("progressToken", true, false),
            ("io.modelcontextprotocol/x", true, true),
            ("dev.mcp/", true, true),
            ("org.modelcontextprotocol.api/a.b", true, true),
            ("com.example.mcp/a", true, false),
            ("mcp/a", true, false),
            ("a_-.b", true, false),
            ("-a", false, false),
            ("a b", false, false),
            ("1a/b", false, false),
            ("a-/b", false, false),
            ("a/b/c", false, false),
            ("", true, false),
        ] {
            assert_eq!(is_valid_key(key), valid, "{key}");
            assert_eq!(is_reserved_key(key), reserved, "{key}");
        }
    }

    #[test]
    fn reads_reserved_entries() {
        let meta: Meta = serde_json::from_str(
            r#"{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"},
                "io.modelcontextprotocol/subscriptionId":"7",
                "io.modelcontextprotocol/related-task":{"taskId":"t"},"own":[1]}"#,
        )
        .unwrap();
        assert_eq!(meta.server_info().unwrap().name, "s");
        assert_eq!(meta.subscription_id(), Some("7".into()));
        assert_eq!(meta.related_task().as_deref(), Some("t"));
        assert_eq!(meta.get("own").unwrap().as_str(), "[1]");
        assert_eq!(meta.get("missing"), None);
        assert!(serde_json::from_str::<Meta>("[]").is_err());
    }
}
