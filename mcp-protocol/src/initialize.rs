//! The handshake of revisions up to 2025-11-25.

use serde::{Deserialize, Serialize};

use crate::{
    capabilities::{ClientCapabilities, ServerCapabilities},
    implementation::Implementation,
    meta::Meta,
    method::{Method, Notification},
    notifications::NotificationParams,
    outcome::EmptyResult,
    version::ProtocolVersion,
};

/// `initialize`.
#[derive(Debug)]
pub enum Initialize {}

impl Method for Initialize {
    const NAME: &'static str = "initialize";
    type Params = InitializeParams;
    type Output = InitializeResult;
}

/// What the client opens with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitializeParams {
    /// The newest legacy revision that the client speaks.
    pub protocol_version: ProtocolVersion,
    /// What it can do for the server.
    pub capabilities: ClientCapabilities,
    /// What it says it is.
    pub client_info: Implementation,
    /// Entries beside the parameters.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl InitializeParams {
    /// Offers the newest legacy revision.
    pub fn new(capabilities: ClientCapabilities, client_info: Implementation) -> Self {
        let protocol_version = ProtocolVersion::LATEST_LEGACY;
        Self { protocol_version, capabilities, client_info, meta: None }
    }
}

/// What the server answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitializeResult {
    /// The revision to speak; the client leaves if it cannot.
    pub protocol_version: ProtocolVersion,
    /// What the server offers.
    #[serde(default)]
    pub capabilities: ServerCapabilities,
    /// What it says it is.
    #[serde(default)]
    pub server_info: Implementation,
    /// How to use the server, for a model. Untrusted text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Entries beside the result.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

/// `notifications/initialized`.
#[derive(Debug)]
pub enum Initialized {}

impl Notification for Initialized {
    const NAME: &'static str = "notifications/initialized";
    type Params = NotificationParams;
}

/// `ping`, in both directions up to 2025-11-25.
#[derive(Debug)]
pub enum Ping {}

impl Method for Ping {
    const NAME: &'static str = "ping";
    type Params = ();
    type Output = EmptyResult;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_sparse_answer() {
        let result = Initialize::decode(br#"{"protocolVersion":"2025-06-18"}"#).unwrap();
        assert_eq!(result.protocol_version, ProtocolVersion::V2025_06_18);
        assert!(Initialize::decode(b"{}").is_err());
        assert!(Ping::decode(br#"{"extra":1}"#).is_ok());
    }

    #[test]
    fn offers_a_legacy_revision() {
        let params = InitializeParams::new(
            ClientCapabilities::new(false, false, true),
            Implementation::new("c", "1"),
        );
        assert_eq!(
            serde_json::to_string(&params).unwrap(),
            concat!(
                r#"{"protocolVersion":"2025-11-25","capabilities":{"roots":{}},"#,
                r#""clientInfo":{"name":"c","version":"1"}}"#,
            )
        );
    }
}
