//! Why a client could not be connected.

use std::{sync::Arc, time::Duration};

use mcp_protocol::extensions::InvalidExtensionId;
use mcp_transport::ConnectError;

use crate::{CallError, MissingLogin};

/// A client could not be connected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectFailure {
    /// The transport could not be opened.
    #[error("cannot open a connection to {endpoint}")]
    Open {
        /// The server.
        endpoint: Arc<str>,
        /// Why.
        #[source]
        source: ConnectError,
    },
    /// The server did not take part in the protocol's opening.
    #[error("{} does not open an MCP connection", .0.endpoint())]
    Handshake(#[source] CallError),
    /// The client's own settings cannot work.
    #[error("the settings of this client cannot work")]
    InvalidOptions {
        /// The server that was to be connected.
        endpoint: Arc<str>,
        /// What is wrong.
        #[source]
        source: InvalidOptions,
    },
    /// No revision of the protocol is common to both.
    #[error("{endpoint} speaks none of our protocol revisions, only {supported:?}")]
    NoCommonVersion {
        /// The server.
        endpoint: Arc<str>,
        /// What the server offers.
        supported: Vec<String>,
    },
    /// The whole opening took too long.
    #[error("{endpoint} was not ready after {after:?}")]
    TimedOut {
        /// The server.
        endpoint: Arc<str>,
        /// The limit.
        after: Duration,
        /// The last lines of the child process's standard error.
        stderr: Vec<String>,
    },
    /// A connection that was there ended.
    #[error("the connection to {endpoint} ended")]
    Lost {
        /// The server.
        endpoint: Arc<str>,
        /// The last lines of the child process's standard error.
        stderr: Vec<String>,
    },
}

impl ConnectFailure {
    pub(crate) fn lost(client: &crate::Client) -> Self {
        Self::Lost { endpoint: Arc::clone(&client.link().endpoint), stderr: client.stderr_tail() }
    }

    /// Whether somebody has to log in, or give other credentials.
    pub fn wants_authorization(&self) -> bool {
        match self {
            Self::Handshake(error) => error.wants_authorization(),
            _ => false,
        }
    }

    /// As [`CallError::missing_login`].
    pub fn missing_login(&self) -> Option<MissingLogin<'_>> {
        match self {
            Self::Handshake(error) => error.missing_login(),
            _ => None,
        }
    }

    /// The last lines of the child process's standard error, at most 50.
    pub fn stderr_tail(&self) -> &[String] {
        match self {
            Self::Handshake(error) => error.stderr_tail(),
            Self::TimedOut { stderr, .. } | Self::Lost { stderr, .. } => stderr,
            Self::Open { .. } | Self::NoCommonVersion { .. } | Self::InvalidOptions { .. } => &[],
        }
    }

    /// The server: a command line or a URL, without secrets.
    pub fn endpoint(&self) -> &str {
        match self {
            Self::Open { endpoint, .. }
            | Self::NoCommonVersion { endpoint, .. }
            | Self::InvalidOptions { endpoint, .. }
            | Self::TimedOut { endpoint, .. }
            | Self::Lost { endpoint, .. } => endpoint,
            Self::Handshake(error) => error.endpoint(),
        }
    }

    /// The `WWW-Authenticate` headers, when the server wants credentials.
    pub fn challenges(&self) -> &[String] {
        match self {
            Self::Handshake(error) => error.challenges(),
            _ => &[],
        }
    }
}

/// What is wrong with a client's settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidOptions {
    /// The id of an extension has the wrong form.
    #[error(transparent)]
    Extension(#[from] InvalidExtensionId),
    /// Roots are to be changed that were never declared.
    #[error("the client was built without roots, so servers do not know that it has any")]
    RootsUndeclared,
    /// A root is not a `file://` URI.
    #[error("the root `{uri}` is not a file:// URI")]
    Root {
        /// What was given.
        uri: String,
    },
}
