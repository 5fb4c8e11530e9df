//! The trace that a request belongs to (W3C Trace Context), handed on to the servers that it leads
//! to in the `_meta` of its calls. Baggage stays here: it may tell of the client.

use std::future::Future;

use axum::{extract::Request, middleware::Next, response::Response};
use mcp_client::{HubOptions, TraceContext};

tokio::task_local! {
    static TRACE: Option<TraceContext>;
}

/// Has a hub's clients hand on the trace of whatever they do a request for.
pub(super) fn hand_on(options: &mut HubOptions) {
    options.client.trace(|| TRACE.try_with(Clone::clone).ok().flatten());
}

/// Does something for a trace. Calls are large, and are moved no more from here on.
pub(super) fn within<T>(
    trace: Option<TraceContext>,
    work: impl Future<Output = T>,
) -> impl Future<Output = T> {
    TRACE.scope(trace, Box::pin(work))
}

/// A trace by its fields; what is none is nobody's.
pub(super) fn read(parent: Option<&str>, state: Option<&str>) -> Option<TraceContext> {
    let trace = TraceContext::new(parent?).ok()?;
    match state.map(|state| trace.clone().state(state)) {
        Some(Ok(whole)) => Some(whole),
        _ => Some(trace),
    }
}

/// Takes the trace of a request from its headers.
pub(super) async fn follow(request: Request, next: Next) -> Response {
    let trace = {
        let header =
            |name: &'static str| request.headers().get(name).and_then(|value| value.to_str().ok());
        read(header("traceparent"), header("tracestate"))
    };
    within(trace, next.run(request)).await
}
