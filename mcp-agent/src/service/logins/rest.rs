//! `/mcp/logins`: what a caller is logged in to.

use std::time::SystemTime;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use mcp_client::{
    Server,
    oauth::{OAuthError, Revocation},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::{
    super::{
        Service,
        access::Principal,
        problem::{Problem, ProblemCode, chain},
        read_json,
        scope::Scope,
        view::View,
    },
    CallerId, wants_login,
};

/// The body of `POST /mcp/logins`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct NewLogin {
    /// Where to log in.
    server_name: String,
}

/// A login that is to be made.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::service) struct WantedLogin {
    server_name: String,
    /// Where the person opens a browser, within ten minutes. It is of use to nobody else.
    url: String,
}

/// What whoever asks is logged in to.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::service) struct LoginList {
    logins: Vec<Login>,
}

/// A server at which each caller logs in.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::service) struct Login {
    server_name: String,
    logged_in: bool,
    /// What the login allows, as far as it is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    scopes: Vec<String>,
    /// Who gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    /// When the access token ends, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_in_ms: Option<u64>,
    /// Whether it is renewed then without anybody doing anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    renews: Option<bool>,
    /// After a logout, whether the authorization server has taken the tokens back.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<bool>,
}

impl Login {
    fn none(server: &Server) -> Self {
        Self {
            server_name: server.name().to_owned(),
            logged_in: false,
            scopes: Vec::new(),
            issuer: None,
            ends_in_ms: None,
            renews: None,
            revoked: None,
        }
    }
}

/// The caller who asks.
fn caller(principal: &Principal) -> CallerId {
    let scope = Scope::current();
    CallerId::new(principal, scope.request().and_then(|request| request.shown()))
}

/// A server at which callers log in.
fn found(service: &Service, name: &str, principal: &Principal) -> Result<Server, Problem> {
    if let Some(server) = service.0.logins.server(name, principal) {
        return Ok(server);
    }
    let is_there =
        service.hub().server(name).is_some() && View::new(principal.clone(), None).sees(name);
    Err(if is_there {
        let detail = format!(
            "`{name}` is no server at which each caller logs in: its entry does not say \
             `perCaller` in `oauth`"
        );
        Problem::new(ProblemCode::Config, detail).server(name)
    } else {
        Problem::unknown_server(name)
    })
}

/// An address where whoever asks can log in.
pub(in crate::service) async fn create(
    State(service): State<Service>,
    principal: Principal,
    read_json::Json(NewLogin { server_name }): read_json::Json<NewLogin>,
) -> Result<(StatusCode, Json<WantedLogin>), Problem> {
    found(&service, &server_name, &principal)?;
    let scope = Scope::current();
    let shown = scope.request().and_then(|request| request.shown());
    let wanted = service.0.logins.wanted(&server_name, &principal, shown, &[]);
    let wanted = wanted.map_err(|reason| Problem::new(ProblemCode::Config, reason.to_string()))?;
    let url = wanted.url().to_owned();
    Ok((StatusCode::CREATED, Json(WantedLogin { server_name, url })))
}

/// All servers at which callers log in, and whether whoever asks has.
pub(in crate::service) async fn list(
    State(service): State<Service>,
    principal: Principal,
) -> Result<Json<LoginList>, Problem> {
    let view = View::new(principal.clone(), None);
    let servers = service.hub().servers().into_iter();
    let servers = servers.filter(|server| view.sees(server.name()) && wants_login(server));
    let (caller, mut logins) = (caller(&principal), Vec::new());
    for server in servers {
        logins.push(kept(&service, &server, &caller).await?);
    }
    Ok(Json(LoginList { logins }))
}

async fn kept(service: &Service, server: &Server, caller: &CallerId) -> Result<Login, Problem> {
    let kept = service.0.logins.0.place.kept(server, caller);
    let tokens = match kept {
        Ok(kept) => kept.tokens().await,
        Err(error) => Err(error),
    };
    let tokens = tokens.map_err(|error| {
        Problem::new(ProblemCode::Unexpected, chain(&error)).server(server.name())
    })?;
    let Some(tokens) = tokens else { return Ok(Login::none(server)) };
    let left = tokens.expires_at.map(|ends| {
        let left = ends.duration_since(SystemTime::now()).unwrap_or_default();
        u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
    });
    let renews = tokens.refresh_token.is_some();
    Ok(Login {
        logged_in: renews || left != Some(0),
        scopes: tokens.scopes_granted,
        issuer: Some(tokens.issuer),
        ends_in_ms: left,
        renews: Some(renews),
        ..Login::none(server)
    })
}

/// Forgets the tokens of whoever asks, and has the authorization server take them back where it does
/// (RFC 7009).
pub(in crate::service) async fn log_out(
    State(service): State<Service>,
    principal: Principal,
    Path(name): Path<String>,
) -> Result<Json<Login>, Problem> {
    let server = found(&service, &name, &principal)?;
    let logins = &service.0.logins;
    let caller = caller(&principal);
    let failed =
        |error: OAuthError| Problem::new(ProblemCode::Unexpected, chain(&error)).server(&name);
    let kept = logins.0.place.kept(&server, &caller).map_err(failed)?;
    let scope = Scope::current();
    let kind = scope.request().and_then(|request| request.shown()).map_or(0, |shown| shown.kind);
    // What is there is of use no more from now on, nor is a login that was begun.
    logins.0.own.forget(&name, principal.id(), kind);
    logins.0.flows.keep(|flow| flow.wanted.server != name || flow.wanted.caller() != caller);
    let (tell, told) = oneshot::channel();
    let (own, theirs) = (logins.0.own.clone(), (name.clone(), principal.id().to_owned()));
    // To its end, also when the client does not wait for it.
    logins.aside(async move {
        let (server, principal) = theirs;
        let outcome = kept.logout().await;
        // A connection may have been begun before the tokens were gone.
        own.forget(&server, &principal, kind);
        match &outcome {
            Ok(Revocation::Failed(error)) => {
                let reason = chain(error);
                tracing::warn!(server, principal, %reason, "tokens could not be taken back");
            }
            Ok(_) => tracing::info!(server, principal, "logged out"),
            Err(error) => {
                let reason = chain(error);
                tracing::warn!(server, principal, %reason, "somebody could not be logged out");
            }
        }
        // The client may not wait for it.
        let _ = tell.send(outcome);
    });
    let ended = || Problem::new(ProblemCode::Unexpected, "the service is ending").server(&name);
    let revocation = told.await.map_err(|_| ended())?.map_err(failed)?;
    let revoked = Some(matches!(revocation, Revocation::Revoked { .. }));
    Ok(Json(Login { revoked, ..Login::none(&server) }))
}
