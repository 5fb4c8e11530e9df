//! Answers as HTTP: one JSON message, or a stream of events.

use std::{
    convert::Infallible,
    fmt::Write as _,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Response, StatusCode, header};
use hyper::body::{Body, Frame, SizeHint};
use mcp_protocol::{
    error_code,
    jsonrpc::{ErrorObject, RequestId, encode_error},
};
use tokio::{
    task::AbortHandle,
    time::{Instant, Sleep, sleep},
};

use super::event_log::Reader;

/// How long a stream may be silent before a comment shows that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The body of an answer.
#[derive(Debug)]
pub struct ReplyBody(Kind);

#[derive(Debug)]
enum Kind {
    Whole(Option<Bytes>),
    Events(Box<Events>),
}

/// A stream of events on its way to the client.
#[derive(Debug)]
pub(super) struct Events {
    reader: Reader,
    /// The number of the stream, for the ids of its events; `None` where it cannot be resumed.
    stream: Option<u64>,
    /// Whether an event without data comes first, which tells the client how to resume.
    primed: bool,
    /// Held for its drop: ends the request when the client goes away.
    _work: Option<AbortOnDrop>,
    keep_alive: Pin<Box<Sleep>>,
}

/// A task that ends with its owner.
#[derive(Debug)]
pub(super) struct AbortOnDrop(pub(super) AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Events {
    pub(super) fn new(reader: Reader) -> Self {
        let keep_alive = Box::pin(sleep(KEEP_ALIVE));
        Self { reader, stream: None, primed: false, _work: None, keep_alive }
    }

    /// The events of a stream that can be resumed, by its number.
    pub(super) fn numbered(reader: Reader, stream: u64) -> Self {
        Self { stream: Some(stream), ..Self::new(reader) }
    }

    /// Begins with an event that has only an id.
    pub(super) fn primed(self, primed: bool) -> Self {
        Self { primed, ..self }
    }

    /// Ends this work with the stream.
    pub(super) fn ending(self, work: AbortOnDrop) -> Self {
        Self { _work: Some(work), ..self }
    }

    fn poll_text(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if std::mem::take(&mut self.primed)
            && let Some(stream) = self.stream
        {
            return Poll::Ready(Some(format!("id: {stream}-0\ndata:\n\n").into()));
        }
        if let Poll::Ready(event) = self.reader.poll_next(cx) {
            self.keep_alive.as_mut().reset(Instant::now() + KEEP_ALIVE);
            return Poll::Ready(event.map(|event| {
                let mut text = BytesMut::with_capacity(event.text.len() + 32);
                if let Some(stream) = self.stream {
                    // Writing to a buffer cannot fail.
                    let _ = writeln!(text, "id: {stream}-{}", event.number);
                }
                text.extend_from_slice(b"data: ");
                // In JSON, line ends stand only between values.
                text.extend(event.text.iter().map(|&byte| match byte {
                    b'\n' | b'\r' => b' ',
                    byte => byte,
                }));
                text.extend_from_slice(b"\n\n");
                text.freeze()
            }));
        }
        if self.keep_alive.as_mut().poll(cx).is_ready() {
            self.keep_alive.as_mut().reset(Instant::now() + KEEP_ALIVE);
            return Poll::Ready(Some(Bytes::from_static(b":\n\n")));
        }
        Poll::Pending
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let text = match &mut self.0 {
            Kind::Whole(text) => Poll::Ready(text.take()),
            Kind::Events(events) => events.poll_text(cx),
        };
        text.map(|text| text.map(|text| Ok(Frame::data(text))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Kind::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(text) => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
            Kind::Events(_) => SizeHint::default(),
        }
    }
}

/// Only a status.
pub(super) fn status(status: StatusCode) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody(Kind::Whole(None)));
    *response.status_mut() = status;
    response
}

/// 405, with what is allowed.
pub(super) fn not_allowed(allowed: &'static str) -> Response<ReplyBody> {
    let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

/// One message.
pub(super) fn json(code: StatusCode, text: Bytes) -> Response<ReplyBody> {
    let mut response = status(code);
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    *response.body_mut() = ReplyBody(Kind::Whole(Some(text)));
    response
}

/// A refusal in the protocol's own form.
pub(super) fn refusal(
    code: StatusCode,
    id: Option<&RequestId>,
    error: &ErrorObject,
) -> Response<ReplyBody> {
    json(code, encode_error(id, error))
}

/// A stream.
pub(super) fn events(events: Events) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody(Kind::Events(Box::new(events))));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    // Some proxies would keep events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// The status of a modern answer.
pub(super) fn modern_status(outcome: Result<(), i64>) -> StatusCode {
    match outcome {
        Err(code) if error_code::is_modern(code) => StatusCode::BAD_REQUEST,
        Err(error_code::METHOD_NOT_FOUND) => StatusCode::NOT_FOUND,
        Ok(()) | Err(_) => StatusCode::OK,
    }
}
