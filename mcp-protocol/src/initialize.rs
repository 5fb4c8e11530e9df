//! The handshake of revisions up to 2025-11-25.

use serde::{Deserialize, Serialize};

use crate::{
    capabilities::{ClientCapabilities, ServerCapabilities},
    implementation::Implementation,
    method::{Method, Notification},
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
}

/// `notifications/initialized`.
#[derive(Debug)]
pub enum Initialized {}

impl Notification for Initialized {
    const NAME: &'static str = "notifications/initialized";
    type Params = ();
}

/// `ping`, in both directions up to 2025-11-25.
#[derive(Debug)]
pub enum Ping {}

impl Method for Ping {
    const NAME: &'static str = "ping";
    type Params = ();
    type Output = Pong;
}

/// The empty answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {}
