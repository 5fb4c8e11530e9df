//! One structured error for calls.

use std::{borrow::Cow, error::Error, fmt, sync::Arc, time::Duration};

use mcp_protocol::{
    capabilities::ClientCapabilities,
    decode::DecodeError,
    error_code::{self, MissingRequiredClientCapability, UnsupportedProtocolVersion},
    jsonrpc::ErrorObject,
    version::ProtocolVersion,
};
use mcp_transport::{
    DeliveryError,
    error::{ClosedReason, DeliveryErrorKind, HttpFailure, Sent},
};

use crate::oauth::OAuthError;

use crate::TaskError;

/// A call did not give a result.
///
/// Its methods answer what a caller must decide: did it run, may it be repeated, when, who refused.
#[derive(Debug)]
pub struct CallError(Box<Details>);

#[derive(Debug)]
struct Details {
    kind: CallErrorKind,
    method: Cow<'static, str>,
    endpoint: Arc<str>,
    http_status: Option<http::StatusCode>,
}

/// What kept a call from its result.
#[derive(Debug)]
#[non_exhaustive]
pub enum CallErrorKind {
    /// The request surely did not reach the server.
    NotSent(DeliveryError),
    /// The request may have reached the server; its answer did not come. The outcome is unknown.
    Lost(DeliveryError),
    /// A limit of time ran out. The server was told to stop; the outcome is unknown.
    TimedOut {
        /// The limit.
        after: Duration,
        /// Which of the two limits.
        limit: TimeLimit,
        /// The last lines of the child process's standard error, where there is one.
        stderr: Vec<String>,
    },
    /// The server answered with a JSON-RPC error.
    Rejected(ErrorObject),
    /// The server answered over HTTP with something other than a JSON-RPC message.
    Http(Box<HttpFailure>),
    /// The result does not have the shape that the method promises.
    Undecodable(DecodeError),
    /// The caller's parameters cannot be written as JSON.
    InvalidParams(serde_json::Error),
    /// The arguments do not satisfy the tool's schema; nothing was sent.
    #[cfg(feature = "schema")]
    InvalidArguments(crate::SchemaError),
    /// The structured result does not satisfy the tool's schema.
    #[cfg(feature = "schema")]
    InvalidResult(crate::SchemaError),
    /// The server asked for input that could not be given.
    Input(InputError),
    /// The task into which the call turned has no result.
    Task(TaskError),
    /// A list did not end.
    Endless {
        /// What made it so, such as a cursor that came twice.
        reason: String,
    },
}

/// Which limit of time ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeLimit {
    /// Nothing was heard of the request for this long; progress starts it anew.
    Idle,
    /// The request took this long in all.
    Total,
}

/// Why a multi-round request could not be carried on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The server asked again and again.
    #[error("the server asked for input more than {0} times")]
    TooManyRounds(u32),
    /// The server asked for something that this client did not declare, or in a way that the
    /// protocol does not allow.
    #[error("the server asked for `{method}`, which this client did not declare so")]
    Undeclared {
        /// Such as `elicitation/create`.
        method: String,
        /// What is wrong with it.
        #[source]
        source: ErrorObject,
    },
    /// The handler failed.
    #[error("the handler of `{method}` failed")]
    Handler {
        /// Such as `elicitation/create`.
        method: String,
        /// What the handler said.
        #[source]
        source: ErrorObject,
    },
    /// The questions were not answered in time.
    #[error("the server's questions were not answered within {after:?}")]
    Unanswered {
        /// The limit, [`ClientOptions::input_timeout`](crate::ClientOptions::input_timeout).
        after: Duration,
    },
    /// An answer is missing, or not what was asked for.
    #[error("the answer to `{key}` {reason}")]
    InvalidAnswer {
        /// The question's key.
        key: String,
        /// To stand after the key.
        reason: String,
    },
    /// The questions are those of another server, or of another revision.
    #[error("these questions are those of {endpoint} at revision {version}; connect to that")]
    OtherServer {
        /// A command line or a URL, without secrets.
        endpoint: String,
        /// The revision at which they were asked.
        version: ProtocolVersion,
    },
    /// The result is a task or another kind that this call cannot carry on.
    #[error("the server answered with a result of type `{0}`, which was not asked for")]
    UnexpectedResultType(String),
}

impl CallError {
    pub(crate) fn new(
        kind: CallErrorKind,
        method: impl Into<Cow<'static, str>>,
        endpoint: Arc<str>,
    ) -> Self {
        Self(Box::new(Details { kind, method: method.into(), endpoint, http_status: None }))
    }

    /// Sorts a transport's error: a JSON-RPC error in an HTTP failure is a refusal by the server.
    pub(crate) fn delivery(
        error: DeliveryError,
        method: impl Into<Cow<'static, str>>,
        endpoint: Arc<str>,
    ) -> Self {
        let mut http_status = None;
        let DeliveryError { kind, sent } = error;
        let kind = match kind {
            DeliveryErrorKind::Http(mut failure) => {
                http_status = Some(failure.status);
                match failure.response.take().map(|response| response.outcome) {
                    Some(Err(object)) if !failure.session_lost && failure.challenges.is_empty() => {
                        CallErrorKind::Rejected(object)
                    }
                    _ => CallErrorKind::Http(failure),
                }
            }
            kind => match sent {
                Sent::No => CallErrorKind::NotSent(DeliveryError { kind, sent }),
                Sent::Maybe => CallErrorKind::Lost(DeliveryError { kind, sent }),
            },
        };
        Self(Box::new(Details { kind, method: method.into(), endpoint, http_status }))
    }

    /// What kept the call from its result.
    pub fn kind(&self) -> &CallErrorKind {
        &self.0.kind
    }

    /// The method, such as `tools/call`.
    pub fn method(&self) -> &str {
        &self.0.method
    }

    /// The server: a command line or a URL, without secrets.
    pub fn endpoint(&self) -> &str {
        &self.0.endpoint
    }

    /// Whether the server may have seen the request. When it may, the tool may have run.
    pub fn was_sent(&self) -> bool {
        #[cfg(feature = "schema")]
        if matches!(self.0.kind, CallErrorKind::InvalidArguments(_)) {
            return false;
        }
        !matches!(self.0.kind, CallErrorKind::NotSent(_) | CallErrorKind::InvalidParams(_))
    }

    /// Whether the same call may be repeated without the danger of running twice.
    pub fn is_retryable(&self) -> bool {
        match &self.0.kind {
            // Asking a person once more is not for a machine to decide.
            CallErrorKind::NotSent(error) => !wants_somebody(error),
            // The server says that it did not take the request.
            CallErrorKind::Http(failure) => {
                failure.session_lost || matches!(failure.status.as_u16(), 429 | 503)
            }
            _ => false,
        }
    }

    /// Whether the server gave an answer, be it a refusal.
    pub fn is_answer(&self) -> bool {
        !matches!(
            self.0.kind,
            CallErrorKind::NotSent(_) | CallErrorKind::Lost(_) | CallErrorKind::TimedOut { .. }
        )
    }

    /// Whether somebody has to log in, or give other credentials.
    pub fn wants_authorization(&self) -> bool {
        let refused = self.http_status().is_some_and(|status| matches!(status.as_u16(), 401 | 403));
        refused || matches!(&self.0.kind, CallErrorKind::NotSent(error) if wants_somebody(error))
    }

    /// What a login would have to give, where nobody has logged in, or not for enough, and nobody is
    /// asked ([`EarlierLogin`](crate::oauth::EarlierLogin)).
    pub fn missing_login(&self) -> Option<MissingLogin<'_>> {
        let CallErrorKind::NotSent(error) = &self.0.kind else { return None };
        let DeliveryErrorKind::Authorization(source) = &error.kind else { return None };
        match &**source.downcast_ref::<Arc<OAuthError>>()? {
            OAuthError::NotLoggedIn { scopes, for_more } => {
                Some(MissingLogin { scopes, for_more: *for_more })
            }
            _ => None,
        }
    }

    /// Whether the server has forgotten the session that the call belonged to; it did not take the
    /// call.
    pub fn is_session_lost(&self) -> bool {
        self.http_failure().is_some_and(|failure| failure.session_lost)
    }

    /// How long the server asks to wait before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        self.http_failure().and_then(|failure| failure.retry_after)
    }

    /// The HTTP status, when there was an HTTP answer other than success.
    pub fn http_status(&self) -> Option<http::StatusCode> {
        self.http_failure().map(|failure| failure.status).or(self.0.http_status)
    }

    /// The `WWW-Authenticate` headers of a refusal.
    pub fn challenges(&self) -> &[String] {
        self.http_failure().map_or(&[], |failure| &failure.challenges)
    }

    /// The JSON-RPC error, when the server answered with one.
    pub fn error_object(&self) -> Option<&ErrorObject> {
        match &self.0.kind {
            CallErrorKind::Rejected(object) => Some(object),
            _ => None,
        }
    }

    /// Whether the server refused the call because there is no such resource: -32002 up to
    /// 2025-11-25 and, for a method of resources, -32602 since, which may also mean that the URI
    /// is not one.
    pub fn is_resource_not_found(&self) -> bool {
        self.error_object().is_some_and(|object| match object.code {
            error_code::RESOURCE_NOT_FOUND => true,
            error_code::INVALID_PARAMS => self.method().starts_with("resources/"),
            _ => false,
        })
    }

    /// The capabilities for want of which the server refused the call (-32021). An extension among
    /// them is enabled with [`ClientBuilder::extension`](crate::ClientBuilder::extension).
    pub fn required_capabilities(&self) -> Option<ClientCapabilities> {
        let object = self.error_object()?;
        let is_this = object.code == error_code::MISSING_REQUIRED_CLIENT_CAPABILITY;
        let data: MissingRequiredClientCapability =
            object.data.as_ref().filter(|_| is_this)?.parse().ok()?;
        Some(data.required_capabilities)
    }

    /// The revisions that the server speaks, when it refused the call for its revision (-32022):
    /// it was replaced since the connection was made. Connecting anew finds what is common.
    pub fn supported_versions(&self) -> Option<Vec<ProtocolVersion>> {
        let object = self.error_object()?;
        let is_this = object.code == error_code::UNSUPPORTED_PROTOCOL_VERSION;
        let data: UnsupportedProtocolVersion =
            object.data.as_ref().filter(|_| is_this)?.parse().ok()?;
        Some(data.supported)
    }

    /// The last lines of the child process's standard error, at most 50.
    pub fn stderr_tail(&self) -> &[String] {
        match &self.0.kind {
            CallErrorKind::NotSent(error) | CallErrorKind::Lost(error) => {
                closed_reason(error).map_or(&[], |reason| &reason.stderr)
            }
            CallErrorKind::TimedOut { stderr, .. } => stderr,
            _ => &[],
        }
    }

    fn http_failure(&self) -> Option<&HttpFailure> {
        match &self.0.kind {
            CallErrorKind::Http(failure) => Some(failure),
            _ => None,
        }
    }
}

/// Whether access was not to be had for a reason that does not pass by itself.
/// A login that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingLogin<'a> {
    /// The scopes that it has to give; may be none in particular.
    pub scopes: &'a [String],
    /// Whether somebody has logged in, and the server wants more for this.
    pub for_more: bool,
}

fn wants_somebody(error: &DeliveryError) -> bool {
    let DeliveryErrorKind::Authorization(source) = &error.kind else { return false };
    let oauth = source.downcast_ref::<Arc<OAuthError>>();
    oauth.is_none_or(|error| !error.is_transient())
}

pub(crate) fn closed_reason(error: &DeliveryError) -> Option<&ClosedReason> {
    match &error.kind {
        DeliveryErrorKind::Closed(reason) => Some(reason),
        _ => None,
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details { kind, method, endpoint, .. } = &*self.0;
        match kind {
            CallErrorKind::NotSent(_) => write!(f, "`{method}` did not reach {endpoint}"),
            CallErrorKind::Lost(_) => {
                write!(f, "`{method}` has no answer from {endpoint}; whether it ran is unknown")
            }
            CallErrorKind::TimedOut { after, limit: TimeLimit::Idle, .. } => {
                write!(f, "`{method}` timed out: {endpoint} sent nothing for {after:?}")
            }
            CallErrorKind::TimedOut { after, limit: TimeLimit::Total, .. } => {
                write!(f, "`{method}` timed out: {endpoint} took longer than {after:?}")
            }
            CallErrorKind::Rejected(object) => {
                write!(f, "{endpoint} refused `{method}`: {object}")?;
                match self.required_capabilities() {
                    Some(required) => {
                        write!(f, "; it requires {}", serde_json::json!(required))
                    }
                    None => Ok(()),
                }
            }
            CallErrorKind::Http(failure) => {
                write!(f, "{endpoint} answered `{method}` with {failure}")
            }
            CallErrorKind::Undecodable(_) => {
                write!(f, "{endpoint} answered `{method}` with a result of another shape")
            }
            CallErrorKind::InvalidParams(_) => {
                write!(f, "the parameters of `{method}` cannot be sent")
            }
            #[cfg(feature = "schema")]
            CallErrorKind::InvalidArguments(_) => {
                write!(f, "the arguments of `{method}` do not fit the tool; nothing was sent")
            }
            #[cfg(feature = "schema")]
            CallErrorKind::InvalidResult(_) => {
                write!(f, "{endpoint} answered `{method}` with what the tool does not promise")
            }
            CallErrorKind::Input(_) => write!(f, "`{method}` needs input of {endpoint}'s choice"),
            CallErrorKind::Task(_) => write!(f, "`{method}` on {endpoint} has no result"),
            CallErrorKind::Endless { reason } => {
                write!(f, "the list of `{method}` on {endpoint} does not end: {reason}")
            }
        }
    }
}

impl Error for CallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.kind {
            // Their own text adds nothing; the chain goes on with what is below.
            CallErrorKind::NotSent(error) | CallErrorKind::Lost(error) => Some(&error.kind),
            CallErrorKind::Undecodable(error) => Some(error),
            CallErrorKind::InvalidParams(error) => Some(error),
            #[cfg(feature = "schema")]
            CallErrorKind::InvalidArguments(error) | CallErrorKind::InvalidResult(error) => {
                Some(error)
            }
            CallErrorKind::Input(error) => Some(error),
            CallErrorKind::Task(error) => Some(error),
            CallErrorKind::TimedOut { .. }
            | CallErrorKind::Rejected(_)
            | CallErrorKind::Http(_)
            | CallErrorKind::Endless { .. } => None,
        }
    }
}
