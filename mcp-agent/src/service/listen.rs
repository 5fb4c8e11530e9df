//! Connections of clients: bounded in number and patience, and closed without cutting anybody off.

use std::{convert::Infallible, io, pin::pin, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use mcp_transport::serve::accept;
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::interval};
use tower_service::Service as _;

use super::{
    carrying::carrying,
    limits::ServiceLimits,
    patience::{Answering, Patient},
};

/// The smallest head that hyper can be bound to.
const LEAST_HEAD_BYTES: usize = 8 << 10;

/// How many headers hyper has room for beside the request itself; another number has it ask for
/// memory with each.
const HEADERS_AT_HAND: usize = 100;

/// How often a timer ends that nothing waits for. A timer that ends before all others has the
/// runtime interrupt its own sleep, by two system calls; with this one around, no call's is that.
const TICK: Duration = Duration::from_secs(1);

/// What becomes of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Serving,
    /// No new ones; those that there are end with their next answer, which says so.
    Leaving,
    /// Those on which nothing happens end now.
    Closing,
}

/// Serves until the phase is another and all connections have ended. Connections that nobody has
/// accepted by then stay with the socket, for another process that has it too.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: &ServiceLimits,
    phase: watch::Receiver<Phase>,
) -> io::Result<()> {
    let mut connections = JoinSet::new();
    let mut now = phase.clone();
    let head_bytes = limits.head_bytes.max(LEAST_HEAD_BYTES);
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.idle).max_buf_size(head_bytes);
    if limits.headers != HEADERS_AT_HAND {
        builder.max_headers(limits.headers);
    }
    let mut tick = interval(TICK);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            // The sender is gone only with the service.
            () = async { drop(now.wait_for(|phase| *phase != Phase::Serving).await) } => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = accept(&listener), if connections.len() < limits.connections => {
                let answering = Answering::default();
                let stream = Patient::new(accepted?, limits.head, answering.clone());
                connections.spawn(carry(
                    stream,
                    answering,
                    router.clone(),
                    (builder.clone(), head_bytes),
                    phase.clone(),
                ));
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// About as many bytes as were sent. hyper's buffer may take in twice its bound before it is looked
/// at, so a head that came in large pieces is measured again.
fn size_of_head<B>(request: &hyper::Request<B>) -> usize {
    let uri = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let fields = request.headers().iter();
    uri + fields.map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>()
}

async fn carry(
    stream: Patient,
    answering: Answering,
    router: Router,
    (builder, head_bytes): (http1::Builder, usize),
    mut phase: watch::Receiver<Phase>,
) {
    let now = phase.clone();
    let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let (mut router, now) = (router.clone(), now.clone());
        let answered = answering.begin();
        async move {
            let is_too_large = size_of_head(&request) > head_bytes;
            let mut response = if is_too_large {
                let mut refusal = Response::new(Body::empty());
                *refusal.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
                refusal
            } else {
                let Ok(response) = router.call(request.map(Body::new)).await;
                response
            };
            if is_too_large || *now.borrow() != Phase::Serving {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            // The request is answered once the last of the body is sent.
            Ok::<_, Infallible>(response.map(|body| carrying(body, answered)))
        }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), answer));
    let outcome = tokio::select! {
        outcome = &mut connection => outcome,
        // The sender is gone only with the service.
        () = async { drop(phase.wait_for(|phase| *phase == Phase::Closing).await) } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended out of order");
    }
}
