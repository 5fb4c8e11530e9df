//! `/mcp`, and `/servers/{name}/mcp` for one server under its own names.

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::Body,
    extract::{Path, Request, State},
    http::{Method, Uri},
    response::{IntoResponse, Response},
};
use mcp_transport::serve::{self, HttpEndpoint, HttpServeConfig};
use tokio::time::Instant;

use super::{
    Service,
    access::Principal,
    aggregate::{Aggregate, Many},
    carrying::carrying,
    problem::Problem,
    scope::Scope,
    view::View,
};

/// How many endpoints there are at most. Beyond it the one that was idle for longest is ended.
const MAX_ENDPOINTS: usize = 4096;

/// The MCP endpoints of a service: one for each principal and path, made when it is first asked
/// for. So what is kept of the sessions of one principal does not exist for another.
pub(super) struct Endpoints {
    many: Many,
    config: HttpServeConfig,
    open: Mutex<HashMap<View, Open>>,
}

struct Open {
    endpoint: Arc<HttpEndpoint>,
    used: Instant,
}

impl Endpoints {
    pub(super) fn new(many: Many, config: HttpServeConfig) -> Self {
        Self { many, config, open: Mutex::default() }
    }

    /// What they are in front of.
    pub(super) fn many(&self) -> &Many {
        &self.many
    }

    fn of(&self, view: View, path: &str) -> Arc<HttpEndpoint> {
        let now = Instant::now();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = open.get_mut(&view) {
            known.used = now;
            return Arc::clone(&known.endpoint);
        }
        // Servers that were removed take their sessions with them.
        open.retain(|view, _| {
            view.only.as_deref().is_none_or(|only| self.many.hub.server(only).is_some())
        });
        if open.len() >= MAX_ENDPOINTS
            && let Some(oldest) = open.iter().min_by_key(|(_, open)| open.used)
        {
            let oldest = oldest.0.clone();
            open.remove(&oldest);
        }
        let config = self.config.clone().path(path);
        let service = Aggregate::new(&self.many, view.clone());
        let endpoint = Arc::new(HttpEndpoint::new(Arc::new(service), config));
        open.insert(view, Open { endpoint: Arc::clone(&endpoint), used: now });
        endpoint
    }

    /// Ends what belongs to principals that are not known any more.
    pub(super) fn keep(&self, is_known: impl Fn(&Principal) -> bool) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|view, open| {
            let stays = is_known(&view.principal);
            if !stays {
                open.endpoint.end();
            }
            stays
        });
    }

    /// Ends all streams and sessions, and calls that wait for their clients.
    pub(super) fn end(&self) {
        let open = std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
        for open in open.into_values() {
            open.endpoint.end();
        }
    }

    async fn answer(&self, view: View, mut request: Request) -> Response {
        // Its sessions are its own at every replica.
        request.extensions_mut().insert(serve::Principal::new(view.principal.id()));
        if request.method() == Method::GET
            && let Some(shown) = Scope::current().request().and_then(|request| request.shown())
        {
            self.many.own.listens_on(&view.principal, shown);
        }
        let path = path_of(&view);
        if let Some(uri) = moved(request.uri(), &path) {
            *request.uri_mut() = uri;
        }
        let endpoint = self.of(view, &path);
        // What streams after that is a call, which counts by itself, or only listens.
        let under_way = self.many.journal.running().begin();
        let response = endpoint.answer(request).await;
        drop(under_way);
        // An endpoint ends what it answers when it goes.
        response.map(|body| carrying(Body::new(body), endpoint))
    }
}

/// The path of an endpoint, the same however its clients write it.
fn path_of(view: &View) -> String {
    let Some(name) = &view.only else { return "/mcp".to_owned() };
    let mut path = "/servers/".to_owned();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path + "/mcp"
}

/// The URI with another path, and without a query, which means nothing here.
fn moved(uri: &Uri, path: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.parse().ok()?);
    Uri::from_parts(parts).ok()
}

pub(super) async fn all(
    State(service): State<Service>,
    principal: Principal,
    request: Request,
) -> Response {
    service.0.endpoints.answer(View::new(principal, None), request).await
}

pub(super) async fn one(
    State(service): State<Service>,
    principal: Principal,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let view = View::new(principal, Some(name.clone()));
    if service.hub().server(&name).is_none() || !view.sees(&name) {
        return Problem::unknown_server(&name).into_response();
    }
    service.0.endpoints.answer(view, request).await
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoints").finish_non_exhaustive()
    }
}
