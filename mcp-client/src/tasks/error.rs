//! What can go wrong with a task beside the call that it was.

use std::time::Duration;

use mcp_protocol::version::ProtocolVersion;

/// Why a task has no result, or cannot be asked for it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// It was stopped.
    #[error("the task was cancelled{}", .message.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    Cancelled {
        /// What the server says about it. Untrusted text.
        message: Option<String>,
    },
    /// It has outlived its time without a result.
    #[error("the task did not end within the {ttl:?} for which the server keeps it")]
    Expired {
        /// How long the server keeps it.
        ttl: Duration,
    },
    /// It belongs to another server, or to another era of this one.
    #[error("the task belongs to {endpoint} at revision {version}; connect to that")]
    OtherServer {
        /// A command line or a URL, without secrets.
        endpoint: String,
        /// The revision at which it was created.
        version: ProtocolVersion,
    },
    /// The server's revision has no such request.
    #[error("the revision that the server speaks has no `{method}`")]
    Unsupported {
        /// Such as `tasks/update`.
        method: &'static str,
    },
}
