//! Why a connection could not be made, or a message not be delivered.

use std::{error::Error, io, path::PathBuf, time::Duration};

use bytes::Bytes;
use mcp_protocol::jsonrpc::{ParseError, Response};

/// Any error as a source.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A transport could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The program of a child process does not exist.
    #[error("cannot find the program `{program}`")]
    ProgramNotFound {
        /// As configured.
        program: String,
        /// The folders and files that were looked at, in order.
        searched: Vec<PathBuf>,
    },
    /// The operating system refused to start the program.
    #[error("cannot start `{program}`")]
    Spawn {
        /// As configured.
        program: String,
        /// The refusal.
        #[source]
        source: io::Error,
    },
    /// The settings cannot work.
    #[error("invalid setting `{setting}`: {reason}")]
    InvalidSetting {
        /// Which one, such as `url` or `header x-key`.
        setting: String,
        /// What is wrong with it; never shows a secret.
        reason: String,
    },
    /// Certificates or keys cannot be used.
    #[error("cannot set up TLS: {reason}")]
    Tls {
        /// What was being done.
        reason: String,
        /// The cause, where there is one.
        #[source]
        source: Option<BoxError>,
    },
    /// The server cannot be reached, or does not take part in the binding's own opening.
    #[error("the connection failed")]
    Failed(#[source] DeliveryError),
}

/// A message was not delivered, or its answer did not come.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct DeliveryError {
    /// What happened.
    #[source]
    pub kind: DeliveryErrorKind,
    /// Whether the server may have seen the message.
    pub sent: Sent,
}

/// Whether a server may have seen a message that has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Surely not: no complete message left this program. Repeating is safe.
    No,
    /// Perhaps: the server may have processed it.
    Maybe,
}

/// What kept a message from its answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryErrorKind {
    /// The connection ended.
    #[error("the connection is closed{}", .0.headline())]
    Closed(ClosedReason),
    /// No connection could be made.
    #[error("cannot connect to {address}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// The cause.
        #[source]
        source: BoxError,
    },
    /// A limit of time ran out.
    #[error("no {phase} within {after:?}")]
    TimedOut {
        /// What was waited for, such as `connection`, `first byte` or `next byte`.
        phase: &'static str,
        /// The limit.
        after: Duration,
    },
    /// The server sent more than the limit for one message allows.
    #[error("a message of the server exceeds the limit of {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// The server's text is not a JSON-RPC message.
    #[error("the server sent something that is not MCP")]
    NotMcp(#[source] ParseError),
    /// An HTTP answer that carries no message.
    #[error("{0}")]
    Http(Box<HttpFailure>),
    /// The answer ended before the response came.
    #[error("the answer ended before the response")]
    Truncated {
        /// The cause, where there is one.
        #[source]
        source: Option<BoxError>,
    },
    /// The connection broke.
    #[error("the connection failed")]
    Broken(#[source] BoxError),
    /// Credentials could not be had.
    #[error("authorization failed")]
    Authorization(#[source] BoxError),
}

/// Why a connection is closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClosedReason {
    /// How the child process ended, such as `exit status: 1` or `signal: 9`.
    pub exit: Option<String>,
    /// The last lines that the child process wrote to its standard error, at most 50.
    pub stderr: Vec<String>,
    /// What was seen last, such as a line that is not MCP.
    pub note: Option<String>,
}

impl ClosedReason {
    fn headline(&self) -> String {
        match (&self.exit, &self.note) {
            (Some(exit), _) => format!(": the server ended with {exit}"),
            (None, Some(note)) => format!(": {note}"),
            (None, None) => String::new(),
        }
    }
}

/// An HTTP answer other than success, or of an unexpected kind.
#[derive(Clone, Debug, thiserror::Error)]
#[error("HTTP {status}{}", self.what())]
#[non_exhaustive]
pub struct HttpFailure {
    /// The status code.
    pub status: http::StatusCode,
    /// `Content-Type`, when it was readable text.
    pub content_type: Option<String>,
    /// `Retry-After`, as a wait from now.
    pub retry_after: Option<Duration>,
    /// Where a redirect leads that was not followed, without secrets.
    pub location: Option<String>,
    /// The `WWW-Authenticate` headers, as they came.
    pub challenges: Vec<String>,
    /// The body, at most its first 64 KiB.
    pub body: Bytes,
    /// The JSON-RPC response in the body, if there is one.
    pub response: Option<Response>,
    /// Whether a request of a legacy session got 404: the server has forgotten the session.
    pub session_lost: bool,
}

impl HttpFailure {
    /// An answer of which only the status is known.
    pub fn new(status: http::StatusCode) -> Self {
        Self {
            status,
            content_type: None,
            retry_after: None,
            location: None,
            challenges: Vec::new(),
            body: Bytes::new(),
            response: None,
            session_lost: false,
        }
    }

    fn what(&self) -> String {
        if let Some(Response { outcome: Err(error), .. }) = &self.response {
            return format!(": {error}");
        }
        if let Some(location) = &self.location {
            return format!(": a redirect to {location}, which was not followed");
        }
        let kind = self.content_type.as_deref().unwrap_or("no content type");
        if self.body.is_empty() {
            return String::new();
        }
        format!(" ({kind}): {}", mcp_protocol::decode::snippet(&self.body))
    }
}

impl DeliveryError {
    /// An error of a message that surely was not sent.
    pub fn not_sent(kind: DeliveryErrorKind) -> Self {
        Self { kind, sent: Sent::No }
    }

    /// An error of a message that the server may have seen.
    pub fn maybe_sent(kind: DeliveryErrorKind) -> Self {
        Self { kind, sent: Sent::Maybe }
    }
}
