//! `/mcp/servers`

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use mcp_client::{Server, ServerState, ServerStatus, StateKind, config::ServerConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    Service,
    access::{Principal, Role},
    logins::wants_login,
    problem::{Problem, ProblemCode},
    read_json,
    server_entry::Entry,
    server_report::ServerReport,
    view::View,
};
use crate::stack::StackReport;

/// All servers.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ServerList {
    servers: Vec<ServerReport>,
}

/// One server.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct OneServer {
    server: ServerReport,
    /// The last lines of its standard error.
    stderr: Vec<String>,
}

pub(super) async fn status(
    State(service): State<Service>,
    principal: Principal,
) -> Json<ServerList> {
    let view = View::new(principal, None);
    let (now, layers) = (Instant::now(), service.stack().report());
    let seen = service.0.own.servers(&view);
    let servers = seen.iter().map(|server| service.report(server, &layers, now, &view)).collect();
    Json(ServerList { servers })
}

impl Service {
    /// A server as it is for whoever asks.
    fn report(
        &self,
        server: &Server,
        layers: &StackReport,
        now: Instant,
        view: &View,
    ) -> ServerReport {
        let report = ServerReport::new(&server.status(), layers, now, view);
        if server.config().as_deref().is_some_and(ServerConfig::is_per_caller) {
            return report.callers(self.0.own.count(server.name()), wants_login(server));
        }
        report
    }
}

/// One server, with the last lines that it wrote to its standard error, which are for operators.
pub(super) async fn one(
    State(service): State<Service>,
    principal: Principal,
    Path(name): Path<String>,
) -> Result<Json<OneServer>, Problem> {
    let is_operator = principal.is(Role::Operator);
    let view = View::new(principal, None);
    let server = service.server(&name, &view)?;
    let status = server.status();
    let stderr = match &status.state {
        _ if !is_operator => Vec::new(),
        ServerState::Down(failure) | ServerState::NeedsAuth(failure) => {
            failure.stderr_tail().to_vec()
        }
        state => state.client().map(mcp_client::Client::stderr_tail).unwrap_or_default(),
    };
    let server = service.report(&server, &service.stack().report(), Instant::now(), &view);
    Ok(Json(OneServer { server, stderr }))
}

/// The body of `PATCH /mcp/servers/{name}`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Switch {
    /// Whether it is to run.
    enabled: bool,
}

/// Switches a server on or off. One that is off stays so whatever uses it, until it is switched on
/// or restarted. Does not wait for it. Replicas that share their servers do the same soon after,
/// and after a restart.
pub(super) async fn switch(
    State(service): State<Service>,
    principal: Principal,
    Path(name): Path<String>,
    read_json::Json(Switch { enabled }): read_json::Json<Switch>,
) -> Result<StatusCode, Problem> {
    service.server(&name, &View::new(principal, None))?;
    if let Some(shared) = &service.0.common {
        shared.switch(&name, enabled).await?;
    }
    if service.hub().enable(&name, enabled) {
        Ok(StatusCode::ACCEPTED)
    } else {
        Err(Problem::unknown_server(&name))
    }
}

/// Starts a server anew, whatever it is doing. Does not wait for it.
pub(super) async fn restart(
    State(service): State<Service>,
    principal: Principal,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let server = service.server(&name, &View::new(principal, None))?;
    if let Some(shared) = &service.0.common
        && server.status().state.kind() == StateKind::Disabled
    {
        shared.switch(&name, true).await?;
    }
    if service.hub().restart(&name) {
        Ok(StatusCode::ACCEPTED)
    } else {
        Err(Problem::unknown_server(&name))
    }
}

/// Adds a server and waits until it is up or down; in both cases it is there now. Replicas that
/// share their servers have it soon after.
pub(super) async fn add(
    State(service): State<Service>,
    principal: Principal,
    read_json::Json(entry): read_json::Json<Entry>,
) -> Result<(StatusCode, Json<ServerReport>), Problem> {
    let config = entry.config(&service.0.templates)?;
    let name = config.name.clone();
    if !principal.rules().sees(&name) {
        let detail = format!("your rules do not allow you a server `{name}`");
        return Err(Problem::new(ProblemCode::Refused, detail).server(name));
    }
    let (hub, view) = (service.hub(), View::new(principal, None));
    if hub.server(&name).is_some() {
        return Err(Problem::duplicate_server(&name));
    }
    match (&service.0.common, &entry) {
        (Some(shared), Entry::Url(entry)) => shared.add(&name, entry).await?,
        // A command is of the replica that was asked for it.
        // Somebody else may have had the same in mind.
        _ if !hub.add_new(config) => return Err(Problem::duplicate_server(&name)),
        _ => {}
    }
    let mut seen = 0;
    loop {
        let found = hub.status().into_iter().find(|status| status.name == name);
        match found {
            Some(status) if is_settled(&status) => {
                let layers = service.stack().report();
                let report = ServerReport::new(&status, &layers, Instant::now(), &view);
                return Ok((StatusCode::CREATED, Json(report)));
            }
            Some(_) => seen = hub.changed_since(seen).await,
            // Somebody removed it meanwhile.
            None => return Err(Problem::unknown_server(&name)),
        }
    }
}

fn is_settled(status: &ServerStatus) -> bool {
    status.state.kind() != StateKind::Starting
}

pub(super) async fn remove(
    State(service): State<Service>,
    principal: Principal,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    service.server(&name, &View::new(principal, None))?;
    let was_shared = match &service.0.common {
        Some(shared) => shared.remove(&name).await?,
        None => false,
    };
    if service.hub().remove(&name).await || was_shared {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::unknown_server(&name))
    }
}
