//! `/connect/{id}`: who opens it, and the way to the authorization server.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Json,
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use mcp_client::{
    Server,
    oauth::{AuthorizationCode, PendingVisit, Redirected},
};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use url::Url;

use super::{
    super::{
        Service,
        access::Principal,
        problem::{Problem, ProblemCode, chain},
    },
    Logins,
    browser::{self, Kept},
    flows::{Flow, Next, Outcome, PATIENCE, Purpose, TooMany},
    place::{CALLBACK, url_of},
    wanted::Wanted,
};

/// A client that is refused as what its document says is registered, and the person asked again.
const VISITS: usize = 2;

/// What a person is about to log in to.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::service) struct WantedBy {
    /// The server, as configured.
    server: String,
    /// The host of its address.
    host: String,
    /// Whose login it will be.
    principal: String,
    /// What is asked for, where the server said it.
    scopes: Vec<String>,
    ends_in_ms: u64,
}

/// Where the browser goes next.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::service) struct Begun {
    url: String,
}

impl Logins {
    /// What an id says, whoever asks.
    pub(super) fn wish(&self, id: &str) -> Result<Wanted, Problem> {
        self.read(id).ok_or_else(|| {
            let detail = "this address is not good any more: ask your program again, and open the \
                          new one within ten minutes";
            Problem::new(ProblemCode::NotFound, detail)
        })
    }

    /// The same, if it is for whoever asks.
    fn open(&self, id: &str, principal: &Principal) -> Result<(Wanted, Server), Problem> {
        let wanted = self.wish(id)?;
        if !wanted.is_for(principal) {
            let detail = "somebody else was asked to log in here. If nobody has asked you, close \
                          this page; else sign in as whom your program is";
            return Err(Problem::new(ProblemCode::Refused, detail));
        }
        let server = self.server(&wanted.server, principal);
        let server = server.ok_or_else(|| Problem::unknown_server(&wanted.server))?;
        Ok((wanted, server))
    }

    /// Begins a login, which goes on beside requests.
    fn start(
        &self,
        id: &str,
        wanted: Wanted,
        principal: Principal,
        server: &Server,
    ) -> Result<Flow, Problem> {
        let entry = server.identity().entry;
        let (grant, visits) = self.ask_in_browser(CALLBACK)?;
        let caller = wanted.caller();
        let authorizer = self.0.place.authorizer_for(server, &caller, grant, &wanted.scopes);
        let authorizer = authorizer.map_err(|error| failed(&wanted.server, chain(&error)))?;
        let (tell, outcome) = oneshot::channel();
        let (weak, id, theirs) = (self.weak(), Arc::<str>::from(id), wanted.clone());
        self.aside(async move {
            let outcome = match authorizer.login().await {
                Ok(_) => {
                    if let Some(shared) = weak.upgrade() {
                        Self(shared).is_done(&id, &theirs);
                    }
                    Outcome::LoggedIn { server: theirs.server }
                }
                Err(error) => {
                    let reason = chain(&error);
                    tracing::info!(server = theirs.server, %reason, "a login came to nothing");
                    Outcome::NotLoggedIn { server: theirs.server, reason }
                }
            };
            // The browser may not wait for it.
            let _ = tell.send(outcome);
        });
        let purpose = Purpose::Login { principal, entry };
        Ok(Flow { wanted, purpose, visits, outcome, begun: Instant::now() })
    }

    /// Asks a person in the browser that is sent where the visits say, and comes back by a path.
    pub(super) fn ask_in_browser(
        &self,
        way_back: &str,
    ) -> Result<(AuthorizationCode, mpsc::Receiver<PendingVisit>), Problem> {
        let base = self.base()?;
        let (seen, visits) = mpsc::channel(VISITS);
        let seen = Mutex::new(seen);
        let agent = Redirected::new(format!("{base}{way_back}"), move |visit: PendingVisit| {
            // Whoever has given up sends nobody anywhere.
            let _ = seen.lock().unwrap_or_else(PoisonError::into_inner).try_send(visit);
        });
        Ok((AuthorizationCode::new(agent).patience(PATIENCE), visits))
    }

    pub(super) fn base(&self) -> Result<String, Problem> {
        self.0
            .place
            .base()
            .ok_or_else(|| Problem::new(ProblemCode::Config, super::NoLogin::NoAddress.to_string()))
    }

    /// Tells a page where its browser goes.
    pub(super) fn begun(&self, visit: PendingVisit, flow: Flow) -> Result<Response, Problem> {
        let url = visit.url().to_string();
        let kept = self.send(visit, flow)?;
        let no_store = header::HeaderValue::from_static("no-store");
        let headers = [(header::SET_COOKIE, kept), (header::CACHE_CONTROL, no_store)];
        Ok((headers, Json(Begun { url })).into_response())
    }

    /// Has a login wait for the browser that is sent to `visit`. Gives what the browser keeps.
    pub(super) fn send(
        &self,
        visit: PendingVisit,
        flow: Flow,
    ) -> Result<header::HeaderValue, Problem> {
        let is_secure = self.base()?.starts_with("https://");
        let state = self.0.flows.wait(visit, flow)?;
        self.await_elsewhere(&state);
        let keys = self.0.keys.as_ref();
        let kept =
            keys.and_then(|keys| browser::remember(keys, Kept::Began, &state, is_secure).ok()?);
        kept.ok_or_else(|| {
            Problem::new(ProblemCode::Unexpected, super::NoLogin::NoSeal.to_string())
        })
    }
}

impl From<TooMany> for Problem {
    fn from(_: TooMany) -> Self {
        let detail = "so many people are logging in just now; try again in a minute";
        Self::new(ProblemCode::Overloaded, detail)
    }
}

/// No login can be begun.
fn failed(server: &str, reason: String) -> Problem {
    Problem::new(ProblemCode::AuthRequired, reason).server(server)
}

/// What a person is about to do. Told to nobody but the one who was asked.
pub(in crate::service) async fn look(
    State(service): State<Service>,
    principal: Principal,
    Path(id): Path<String>,
) -> Result<Json<WantedBy>, Problem> {
    let (wanted, server) = service.0.logins.open(&id, &principal)?;
    let config = server.config();
    let url = config.as_deref().and_then(url_of).and_then(|url| Url::parse(url).ok());
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned();
    let ends_in_ms = u64::try_from(wanted.left().as_millis()).unwrap_or(u64::MAX);
    let Wanted { principal, server, scopes, .. } = wanted;
    Ok(Json(WantedBy { server, host, principal, scopes, ends_in_ms }))
}

/// Begins the login, in this browser.
pub(in crate::service) async fn begin(
    State(service): State<Service>,
    principal: Principal,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let logins = &service.0.logins;
    let (wanted, server) = logins.open(&id, &principal)?;
    logins.0.flows.has_room()?;
    let name = wanted.server.clone();
    let turn = logins.turn(&name);
    // The semaphore is never closed.
    let permit = turn.acquire().await;
    let mut flow = logins.start(&id, wanted, principal, &server)?;
    let visit = match flow.next().await {
        Next::Visit(visit) => visit,
        Next::Over(Outcome::NotLoggedIn { reason, .. }) => return Err(failed(&name, reason)),
        Next::Over(_) => {
            let detail = "the login was made without a browser; go back to your program";
            return Err(Problem::new(ProblemCode::Unexpected, detail));
        }
    };
    drop(permit);
    logins.begun(visit, flow)
}
