//! For those who watch over the process, and for those who are lost.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use mcp_client::StateKind;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Service,
    access::{Principal, Role},
    problem::{Problem, ProblemCode},
    shared_servers::SharedServers,
};
use crate::shared::Presence;

/// The process answers.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// How many servers there are, and what they are doing.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Readiness {
    servers: usize,
    usable: usize,
    starting: usize,
    /// What replicas share, and whether it is there.
    #[serde(flatten)]
    companions: BTreeMap<String, &'static str>,
}

/// Ready when no server is starting any more, and what replicas keep of servers was seen once, until
/// the service is told to stop. One that is down does not count: it may never come up, and the
/// others are there. Nor does what replicas share, later: without it each is on its own.
pub(super) async fn ready(State(service): State<Service>) -> (StatusCode, Json<Readiness>) {
    let servers = service.hub().status();
    let count = |wanted: fn(StateKind) -> bool| {
        servers.iter().filter(|status| wanted(status.state.kind())).count()
    };
    let starting = count(|kind| kind == StateKind::Starting);
    let usable = count(|kind| matches!(kind, StateKind::Ready | StateKind::Degraded));
    let leaving = service.0.leaving.load(Ordering::Relaxed);
    let is_whole = service.0.common.as_ref().is_none_or(SharedServers::is_met);
    let is_ready = starting == 0 && is_whole && !leaving;
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let companions = service.0.companions.iter().map(|companion| {
        // Why it is away may name addresses, which are not for everybody.
        let presence = match companion.presence() {
            Presence::Here => "here",
            Presence::Unknown => "unknown",
            Presence::Away { .. } => "away",
        };
        (companion.name().to_owned(), presence)
    });
    let companions = companions.collect();
    (status, Json(Readiness { servers: servers.len(), usable, starting, companions }))
}

/// In the text format of Prometheus. It names all servers, so it is not for those who may see only
/// some, unless they operate the service.
pub(super) async fn metrics(
    State(service): State<Service>,
    principal: Principal,
) -> Result<impl IntoResponse, Problem> {
    if !principal.rules().is_unlimited() {
        principal.must_be(Role::Operator)?;
    }
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    let mut text = service.hub().prometheus() + &service.stack().report().prometheus();
    let many = service.0.endpoints.many();
    text.push_str(&many.operations().prometheus());
    text.push_str(&many.session_times().prometheus());
    if let Some(spans) = &service.0.spans {
        text.push_str(&spans.prometheus());
    }
    Ok(([(header::CONTENT_TYPE, kind)], text))
}

pub(super) async fn no_such_method() -> Problem {
    Problem::new(ProblemCode::Usage, "this path does not know the method")
        .with_status(StatusCode::METHOD_NOT_ALLOWED)
}

pub(super) async fn nothing_here() -> Problem {
    Problem::new(ProblemCode::NotFound, "there is nothing at this path")
}
