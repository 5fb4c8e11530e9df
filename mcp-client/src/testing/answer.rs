//! What a scripted server does with one message.

use std::time::Duration;

use bytes::Bytes;
use mcp_protocol::{
    jsonrpc::ErrorObject, prompts::GetPromptResult, raw::RawJson, resources::ReadResourceResult,
    tools::CallToolResult,
};
use serde::Serialize;
use serde_json::{Value, json};

/// What a [`TestServer`](super::TestServer) does with one message.
///
/// ```
/// use std::time::Duration;
///
/// use mcp_client::testing::Answer;
/// use serde_json::json;
///
/// // Two thirds of the way at once, the result a little later.
/// let progress = json!({"progressToken": 1, "progress": 2, "total": 3});
/// let answer = Answer::result(json!({"content": []}))
///     .after(Duration::from_millis(20))
///     .telling("notifications/progress", progress);
/// assert!(matches!(answer, Answer::Send(..)));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// This result, as it stands.
    Result(Value),
    /// This error.
    Error(ErrorObject),
    /// Sends this message first: a notification, or a question to a client of the legacy era.
    Send(Value, Box<Self>),
    /// Waits first. Other messages are answered meanwhile.
    After(Duration, Box<Self>),
    /// Writes this text in place of an answer, whatever it is. Not over HTTP.
    Raw(Bytes),
    /// Gives no answer.
    Silence,
    /// Ends the connection; over HTTP, the server.
    End,
    /// What the server does without this rule. It too can be late, or come after something else.
    Usual,
}

impl Answer {
    /// A result, as it stands: what belongs to an era, such as `resultType`, must be in it.
    pub fn result(result: Value) -> Self {
        Self::Result(result)
    }

    /// An error without details.
    pub fn error(code: i64, message: impl Into<String>) -> Self {
        Self::Error(ErrorObject::new(code, message))
    }

    /// An error with details.
    pub fn error_with(code: i64, message: impl Into<String>, data: Value) -> Self {
        Self::Error(ErrorObject { data: Some(data.into()), ..ErrorObject::new(code, message) })
    }

    /// Any text in place of an answer.
    pub fn raw(text: impl Into<Bytes>) -> Self {
        Self::Raw(text.into())
    }

    /// The same, later.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self::After(wait, Box::new(self))
    }

    /// The same, after a notification.
    #[must_use]
    pub fn telling(self, method: &str, params: impl Into<Value>) -> Self {
        let params: Value = params.into();
        Self::Send(json!({"jsonrpc": "2.0", "method": method, "params": params}), Box::new(self))
    }

    /// The same, after a question to the client, which a legacy server may ask over memory and
    /// lines. The client's answer is [heard](super::Heard::answers) and not waited for.
    #[must_use]
    pub fn asking(self, id: &str, method: &str, params: impl Into<Value>) -> Self {
        let params: Value = params.into();
        let question = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        Self::Send(question, Box::new(self))
    }

    /// A value as a result. What cannot be JSON becomes an error that says so.
    fn of(result: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_value(result) {
            Ok(result) => Self::Result(result),
            Err(error) => Self::error(
                mcp_protocol::error_code::INTERNAL_ERROR,
                format!("the script's result is no JSON: {error}"),
            ),
        }
    }

    /// Whether its end is left to the server.
    pub(super) fn ends_as_usual(&self) -> bool {
        match self {
            Self::Usual => true,
            Self::Send(_, then) | Self::After(_, then) => then.ends_as_usual(),
            _ => false,
        }
    }

    /// The same, with this in place of what is left to the server.
    pub(super) fn then(self, usual: Self) -> Self {
        match self {
            Self::Usual => usual,
            Self::Send(message, then) => Self::Send(message, Box::new(then.then(usual))),
            Self::After(wait, then) => Self::After(wait, Box::new(then.then(usual))),
            other => other,
        }
    }

    /// Marks a result as complete in the way of the modern era, unless it says of what kind it is.
    pub(super) fn complete(self) -> Self {
        match self {
            Self::Result(Value::Object(mut result)) => {
                result.entry("resultType").or_insert_with(|| "complete".into());
                Self::Result(Value::Object(result))
            }
            Self::Send(message, then) => Self::Send(message, Box::new(then.complete())),
            Self::After(wait, then) => Self::After(wait, Box::new(then.complete())),
            other => other,
        }
    }
}

impl From<CallToolResult> for Answer {
    fn from(result: CallToolResult) -> Self {
        Self::of(&result)
    }
}

impl From<GetPromptResult> for Answer {
    fn from(result: GetPromptResult) -> Self {
        Self::of(&result)
    }
}

impl From<ReadResourceResult> for Answer {
    fn from(result: ReadResourceResult) -> Self {
        Self::of(&result)
    }
}

impl From<ErrorObject> for Answer {
    fn from(error: ErrorObject) -> Self {
        Self::Error(error)
    }
}

impl From<RawJson> for Answer {
    fn from(result: RawJson) -> Self {
        Self::of(&result)
    }
}

impl From<&str> for Answer {
    /// A result of one text, for tools.
    fn from(text: &str) -> Self {
        CallToolResult::text(text).into()
    }
}

impl From<String> for Answer {
    /// A result of one text, for tools.
    fn from(text: String) -> Self {
        CallToolResult::text(text).into()
    }
}
