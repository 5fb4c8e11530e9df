//! `/mcp`, and `/servers/{name}/mcp` for one server under its own names.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::Body,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use mcp_client::Hub;
use mcp_transport::serve::{Guard, HttpEndpoint, HttpServeConfig};

use super::{Service, aggregate::Aggregate, journal::Journal, problem::Problem};
use crate::stack::Stack;

/// The MCP endpoints of a service.
pub(super) struct Endpoints {
    hub: Hub,
    stack: Stack,
    journal: Arc<Journal>,
    guard: Guard,
    max_body_bytes: usize,
    all: HttpEndpoint,
    /// Made when they are first asked for.
    single: Mutex<HashMap<String, Arc<HttpEndpoint>>>,
}

impl Endpoints {
    pub(super) fn new(
        hub: &Hub,
        stack: &Stack,
        journal: &Arc<Journal>,
        guard: &Guard,
        max_body_bytes: usize,
    ) -> Self {
        let config =
            HttpServeConfig::new().path("/mcp").guard(guard.clone()).max_body_bytes(max_body_bytes);
        let all = Aggregate::new(hub, stack, journal, None);
        let journal = Arc::clone(journal);
        Self {
            hub: hub.clone(),
            stack: stack.clone(),
            journal,
            guard: guard.clone(),
            max_body_bytes,
            all: HttpEndpoint::new(Arc::new(all), config),
            single: Mutex::default(),
        }
    }

    fn single(&self, name: &str, path: &str) -> Arc<HttpEndpoint> {
        let mut single = self.single.lock().unwrap_or_else(PoisonError::into_inner);
        // Servers that were removed take their sessions with them.
        single.retain(|name, _| self.hub.server(name).is_some());
        let endpoint = single.entry(name.to_owned()).or_insert_with(|| {
            let config = HttpServeConfig::new()
                .path(path)
                .guard(self.guard.clone())
                .max_body_bytes(self.max_body_bytes);
            let one = Aggregate::new(&self.hub, &self.stack, &self.journal, Some(name.to_owned()));
            Arc::new(HttpEndpoint::new(Arc::new(one), config))
        });
        Arc::clone(endpoint)
    }

    /// Ends all streams and sessions.
    pub(super) fn end(&self) {
        self.all.end();
        for endpoint in self.single.lock().unwrap_or_else(PoisonError::into_inner).values() {
            endpoint.end();
        }
    }
}

pub(super) async fn all(State(service): State<Service>, request: Request) -> Response {
    service.0.endpoints.all.answer(request).await.map(Body::new)
}

pub(super) async fn one(
    State(service): State<Service>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    if service.hub().server(&name).is_none() {
        return Problem::unknown_server(&name).into_response();
    }
    let endpoint = service.0.endpoints.single(&name, request.uri().path());
    endpoint.answer(request).await.map(Body::new)
}
