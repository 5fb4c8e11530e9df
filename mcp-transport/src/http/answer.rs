//! What a server answers, by status and kind of content.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use mcp_protocol::jsonrpc::Message;

use super::{body::Body, endpoint::redact};
use crate::{
    BoxFuture, DeliveryError,
    error::{DeliveryErrorKind, HttpFailure},
};

/// How much of the body of a failure is kept.
const EXCERPT_BYTES: usize = 64 * 1024;

/// How long a server may take to send that much.
const EXCERPT_LIMIT: Duration = Duration::from_secs(5);

/// The head of an answer, and its body to be read.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

/// The kinds of content that can carry messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// `application/json`: one message, or a batch.
    Json,
    /// `text/event-stream`: a message per event.
    Events,
    /// No `Content-Type` at all.
    Unnamed,
    /// Anything else.
    Other,
}

impl Answer {
    /// What the body is.
    pub(super) fn content(&self) -> Content {
        let Some(value) = self.headers.get(header::CONTENT_TYPE) else { return Content::Unnamed };
        let value = value.as_bytes();
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        let kind = value[..end].trim_ascii();
        if kind.eq_ignore_ascii_case(b"application/json") {
            Content::Json
        } else if kind.eq_ignore_ascii_case(b"text/event-stream") {
            Content::Events
        } else {
            Content::Other
        }
    }

    /// Ends an answer whose body does not matter, without losing the connection when the end is
    /// there already or soon.
    pub(super) async fn let_go(self) {
        self.body.let_go().await;
    }

    /// Turns an answer that is not what was hoped for into an error.
    ///
    /// In a box, since it is rare and would make every call's future larger.
    pub(super) fn into_failure(mut self) -> BoxFuture<'static, HttpFailure> {
        Box::pin(async move {
            let body = self.body.excerpt(EXCERPT_BYTES, EXCERPT_LIMIT).await;
            failure(self.status, &self.headers, body)
        })
    }
}

/// The error for an answer that carries no message.
pub(super) fn failure(status: StatusCode, headers: &HeaderMap, body: Bytes) -> HttpFailure {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let mut failure = HttpFailure::new(status);
    failure.content_type = text(header::CONTENT_TYPE).map(str::to_owned);
    failure.retry_after = text(header::RETRY_AFTER).and_then(|text| wait(text, SystemTime::now()));
    if status.is_redirection() {
        failure.location = text(header::LOCATION).map(location);
    }
    failure.challenges = headers
        .get_all(header::WWW_AUTHENTICATE)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    failure.response = match Message::parse(&body) {
        Ok(Message::Response(response)) => Some(response),
        _ => None,
    };
    failure.body = body;
    failure
}

/// A location as it may be shown: queries can hold secrets.
fn location(text: &str) -> String {
    let end = memchr::memchr2(b'?', b'#', text.as_bytes()).unwrap_or(text.len());
    if text.contains('@') { redact(text) } else { text[..end].to_owned() }
}

/// `Retry-After`: seconds, or a date.
fn wait(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

impl From<HttpFailure> for DeliveryError {
    fn from(failure: HttpFailure) -> Self {
        Self::maybe_sent(DeliveryErrorKind::Http(Box::new(failure)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_retry_after() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:00 GMT").unwrap();
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(wait(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
