//! Every request from its head to the end of its answer: a number, a span, a line in the log.

use std::{
    pin::Pin,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode},
    response::Response,
};
use hyper::body::{Frame, SizeHint};
use mcp_transport::serve;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::time::Instant;

use super::{
    Service,
    access::Principal,
    scope::{RequestNotes, Scope},
};
use crate::spans::{NewSpan, Span};

/// The header that names a request, in both directions.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Those of W3C Trace Context and Baggage.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const BAGGAGE: HeaderName = HeaderName::from_static("baggage");
/// How much of a path is noted.
const MAX_PATH_CHARS: usize = 256;

/// Follows a request. Who watches over the process is noted only where everything is.
pub(super) async fn follow<F>(
    service: &Service,
    mut request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    let notes = RequestNotes::new(request_id(request.headers()), service.0.passes_baggage);
    let header = HeaderValue::try_from(&notes.id);
    let outside = Scope::new(None, notes);
    let trace = {
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        outside.read_trace(header(&TRACEPARENT), header(&TRACESTATE), header(&BAGGAGE))
    };
    let path = request.uri().path();
    let is_quiet = matches!(path, "/healthz" | "/readyz" | "/metrics") || path == "/";
    let span = service.0.spans.as_ref().filter(|_| !is_quiet).map(|spans| {
        let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let name = format!("{} {}", request.method(), route.unwrap_or_default());
        let mut span = spans.begin(NewSpan::server(name.trim_end(), trace.as_ref()));
        span.set("http.request.method", request.method().as_str().into());
        span.set("url.path", (&*shortened(path)).into());
        if let Some(route) = route {
            span.set("http.route", route.into());
        }
        span
    });
    let trace = span.as_ref().and_then(|span| span.context()).or(trace);
    let scope = outside.in_trace(trace);
    let mut end = End {
        scope: scope.clone(),
        method: request.method().clone(),
        path: shortened(path),
        is_quiet,
        status: None,
        began: Instant::now(),
        span,
    };
    // For what is done in a task of its own.
    request.extensions_mut().insert(serve::Beside::new(scope.clone()));
    let mut response = scope.clone().within(next(request)).await;
    end.status = Some(response.status());
    if let Ok(id) = header {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response.map(|body| Body::new(Followed { body, scope, _end: end }))
}

/// The request's own, if others can make use of it; else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte);
    let given = headers.get(&REQUEST_ID).and_then(|value| value.to_str().ok());
    if let Some(given) = given
        && (1..=128).contains(&given.len())
        && given.bytes().all(fits)
    {
        return given.to_owned();
    }
    let (process, count) = &*NUMBERS;
    format!("{process:016x}{:08x}", count.fetch_add(1, Ordering::Relaxed))
}

/// What tells this process from others, and where it begins to count: an id is no secret, and the
/// system need not be asked for randomness for each.
static NUMBERS: LazyLock<(u64, AtomicU32)> = LazyLock::new(|| {
    let (mut process, mut start) = ([0; 8], [0; 4]);
    // Without randomness the requests of two processes may be called the same.
    let random = SystemRandom::new();
    let _ = random.fill(&mut process).and_then(|()| random.fill(&mut start));
    (u64::from_be_bytes(process), AtomicU32::new(u32::from_be_bytes(start)))
});

fn shortened(path: &str) -> String {
    path.chars().take(MAX_PATH_CHARS).collect()
}

/// An answer whose streaming belongs to its request.
struct Followed {
    body: Body,
    scope: Scope,
    _end: End,
}

impl HttpBody for Followed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { body, scope, .. } = &mut *self;
        scope.step(|| Pin::new(body).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Tells of a request when it is over.
struct End {
    scope: Scope,
    method: Method,
    path: String,
    is_quiet: bool,
    /// None when the client went away before there was an answer.
    status: Option<StatusCode>,
    began: Instant,
    span: Option<Box<dyn Span>>,
}

impl Drop for End {
    fn drop(&mut self) {
        let status = self.status.map(|status| status.as_u16());
        if let Some(span) = &mut self.span {
            match status {
                Some(status) => {
                    span.set("http.response.status_code", status.into());
                    if status >= 500 {
                        span.fail(&status.to_string(), "");
                    }
                }
                None => span.fail("client_gone", "the client went away"),
            }
        }
        let Some(request) = self.scope.request() else { return };
        let what = request.what();
        let took = self.began.elapsed().as_secs_f64() * 1000.0;
        macro_rules! tell {
            ($level:ident) => {
                tracing::$level!(
                    target: "mcp_agent::service::request",
                    request_id = request.id.as_str(),
                    http_method = self.method.as_str(),
                    path = self.path.as_str(),
                    method = what.method.as_deref(),
                    server = what.server.as_deref(),
                    tool = what.tool.as_deref(),
                    outcome = what.outcome,
                    calls = what.calls,
                    principal = request.principal().map(Principal::id),
                    status,
                    ms = (took * 1000.0).round() / 1000.0,
                    "request"
                )
            };
        }
        if self.is_quiet { tell!(debug) } else { tell!(info) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_over_if_it_is_sane() {
        let id = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_static(value));
            request_id(&headers)
        };
        assert_eq!(id("req-1:a/b"), "req-1:a/b");
        for foreign in ["", "a b", "a\"b", "{}"] {
            let made = id(foreign);
            assert_eq!(made.len(), 24, "{foreign}");
        }
        let long: &'static str = Box::leak("x".repeat(129).into_boxed_str());
        assert_eq!(id(long).len(), 24);
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }
}
