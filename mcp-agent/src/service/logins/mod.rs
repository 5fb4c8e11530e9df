//! Logins of callers at servers that want an account of each person's own
//! ([`ServerConfig::wants_login_of_callers`]).
//!
//! Who lacks one is told an address ([`LoginRequired`]). It opens a page that asks who opens it, and
//! goes on only for the one who was asked: anybody could send an address to anybody. Who it is, they
//! show by a token, or by signing in at an issuer that is trusted (`sign_in`). The login
//! itself is the one that every client has ([`AuthorizationCode`]), in a browser that comes back to
//! the service. Its tokens are kept for this caller alone, and a connection of theirs that waits for
//! them begins anew.
//!
//! [`AuthorizationCode`]: mcp_client::oauth::AuthorizationCode

mod begin;
mod browser;
mod callback;
mod flows;
mod handover;
mod place;
mod rest;
mod sign_in;
mod starting;
mod telling;
mod waiting;
mod wanted;

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, SystemTime},
};

use mcp_client::{Hub, Server, config::ServerConfig};
use mcp_transport::serve::SessionKeys;
use tokio::{
    sync::{Semaphore, broadcast},
    task::JoinSet,
};

pub(super) use self::{
    begin::{Begun, WantedBy, begin, look},
    callback::{answer, client, page, signed_in_answer},
    place::{CallerId, LoginPlace, LoginStore},
    rest::{Login, LoginList, NewLogin, WantedLogin, create, list, log_out},
    sign_in::{Issuers, NewSignIn, begin_sign_in, issuers, signed_in},
    telling::{is_tool_of, tool_for},
};
use self::{
    flows::{Flow, Flows, Purpose},
    handover::Handing,
    starting::Starting,
    wanted::Wanted,
};
use super::{
    access::{Principal, Shown},
    own_servers::OwnServers,
    scope::Scope,
    view::View,
};
use crate::caller::{CallError, LoginRequired};

/// How many logins a listener may be behind.
const DONE: usize = 64;

/// How long it is remembered that somebody has logged in: longer than anybody waits for it.
const REMEMBERED: Duration = Duration::from_secs(900);

/// Why a login is not finished that was begun rightly.
const NOT_MEANT: &str = "the server, or who may use it, is another than when it was begun";

/// Why no code is redeemed that another may have been given.
const WRONG_WAY: &str =
    "the answer did not come by the redirect URI of this login: it may be that of another one";

/// The logins of callers. Clones share them.
#[derive(Clone)]
pub(super) struct Logins(Arc<Shared>);

struct Shared {
    hub: Hub,
    own: OwnServers,
    place: Arc<LoginPlace>,
    /// Seal the ids, and what browsers keep.
    keys: Option<SessionKeys>,
    flows: Flows,
    /// Sign-ins that are not sent anywhere yet.
    starting: Arc<Starting>,
    /// Browsers that wait for another replica.
    handing: Arc<Handing>,
    /// How many requests of each principal wait for a login.
    waiting: Arc<Mutex<HashMap<String, usize>>>,
    /// One at a time finds out who the service is at the authorization server of a server, so that it
    /// is registered there once.
    turns: Mutex<HashMap<String, Arc<Semaphore>>>,
    done: broadcast::Sender<LoginDone>,
    /// Who has logged in where lately.
    lately: Mutex<HashMap<(CallerId, String), SystemTime>>,
    tasks: Mutex<JoinSet<()>>,
}

/// Somebody has logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LoginDone {
    /// Which of the wishes led to it. All others of the same caller for the same server are granted
    /// too.
    pub(super) id: Arc<str>,
    /// The id of the principal.
    pub(super) principal: Arc<str>,
    pub(super) server: Arc<str>,
}

/// Nobody can be told where to log in.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoLogin {
    #[error(
        "a login is needed, and browsers do not know the way to this service: set `public_url` in \
         its settings"
    )]
    NoAddress,
    #[error("a login is needed, and its address cannot be sealed")]
    NoSeal,
}

impl Logins {
    pub(super) fn new(
        own: &OwnServers,
        place: &Arc<LoginPlace>,
        keys: Option<SessionKeys>,
    ) -> Self {
        Self(Arc::new(Shared {
            hub: own.hub().clone(),
            own: own.clone(),
            place: Arc::clone(place),
            keys,
            flows: Flows::default(),
            starting: Arc::default(),
            handing: Arc::default(),
            waiting: Arc::default(),
            turns: Mutex::default(),
            done: broadcast::Sender::new(DONE),
            lately: Mutex::default(),
            tasks: Mutex::default(),
        }))
    }

    /// A login that somebody is to make at a server, who has shown this.
    pub(super) fn wanted(
        &self,
        server: &str,
        principal: &Principal,
        shown: Option<&Arc<Shown>>,
        scopes: &[String],
    ) -> Result<LoginRequired, NoLogin> {
        let base = self.0.place.base().ok_or(NoLogin::NoAddress)?;
        let keys = self.0.keys.as_ref().ok_or(NoLogin::NoSeal)?;
        let wanted = Wanted::new(server, principal, shown, scopes);
        let id = wanted.seal(keys).map_err(|_| NoLogin::NoSeal)?;
        Ok(LoginRequired::new(server, format!("{base}/connect/{id}"), id))
    }

    /// The same for whoever the task works for; as an error, whatever is missing.
    fn required(&self, server: &Arc<str>, scopes: &[String]) -> Result<LoginRequired, CallError> {
        let scope = Scope::current();
        let request = scope.request();
        let principal = request.and_then(|request| request.principal()).cloned();
        let principal = principal.unwrap_or_else(Principal::owner);
        let shown = request.and_then(|request| request.shown());
        let wanted = self.wanted(server, &principal, shown, scopes);
        wanted.map_err(|reason| CallError::stopped(server, reason))
    }

    /// What a call is answered with that would find nobody logged in.
    pub(super) fn before_call(&self, own: &Server, server: &Arc<str>) -> Result<(), CallError> {
        let mcp_client::ServerState::NeedsAuth(failure) = own.status().state else {
            return Ok(());
        };
        match failure.missing_login() {
            Some(_) => Err(self.required(server, &[])?.into()),
            None => Ok(()),
        }
    }

    /// What a call of somebody's own server has failed with is a login that they have to make, if it
    /// is one.
    pub(super) fn told(&self, error: CallError) -> CallError {
        let missing = match &error {
            CallError::Unavailable { source, .. } => source.missing_login(),
            CallError::Failed { source, .. } => source.missing_login(),
            _ => None,
        };
        let Some(missing) = missing else { return error };
        let scopes = if missing.for_more { missing.scopes } else { &[] };
        match self.required(error.server(), scopes) {
            Ok(login) if missing.for_more => login.for_more().into(),
            Ok(login) => login.into(),
            Err(error) => error,
        }
    }

    /// The servers that callers have of their own.
    pub(super) fn own(&self) -> &OwnServers {
        &self.0.own
    }

    /// Hears of logins that are made here.
    pub(super) fn done(&self) -> broadcast::Receiver<LoginDone> {
        self.0.done.subscribe()
    }

    /// Takes over that somebody has logged in.
    fn is_done(&self, id: &str, wanted: &Wanted) {
        // First of all, so that whoever sees that it is made finds the connection begun.
        if wanted.scopes.is_empty() {
            // It may be another account than before.
            self.0.own.renew(&wanted.server, &wanted.principal, wanted.kind);
        } else {
            self.0.own.goes_on(&wanted.server, &wanted.principal, wanted.kind);
            self.0.own.begin_anew(&wanted.server, &wanted.principal, wanted.kind);
        }
        let now = SystemTime::now();
        let mut lately = self.lately();
        lately.retain(|_, time| now.duration_since(*time).is_ok_and(|since| since < REMEMBERED));
        lately.insert((wanted.caller(), wanted.server.clone()), now);
        drop(lately);
        tracing::info!(server = wanted.server, principal = wanted.principal, "logged in");
        // Nobody may be listening.
        let _ = self.0.done.send(LoginDone {
            id: id.into(),
            principal: wanted.principal.as_str().into(),
            server: wanted.server.as_str().into(),
        });
    }

    /// Whether the answer of a flow is taken that came by a path, or why it is not.
    fn takes_answer(&self, flow: &Flow, path: &str) -> Result<(), &'static str> {
        if path != flow.purpose.way_back() {
            tracing::warn!(path, "an answer came by the path of another kind of login");
            return Err(WRONG_WAY);
        }
        if self.is_meant(flow) { Ok(()) } else { Err(NOT_MEANT) }
    }

    /// Whether what a login was begun for is there as it was, by the rules of now.
    fn is_meant(&self, flow: &Flow) -> bool {
        let is_there = match &flow.purpose {
            Purpose::Login { principal, entry } => {
                let server = self.server(&flow.wanted.server, principal);
                server.is_some_and(|server| server.identity().entry == *entry)
            }
            Purpose::SignIn { .. } => true,
        };
        is_there && self.lets_in(&flow.purpose)
    }

    /// Whether whoever began something would still be let in, or can sign in where it was begun.
    fn lets_in(&self, purpose: &Purpose) -> bool {
        match purpose {
            Purpose::Login { principal, .. } => self.0.own.lets_in(principal),
            Purpose::SignIn { issuer } => self.0.place.trusted().signs_in_at(issuer).is_some(),
        }
    }

    /// Gives up the logins of principals that are not known any more.
    pub(super) fn keep(&self) {
        self.0.flows.keep(|flow| self.lets_in(&flow.purpose));
    }

    fn lately(&self) -> MutexGuard<'_, HashMap<(CallerId, String), SystemTime>> {
        self.0.lately.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, server: &str) -> Arc<Semaphore> {
        let mut turns = self.0.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = turns.entry(server.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(1)));
        Arc::clone(turn)
    }

    fn weak(&self) -> Weak<Shared> {
        Arc::downgrade(&self.0)
    }

    /// Does something beside requests, for as long as the service is there.
    fn aside(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(work);
    }

    /// The server, if it is there for somebody and wants a login of each caller.
    fn server(&self, name: &str, principal: &Principal) -> Option<Server> {
        let view = View::new(principal.clone(), None);
        let server = self.0.hub.server(name).filter(|_| view.sees(name))?;
        wants_login(&server).then_some(server)
    }
}

/// Whether each caller logs in at a server.
pub(super) fn wants_login(server: &Server) -> bool {
    server.config().as_deref().is_some_and(ServerConfig::wants_login_of_callers)
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logins").finish_non_exhaustive()
    }
}
