//! Why a call has no reply.

use std::{error::Error, sync::Arc, time::Duration};

use mcp_client::{CallErrorKind, ServerError};
use mcp_protocol::jsonrpc::ErrorObject;

use super::LoginRequired;

/// A call has no reply.
///
/// Cloning is cheap: all who waited for one call get the same error.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No server of this name is there.
    #[error("there is no server `{server}`")]
    UnknownServer {
        /// As asked for.
        server: Arc<str>,
    },
    /// The server has no connection, and none is being made.
    #[error("server `{server}` is not available")]
    Unavailable {
        /// Which server.
        server: Arc<str>,
        /// When it is started again.
        retry_in: Option<Duration>,
        /// Why.
        #[source]
        source: Arc<ServerError>,
    },
    /// The server failed too often; it is left alone for a while. Nothing was sent.
    #[error(
        "server `{server}` failed {failures} times in a row, the last time because {reason}; it \
         is tried again in {:.1} s", retry_in.as_secs_f64()
    )]
    CircuitOpen {
        /// Which server.
        server: Arc<str>,
        /// How often.
        failures: u32,
        /// The last failure.
        reason: Arc<str>,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// Too many calls in too short a time. Nothing was sent.
    #[error(
        "{} of server `{server}` may be called again in {:.1} s: its rate is limited",
        tool.as_ref().map_or_else(|| "no tool".to_owned(), |tool| format!("`{tool}`")),
        retry_in.as_secs_f64()
    )]
    RateLimited {
        /// Which server.
        server: Arc<str>,
        /// The tool, where the limit is its own.
        tool: Option<Arc<str>>,
        /// When there is room.
        retry_in: Duration,
    },
    /// Too many calls wait already. Nothing was sent.
    #[error("{waiting} calls wait for server `{server}` already; make fewer at a time")]
    Busy {
        /// Which server.
        server: Arc<str>,
        /// How many.
        waiting: usize,
    },
    /// The time was over.
    #[error(
        "`{method}` on server `{server}` {} its limit of {:.1} s{}",
        match scope { TimeScope::Call => "reached", TimeScope::Attempt => "took longer than" },
        after.as_secs_f64(),
        if *sent { "; whether it ran is unknown" } else { " before it could be sent" }
    )]
    TimedOut {
        /// Which server.
        server: Arc<str>,
        /// Such as `tools/call`.
        method: &'static str,
        /// The limit, without the time in which people were asked.
        after: Duration,
        /// What was limited.
        scope: TimeScope,
        /// Whether the server may have seen the call.
        sent: bool,
    },
    /// The call failed on its way, or the server refused it.
    #[error("server `{server}`")]
    Failed {
        /// Which server.
        server: Arc<str>,
        /// Why.
        #[source]
        source: Arc<mcp_client::CallError>,
    },
    /// Whoever it is for has to log in at the server first. Nothing was sent.
    #[error(transparent)]
    LoginRequired(Box<LoginRequired>),
    /// A middleware of the program did not let it pass.
    #[error("the call of server `{server}` was not let through")]
    Stopped {
        /// Which server.
        server: Arc<str>,
        /// Why.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The call could not be recorded, and nothing happens unrecorded.
    #[error(
        "the call of server `{server}` could not be recorded{}; free space, or end the audit",
        if *sent { ", though it was made" } else { " and was not made" }
    )]
    Unrecorded {
        /// Which server.
        server: Arc<str>,
        /// Whether the server may have seen the call.
        sent: bool,
        /// Why.
        #[source]
        source: Arc<std::io::Error>,
    },
}

/// What a limit of time is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeScope {
    /// The whole call, with all waits and repetitions.
    Call,
    /// One attempt.
    Attempt,
}

/// What a call says of the health of its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It answered.
    Well,
    /// It could not be reached, broke off, was silent, or is out of order by its own account.
    Ill,
    /// Nothing.
    Unknown,
}

impl CallError {
    pub(crate) fn failed(server: &Arc<str>, source: mcp_client::CallError) -> Self {
        Self::Failed { server: Arc::clone(server), source: Arc::new(source) }
    }

    /// An error of a middleware.
    pub fn stopped(
        server: &Arc<str>,
        reason: impl Into<Box<dyn Error + Send + Sync + 'static>>,
    ) -> Self {
        Self::Stopped { server: Arc::clone(server), source: Arc::from(reason.into()) }
    }

    /// Which server.
    pub fn server(&self) -> &Arc<str> {
        match self {
            Self::UnknownServer { server }
            | Self::Unavailable { server, .. }
            | Self::CircuitOpen { server, .. }
            | Self::RateLimited { server, .. }
            | Self::Busy { server, .. }
            | Self::TimedOut { server, .. }
            | Self::Failed { server, .. }
            | Self::Stopped { server, .. }
            | Self::Unrecorded { server, .. } => server,
            Self::LoginRequired(login) => login.server(),
        }
    }

    /// Whether the server may have seen the call. When it may, the tool may have run.
    pub fn was_sent(&self) -> bool {
        match self {
            Self::TimedOut { sent, .. } | Self::Unrecorded { sent, .. } => *sent,
            Self::Failed { source, .. } => source.was_sent(),
            _ => false,
        }
    }

    /// Whether the same call may be made again without the danger of running twice, and may do
    /// better then.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable { retry_in, .. } => retry_in.is_some(),
            Self::Failed { source, .. } => source.is_retryable(),
            _ => false,
        }
    }

    /// How long to wait before the next attempt, where somebody says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_in, .. } => *retry_in,
            Self::CircuitOpen { retry_in, .. } | Self::RateLimited { retry_in, .. } => {
                Some(*retry_in)
            }
            Self::Failed { source, .. } => source.retry_after(),
            _ => None,
        }
    }

    /// Whether a call that is safe to repeat may do better the next time, though this one may have
    /// run.
    pub(crate) fn may_pass(&self) -> bool {
        if self.is_retryable() {
            return true;
        }
        match self {
            Self::TimedOut { scope, .. } => *scope == TimeScope::Attempt,
            Self::Failed { source, .. } => match source.kind() {
                CallErrorKind::Lost(_) | CallErrorKind::TimedOut { .. } => true,
                CallErrorKind::Http(failure) => failure.status.is_server_error(),
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether a replica of the server may do better: this one surely did not see the call, and
    /// nothing about the call itself is wrong.
    pub(crate) fn is_another_servers_chance(&self) -> bool {
        match self {
            Self::UnknownServer { .. }
            | Self::Unavailable { .. }
            | Self::CircuitOpen { .. }
            | Self::RateLimited { .. }
            | Self::Busy { .. } => true,
            Self::TimedOut { scope, sent, .. } => *scope == TimeScope::Attempt && !sent,
            Self::Failed { source, .. } => {
                !source.was_sent() && matches!(source.kind(), CallErrorKind::NotSent(_))
            }
            // Another would be another account.
            Self::LoginRequired(_) | Self::Stopped { .. } | Self::Unrecorded { .. } => false,
        }
    }

    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::TimedOut { sent, .. } if *sent => Verdict::Ill,
            Self::Failed { source, .. } => match source.kind() {
                // Somebody has to log in; the server is not at fault.
                CallErrorKind::NotSent(_) if source.wants_authorization() => Verdict::Unknown,
                CallErrorKind::NotSent(_)
                | CallErrorKind::Lost(_)
                | CallErrorKind::TimedOut { .. } => Verdict::Ill,
                CallErrorKind::Http(failure) if failure.status.is_server_error() => Verdict::Ill,
                CallErrorKind::InvalidParams(_) | CallErrorKind::Input(_) => Verdict::Unknown,
                _ if source.was_sent() => Verdict::Well,
                _ => Verdict::Unknown,
            },
            // `Unavailable` too: it is down and tried again by itself, or waits for somebody, as
            // does `LoginRequired`.
            _ => Verdict::Unknown,
        }
    }

    /// Where whoever it is for has to log in first, if that is why.
    pub fn login(&self) -> Option<&LoginRequired> {
        match self {
            Self::LoginRequired(login) => Some(login),
            _ => None,
        }
    }

    /// What the server answered in place of a result.
    pub(crate) fn refusal(&self) -> Option<&ErrorObject> {
        match self {
            Self::Failed { source, .. } => match source.kind() {
                CallErrorKind::Rejected(object) => Some(object),
                _ => None,
            },
            _ => None,
        }
    }

    /// A word for statistics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::UnknownServer { .. } => "unknown_server",
            Self::Unavailable { .. } => "unavailable",
            Self::CircuitOpen { .. } => "circuit_open",
            Self::RateLimited { .. } => "rate_limited",
            Self::Busy { .. } => "busy",
            Self::TimedOut { .. } => "timed_out",
            Self::Failed { source, .. } => match source.kind() {
                CallErrorKind::NotSent(_) => "not_sent",
                CallErrorKind::Lost(_) => "lost",
                CallErrorKind::TimedOut { .. } => "timed_out",
                CallErrorKind::Rejected(_) => "rejected",
                CallErrorKind::Http(_) => "http",
                _ => "failed",
            },
            Self::LoginRequired(_) => "login_required",
            Self::Stopped { .. } => "stopped",
            Self::Unrecorded { .. } => "unrecorded",
        }
    }

    /// The error with all its causes, in one line.
    pub fn explain(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}

impl From<LoginRequired> for CallError {
    fn from(login: LoginRequired) -> Self {
        Self::LoginRequired(Box::new(login))
    }
}
