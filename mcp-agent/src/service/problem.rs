//! What went wrong, as RFC 9457 has it told.

use std::{borrow::Cow, error::Error, time::Duration};

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use mcp_client::{CallError, CallErrorKind, ConnectFailure, ServerError, StateKind};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use crate::caller::{self, LoginRequired};

/// How many of a server's last lines are told.
const SAID_LINES: usize = 5;

/// When to ask again for what a store did not give.
pub(super) const STORE_AGAIN: Duration = Duration::from_secs(1);

/// An error of the REST interface: `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    code: ProblemCode,
    /// Where it is not the usual one of the code.
    status: Option<StatusCode>,
    detail: String,
    server: Option<String>,
    retryable: bool,
    retry_after: Option<Duration>,
    /// Where whoever asks has to log in first.
    login_url: Option<String>,
}

/// The kinds of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProblemCode {
    /// The request cannot be understood.
    Usage,
    /// The entry of a server cannot be used.
    Config,
    /// There is a server of this name already.
    DuplicateServer,
    /// No server of this name.
    UnknownServer,
    /// The request lacks the service's token, or names a foreign host or origin.
    Refused,
    /// The server wants credentials.
    AuthRequired,
    /// Whoever asks has to log in at the server first, with an account of their own there.
    LoginRequired,
    /// The server could not be started or reached.
    Unreachable,
    /// The connection was lost before the answer; whether the call ran is unknown.
    ConnectionLost,
    /// The server does not speak the protocol as it should.
    ProtocolError,
    /// The server answered with a JSON-RPC error.
    Rejected,
    /// A limit of time ran out.
    Timeout,
    /// More calls than the limits of this service allow.
    TooManyCalls,
    /// The call cannot be recorded, and nothing happens unrecorded.
    Unrecorded,
    /// The service does so much already that it does not take this on.
    Overloaded,
    /// There is no such thing here.
    NotFound,
    /// The arguments do not fit the tools.
    InvalidArguments,
    /// Something that should not happen; the service's own fault.
    Unexpected,
}

impl ProblemCode {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        self.parts().0
    }

    /// Word, title, status.
    fn parts(self) -> (&'static str, &'static str, StatusCode) {
        match self {
            Self::Usage => ("usage", "The request cannot be understood", StatusCode::BAD_REQUEST),
            Self::Config => {
                ("config", "The server cannot be configured so", StatusCode::UNPROCESSABLE_ENTITY)
            }
            Self::DuplicateServer => {
                ("duplicate_server", "The name is in use", StatusCode::CONFLICT)
            }
            Self::UnknownServer => ("unknown_server", "No such server", StatusCode::NOT_FOUND),
            Self::Refused => ("refused", "Refused", StatusCode::FORBIDDEN),
            Self::AuthRequired => {
                ("auth_required", "The server wants credentials", StatusCode::BAD_GATEWAY)
            }
            Self::LoginRequired => {
                ("login_required", "A login at the server is needed", StatusCode::FORBIDDEN)
            }
            Self::Unreachable => {
                ("unreachable", "The server cannot be reached", StatusCode::SERVICE_UNAVAILABLE)
            }
            Self::ConnectionLost => {
                ("connection_lost", "The answer did not come", StatusCode::BAD_GATEWAY)
            }
            Self::ProtocolError => (
                "protocol_error",
                "The server does not keep to the protocol",
                StatusCode::BAD_GATEWAY,
            ),
            Self::Rejected => {
                ("rejected", "The server refused the request", StatusCode::UNPROCESSABLE_ENTITY)
            }
            Self::Timeout => ("timeout", "Out of time", StatusCode::GATEWAY_TIMEOUT),
            Self::TooManyCalls => {
                ("too_many_calls", "Too many calls", StatusCode::TOO_MANY_REQUESTS)
            }
            Self::Unrecorded => {
                ("unrecorded", "The call cannot be recorded", StatusCode::INTERNAL_SERVER_ERROR)
            }
            Self::Overloaded => {
                ("overloaded", "Too much at the same time", StatusCode::SERVICE_UNAVAILABLE)
            }
            Self::NotFound => ("not_found", "No such thing", StatusCode::NOT_FOUND),
            Self::InvalidArguments => (
                "invalid_arguments",
                "The arguments do not fit the tools",
                StatusCode::UNPROCESSABLE_ENTITY,
            ),
            Self::Unexpected => {
                ("unexpected", "Something went wrong here", StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

impl Problem {
    /// A problem of this kind.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            status: None,
            detail: detail.into(),
            server: None,
            retryable: false,
            retry_after: None,
            login_url: None,
        }
    }

    /// The word for it, the same as on the command line.
    pub fn code(&self) -> ProblemCode {
        self.code
    }

    /// This one, with its causes.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status.unwrap_or(self.code.parts().2)
    }

    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// Of this server.
    #[must_use]
    pub fn server(mut self, name: impl Into<String>) -> Self {
        self.server = Some(name.into());
        self
    }

    /// It may be tried again after this time.
    pub(super) fn again_in(mut self, wait: Duration) -> Self {
        self.retryable = true;
        self.retry_after = Some(wait);
        self
    }

    pub(super) fn unknown_server(name: &str) -> Self {
        Self::new(ProblemCode::UnknownServer, format!("there is no server `{name}`")).server(name)
    }

    pub(super) fn duplicate_server(name: &str) -> Self {
        let detail = format!("there is a server `{name}` already; delete it first");
        Self::new(ProblemCode::DuplicateServer, detail).server(name)
    }

    /// For whoever asks there is no such tool, be it that nobody may call it.
    pub(super) fn unknown_tool(server: &str, tool: &str) -> Self {
        Self::new(ProblemCode::NotFound, format!("there is no tool `{tool}` at `{server}`"))
            .server(server)
    }

    /// Nobody has agreed to the tool as it is now.
    pub(super) fn quarantined(server: &str, tool: &str, reason: &str) -> Self {
        let detail = format!("the tool `{tool}` of `{server}` is in quarantine: {reason}");
        Self::new(ProblemCode::Refused, detail).server(server)
    }

    /// For whoever asks a server has no resources and no prompts.
    pub(super) fn no_contents(server: &str) -> Self {
        Self::new(ProblemCode::NotFound, format!("`{server}` has tools only")).server(server)
    }

    /// Not 401, which is about the credentials for this service.
    pub(super) fn login_required(login: &LoginRequired) -> Self {
        let problem = Self::new(ProblemCode::LoginRequired, login.to_string());
        Self { login_url: Some(login.url().to_owned()), ..problem.server(&**login.server()) }
    }

    /// Where to log in, if that is what is missing.
    pub fn login_url(&self) -> Option<&str> {
        self.login_url.as_deref()
    }

    /// What replicas share cannot be used.
    pub(super) fn not_shared(error: &(dyn Error + 'static)) -> Self {
        let detail = format!("what the replicas share cannot be used: {}", chain(error));
        Self::new(ProblemCode::Unexpected, detail)
            .with_status(StatusCode::SERVICE_UNAVAILABLE)
            .again_in(STORE_AGAIN)
    }

    pub(super) fn unauthorized() -> Self {
        let detail = "send the service's token as `Authorization: Bearer …`";
        Self::new(ProblemCode::Refused, detail).with_status(StatusCode::UNAUTHORIZED)
    }

    /// Middleware of the program answered with something else.
    pub(super) fn another_answer() -> Self {
        Self::new(ProblemCode::ProtocolError, "the answer is not one to this request")
    }

    fn of_call(error: &CallError) -> Self {
        let code = match error.kind() {
            _ if error.wants_authorization() => ProblemCode::AuthRequired,
            CallErrorKind::NotSent(_) => ProblemCode::Unreachable,
            CallErrorKind::Lost(_) => ProblemCode::ConnectionLost,
            CallErrorKind::TimedOut { .. } => ProblemCode::Timeout,
            CallErrorKind::Rejected(_) => ProblemCode::Rejected,
            CallErrorKind::InvalidParams(_) => ProblemCode::Usage,
            _ => ProblemCode::ProtocolError,
        };
        let mut problem = Self::new(code, chain(error));
        problem.retryable = error.is_retryable();
        problem.retry_after = error.retry_after();
        problem
    }
}

impl From<caller::CallError> for Problem {
    fn from(error: caller::CallError) -> Self {
        use caller::CallError as Layered;
        let code = match &error {
            Layered::Failed { source, .. } => {
                return Self::of_call(source).server(&**error.server());
            }
            Layered::Unavailable { source, .. } => return Self::of_server(source),
            Layered::UnknownServer { server } => return Self::unknown_server(server),
            Layered::LoginRequired(login) => return Self::login_required(login),
            Layered::TimedOut { .. } => ProblemCode::Timeout,
            Layered::RateLimited { .. } | Layered::Busy { .. } => ProblemCode::TooManyCalls,
            Layered::Stopped { .. } => ProblemCode::Refused,
            Layered::Unrecorded { .. } => ProblemCode::Unrecorded,
            _ => ProblemCode::Unreachable,
        };
        let mut problem = Self::new(code, chain(&error)).server(&**error.server());
        problem.retryable = !error.was_sent();
        problem.retry_after = error.retry_after();
        problem
    }
}

impl From<ServerError> for Problem {
    fn from(error: ServerError) -> Self {
        Self::of_server(&error)
    }
}

impl Problem {
    pub(super) fn of_server(error: &ServerError) -> Self {
        match error {
            ServerError::Call { server, source } => Self::of_call(source).server(server),
            ServerError::Unavailable { server, state, retry_in, source } => {
                let code = match state {
                    StateKind::NeedsAuth => ProblemCode::AuthRequired,
                    StateKind::NotConfigured => ProblemCode::Config,
                    _ => ProblemCode::Unreachable,
                };
                let detail = match source {
                    Some(failure) => format!("{error}: {}", why(failure)),
                    None => error.to_string(),
                };
                let mut problem = Self::new(code, detail).server(server);
                problem.retryable = retry_in.is_some();
                problem.retry_after = *retry_in;
                problem
            }
            ServerError::NeedsCaller { server } => {
                Self::new(ProblemCode::AuthRequired, error.to_string()).server(server)
            }
            _ => Self::new(ProblemCode::Unreachable, chain(error)),
        }
    }
}

/// Why a server is not there, with its own last words.
pub(super) fn why(failure: &ConnectFailure) -> String {
    let mut text = chain(failure);
    let said = failure.stderr_tail();
    let last = &said[said.len().saturating_sub(SAID_LINES)..];
    if !last.is_empty() {
        text.push_str("; it said: ");
        text.push_str(&last.join(" / "));
    }
    text
}

/// An error and its causes, each a sentence of its own.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (word, title, _) = self.code.parts();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &format_args!("urn:mcp:problem:{word}"))?;
        map.serialize_entry("title", title)?;
        map.serialize_entry("status", &self.status().as_u16())?;
        map.serialize_entry("detail", &self.detail)?;
        map.serialize_entry("code", word)?;
        if let Some(server) = &self.server {
            map.serialize_entry("server", server)?;
        }
        if let Some(url) = &self.login_url {
            map.serialize_entry("login_url", url)?;
        }
        // Whether the same request may be repeated without the danger of running twice.
        map.serialize_entry("retryable", &self.retryable)?;
        map.end()
    }
}

/// What is wrong, as RFC 9457 has it.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Shape {
    /// `urn:mcp:problem:` and the code.
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    /// The word for it, the same as on the command line.
    code: String,
    /// The server that it is about.
    #[serde(default)]
    server: Option<String>,
    /// With the code `login_required`: where a person opens a browser to log in at the server. The
    /// same request may be made again after that.
    #[serde(default)]
    login_url: Option<String>,
    /// Whether the same request may be repeated without the danger of running twice.
    retryable: bool,
}

impl JsonSchema for Problem {
    fn schema_name() -> Cow<'static, str> {
        "Problem".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Shape::json_schema(generator)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(&self)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if self.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            // Rounded up, so that nobody comes back too early.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_the_rfc_has_it() {
        let problem = Problem::unknown_server("x");
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "type": "urn:mcp:problem:unknown_server",
                "title": "No such server",
                "status": 404,
                "detail": "there is no server `x`",
                "code": "unknown_server",
                "server": "x",
                "retryable": false,
            })
        );
        let login = LoginRequired::new("notes", "https://x.test/connect/i", "i");
        let json = serde_json::to_value(Problem::from(caller::CallError::from(login))).unwrap();
        assert_eq!((&json["status"], &json["code"]), (&403.into(), &"login_required".into()));
        assert_eq!(json["login_url"], "https://x.test/connect/i");
        assert_eq!((&json["server"], &json["retryable"]), (&"notes".into(), &false.into()));
        let mut problem = Problem::new(ProblemCode::Unreachable, "gone");
        problem.retry_after = Some(Duration::from_millis(1200));
        let response = problem.into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "2");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
}
