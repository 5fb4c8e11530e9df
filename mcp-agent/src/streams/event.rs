//! Something that a server said on its own account.

use std::time::SystemTime;

use mcp_protocol::{jsonrpc::NotificationMessage, logging::LoggingMessageParams};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Something that a server said on its own account. Untrusted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// Which server.
    pub server: String,
    /// What kind of thing.
    pub kind: EventKind,
    /// What it says; see [`EventKind`].
    pub data: Value,
    /// When it was heard.
    pub received_at: SystemTime,
    /// How many events were dropped between the one before and this one.
    #[serde(default)]
    pub lost_before: u64,
}

/// What kind of thing an [`Event`] is, and what its data are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// A log message: `{"level", "logger", "data"}`, as in `notifications/message`.
    Log,
    /// A list changed: `{"list": "tools" | "prompts" | "resources"}`.
    List,
    /// A resource changed: `{"uri"}`, and where it was read again `{"contents": [{"uri",
    /// "mimeType", "text" | "blob"}]}` or `{"error"}`.
    Resource,
    /// Changes may have been missed: everything that is watched may have changed. No data.
    Gap,
    /// Another notification: `{"method", "params"}`.
    Notification,
    /// Something of this program's own.
    Own,
}

impl EventKind {
    /// Whether it may be dropped when there is no room.
    pub(super) fn is_droppable(self) -> bool {
        matches!(self, Self::Log | Self::Notification | Self::Own)
    }
}

impl Event {
    /// An event that is heard now.
    pub fn new(server: impl Into<String>, kind: EventKind, data: impl Into<Value>) -> Self {
        Self {
            server: server.into(),
            kind,
            data: data.into(),
            received_at: SystemTime::now(),
            lost_before: 0,
        }
    }

    pub(super) fn log(server: &str, message: &LoggingMessageParams) -> Self {
        Self::new(server, EventKind::Log, json!(message))
    }

    pub(super) fn notification(server: &str, message: &NotificationMessage) -> Self {
        // Whoever read the message from the wire knows that its parameters are JSON.
        let params: Value = serde_json::from_slice(&message.params).unwrap_or_default();
        let data = json!({"method": message.method, "params": params});
        Self::new(server, EventKind::Notification, data)
    }
}
