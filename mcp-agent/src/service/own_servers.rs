//! Servers that are reached on behalf of whoever asks: a connection for each caller, which nobody
//! else has any part in.
//!
//! Each is a hub of its own, with one server and the token of one principal, so that lists, results
//! and notifications of one are nowhere near those of another. It begins with the first request of
//! its principal that may concern the server, and ends when nobody has used it for a while, when
//! there are too many, or with the entry of the configuration.

mod elsewhere;
mod logged_in;
mod token_end;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use futures_util::future::join_all;
use mcp_client::{
    Cache, CatalogLists, Hub, HubChange, HubEvent, OnBehalfOf, Server, ServerError, StateKind,
    config::ServerConfig,
    oauth::{AssertionSource, StoredLogin},
};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use self::elsewhere::Login;
use super::{
    access::{Principal, Shown},
    limits::ServiceLimits,
    logins::{CallerId, LoginPlace, wants_login},
    problem::{Problem, ProblemCode, chain},
    scope::Scope,
    shown_token::Subject,
    view::View,
};
use crate::caller::CallError;

/// How soon a connection is begun anew with a token that did not help.
const AGAIN: Duration = Duration::from_secs(10);

/// The least time between looks at what is idle.
const LOOK: Duration = Duration::from_secs(1);

/// The most: tokens end meanwhile.
const RARE_LOOK: Duration = Duration::from_secs(10);

/// How much text of lists and resources is kept for one caller.
const CACHE_BYTES: usize = 1 << 20;

/// How many changes a listener may be behind before it looks at everything.
const CHANGES: usize = 256;

/// The connections on behalf of callers. Clones share them.
#[derive(Clone)]
pub(super) struct OwnServers(Arc<Shared>);

struct Shared {
    /// Those of everybody, and the entries of these here.
    hub: Hub,
    /// The names of those that are reached so, as of a generation of what the hub offers.
    names: Mutex<(u64, Arc<[String]>)>,
    /// Where callers log in, and their tokens are.
    place: Arc<LoginPlace>,
    most: usize,
    idle: Duration,
    open: Mutex<HashMap<Key, Open>>,
    /// Says for whom something is another now.
    changes: broadcast::Sender<Arc<str>>,
    /// Those that are being ended, or are told other rules.
    ending: Mutex<JoinSet<()>>,
    /// Who is let in.
    known: Mutex<Arc<Known>>,
}

type Known = dyn Fn(&Principal) -> bool + Send + Sync;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    server: String,
    /// The id of the principal.
    caller: Arc<str>,
    /// Which kind of their tokens: what a lesser one may not do is not done with a greater one.
    kind: u64,
}

struct Open {
    hub: Hub,
    /// Which of the entries that had the name.
    entry: u64,
    /// What the entry said when it was looked at last.
    config: Option<Arc<ServerConfig>>,
    principal: Principal,
    /// Where a token of theirs is exchanged.
    subject: Option<Arc<Subject>>,
    used: Instant,
    begun: Instant,
    /// When its caller's token ends, the one that lasts longest, if it does; in seconds since 1970.
    ends: Option<f64>,
    /// By the clock that replicas have too.
    began: SystemTime,
    /// Where its caller's login is, if it is one.
    stored: Option<StoredLogin>,
    /// The login that it was seen to have.
    login: Login,
    /// Since when the login is there with which it was begun anew last.
    tried: Option<SystemTime>,
    /// Ends with it.
    _following: JoinSet<()>,
}

/// The connection of a caller cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotOwn {
    /// Whoever asks is nobody whose token could be exchanged.
    #[error(transparent)]
    Nobody(Arc<ServerError>),
    /// There are too many, and all are in use.
    #[error(
        "server `{server}` is reached on behalf of {most} callers already, all of them at work; \
         try again later, or raise `callers` in `[limits]`"
    )]
    Full {
        /// Which server.
        server: String,
        /// How many connections there may be.
        most: usize,
    },
}

impl NotOwn {
    pub(super) fn into_call_error(self, server: &Arc<str>) -> CallError {
        match self {
            Self::Nobody(source) => {
                CallError::Unavailable { server: Arc::clone(server), retry_in: None, source }
            }
            full @ Self::Full { .. } => CallError::stopped(server, full),
        }
    }
}

impl From<NotOwn> for Problem {
    fn from(error: NotOwn) -> Self {
        match error {
            NotOwn::Nobody(source) => Self::of_server(&source),
            NotOwn::Full { ref server, .. } => {
                Self::new(ProblemCode::Overloaded, chain(&error)).server(server).again_in(AGAIN)
            }
        }
    }
}

impl OwnServers {
    pub(super) fn new(hub: &Hub, place: &Arc<LoginPlace>, limits: &ServiceLimits) -> Self {
        Self(Arc::new(Shared {
            hub: hub.clone(),
            names: Mutex::new((0, names_of(hub))),
            place: Arc::clone(place),
            most: limits.callers,
            idle: limits.caller_idle,
            open: Mutex::default(),
            changes: broadcast::Sender::new(CHANGES),
            ending: Mutex::default(),
            known: Mutex::new(Arc::new(|_| true)),
        }))
    }

    /// Those of everybody, and the entries of these here.
    pub(super) fn hub(&self) -> &Hub {
        &self.0.hub
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Key, Open>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A server as it is for somebody, who has shown this: the same, or a connection of their own,
    /// which is begun if there is none.
    pub(super) fn of(
        &self,
        server: Server,
        principal: &Principal,
        shown: Option<&Arc<Shown>>,
    ) -> Result<Server, NotOwn> {
        if !is_own(&server) {
            return Ok(server);
        }
        let logs_in = wants_login(&server);
        if !(logs_in || shown.is_some_and(|shown| may_be_exchanged(&server, shown))) {
            let server = server.name().to_owned();
            return Err(NotOwn::Nobody(Arc::new(ServerError::NeedsCaller { server })));
        }
        let (name, entry) = (server.name().to_owned(), server.identity().entry);
        let kind = shown.map_or(0, |shown| shown.kind);
        let key = Key { server: name.clone(), caller: principal.id().into(), kind };
        let mut open = self.open();
        // Somebody may have been let in and be known no more by the time of this.
        if !self.lets_in(principal) {
            return Err(NotOwn::Nobody(Arc::new(ServerError::NeedsCaller { server: name })));
        }
        let mut newest = shown.filter(|_| !logs_in).cloned();
        if let Some(known) = open.get_mut(&key).filter(|known| known.entry == entry) {
            known.used = Instant::now();
            known.lasts_for(shown);
            self.take_rules(known, &server);
            let mut is_new = false;
            if let (Some(subject), Some(shown)) = (&known.subject, &newest) {
                is_new = subject.renew(shown);
                newest = Some(subject.newest());
            }
            if let Some(own) = known.hub.server(&name) {
                // One that waits for a login begins anew when there is one.
                let helps = !logs_in && (is_new || known.begun.elapsed() >= AGAIN);
                if own.state() != StateKind::NeedsAuth || !helps {
                    return Ok(own);
                }
            }
        }
        let mut ended = Vec::from_iter(open.remove(&key));
        if open.len() >= self.0.most {
            let idle = open.iter().filter(|(_, one)| !one.hub.is_shared());
            let oldest = idle.min_by_key(|(_, one)| one.used).map(|(key, _)| key.clone());
            let Some(oldest) = oldest else {
                self.end(ended);
                return Err(NotOwn::Full { server: name, most: self.0.most });
            };
            ended.extend(open.remove(&oldest));
        }
        let mut begun = self.begin(&server, entry, principal, newest, &key);
        begun.lasts_for(shown);
        let own = begun.hub.server(&name);
        open.insert(key, begun);
        drop(open);
        self.end(ended);
        // It was put there just now.
        Ok(own.unwrap_or(server))
    }

    /// Has a connection go on by the rules of now, which are nothing that it is begun anew for.
    fn take_rules(&self, known: &mut Open, server: &Server) {
        let Some(now) = server.config() else { return };
        if known.config.as_ref().is_some_and(|before| Arc::ptr_eq(before, &now)) {
            return;
        }
        known.config = Some(Arc::clone(&now));
        let (hub, server) = (known.hub.clone(), server.clone());
        let mut ending = self.0.ending.lock().unwrap_or_else(PoisonError::into_inner);
        ending.spawn(async move {
            let mut now = now;
            // Of several that are at it, whoever ends last has applied the rules of then.
            loop {
                hub.apply(vec![ServerConfig::clone(&now)]).await;
                match server.config() {
                    Some(next) if !Arc::ptr_eq(&next, &now) => now = next,
                    _ => return,
                }
            }
        });
    }

    fn begin(
        &self,
        server: &Server,
        entry: u64,
        principal: &Principal,
        shown: Option<Arc<Shown>>,
        key: &Key,
    ) -> Open {
        let subject = shown.map(|shown| Arc::new(Subject::new(shown)));
        let caller = CallerId::of(&key.caller, key.kind);
        // Before the start, so that no login is missed that comes during it.
        let began = SystemTime::now();
        let stored = match subject {
            Some(_) => None,
            None => self.0.place.stored(server, &caller),
        };
        let mut options = self.0.hub.options().clone();
        options.lazy = false;
        // A result that its server calls public is what it told this caller all the same.
        options.client.cache = Cache::new(CACHE_BYTES);
        options.catalogs = CatalogLists::ALL;
        options.on_behalf_of = Some(match subject.clone() {
            Some(source) => OnBehalfOf::Exchange(AssertionSource::callback(move || {
                let token = source.token();
                async move { Ok(token?) }
            })),
            None => OnBehalfOf::Login(self.0.place.login(&caller)),
        });
        let config = server.config();
        let entries = config.iter().map(|config| ServerConfig::clone(config)).collect();
        let hub = Hub::start(entries, &options);
        let mut following = JoinSet::new();
        let (mut events, changes) = (hub.events(), self.0.changes.clone());
        let caller = Arc::clone(&key.caller);
        following.spawn(async move {
            while !matches!(events.recv().await, Err(RecvError::Closed)) {
                // Nobody may be listening.
                let _ = changes.send(Arc::clone(&caller));
            }
        });
        let (principal, now) = (principal.clone(), Instant::now());
        Open {
            hub,
            entry,
            config,
            principal,
            subject,
            used: now,
            begun: now,
            ends: None,
            began,
            stored,
            login: Login::Unseen,
            tried: None,
            _following: following,
        }
    }

    /// A server as it is for somebody, as far as there is a connection.
    pub(super) fn known(&self, server: Server, principal: &Principal) -> Server {
        if !is_own(&server) {
            return server;
        }
        let (name, entry) = (server.name(), server.identity().entry);
        let kind = Scope::current().request().and_then(|request| Some(request.shown()?.kind));
        let open = self.open();
        // Beside requests it is the one that was used last.
        let theirs = open.iter().filter(|(key, known)| {
            let is_theirs = key.server == name && *key.caller == *principal.id();
            is_theirs && known.entry == entry && kind.is_none_or(|kind| key.kind == kind)
        });
        let known = theirs.max_by_key(|(_, known)| known.used);
        known.and_then(|(_, known)| known.hub.server(name)).unwrap_or(server)
    }

    /// All servers that are there for somebody, as far as there are connections.
    pub(super) fn servers(&self, view: &View) -> Vec<Server> {
        let all = self.0.hub.servers().into_iter().filter(|server| view.sees(server.name()));
        all.map(|server| self.known(server, &view.principal)).collect()
    }

    /// One server as it is for somebody, as far as there is a connection.
    pub(super) fn named(&self, name: &str, principal: &Principal) -> Option<Server> {
        Some(self.known(self.0.hub.server(name)?, principal))
    }

    /// Whether a server is reached on behalf of callers. Quick enough for every call.
    pub(super) fn is_own(&self, name: &str) -> bool {
        self.names().iter().any(|own| own == name)
    }

    fn names(&self) -> Arc<[String]> {
        let generation = self.0.hub.catalog_generation();
        let mut known = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != generation {
            *known = (generation, names_of(&self.0.hub));
        }
        Arc::clone(&known.1)
    }

    /// Somebody asks: begins the connections of theirs that are not there, and keeps the others.
    pub(super) fn visit(&self, view: &View, shown: Option<&Arc<Shown>>) {
        for name in self.names().iter().filter(|name| view.sees(name)) {
            let Some(server) = self.0.hub.server(name) else { continue };
            if let Err(error) = self.of(server, &view.principal, shown) {
                tracing::debug!(%error, "a server is not there for this caller");
            }
        }
    }

    /// Whether somebody has connections of their own.
    pub(super) fn has_any(&self, view: &View) -> bool {
        self.open().keys().any(|key| *key.caller == *view.principal.id())
    }

    /// Waits until none of somebody's own connections is starting any more, and their lists are
    /// known.
    pub(super) async fn ready(&self, view: &View) {
        let servers = self.servers(view);
        let own = servers.iter().filter(|server| server.hub().options().on_behalf_of.is_some());
        join_all(own.map(|server| server.hub().listed())).await;
    }

    /// Hears for whom something is another now.
    pub(super) fn changes(&self) -> broadcast::Receiver<Arc<str>> {
        self.0.changes.subscribe()
    }

    /// How many callers a server is connected for.
    pub(super) fn count(&self, server: &str) -> usize {
        self.open().keys().filter(|key| key.server == server).count()
    }

    /// Ends what belongs to principals that are not known any more, and begins nothing for them
    /// from now on.
    pub(super) fn keep(&self, is_known: impl Fn(&Principal) -> bool + Send + Sync + 'static) {
        *self.0.known.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(is_known);
        // What was begun by the word of before is there by now.
        self.end_all(|_, open| !self.knows(&open.principal));
    }

    fn knows(&self, principal: &Principal) -> bool {
        let known = Arc::clone(&self.0.known.lock().unwrap_or_else(PoisonError::into_inner));
        known(principal)
    }

    /// Ends what nobody has used for long or may use any more, and what belongs to an entry that is
    /// another now.
    pub(super) async fn follow(self) {
        let mut events = self.0.hub.events();
        let mut looks = interval((self.0.idle / 4).clamp(LOOK, RARE_LOOK));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    // It was switched off, or begun anew.
                    Ok(HubEvent { server, change: HubChange::State(..), .. }) => {
                        self.end_all(|key, _| key.server == server);
                    }
                    Ok(HubEvent { change: HubChange::Added | HubChange::Removed, .. })
                    | Err(RecvError::Lagged(_)) => {
                        let now = |name: &str| Some(self.0.hub.server(name)?.identity().entry);
                        self.end_all(|key, open| now(&key.server) != Some(open.entry));
                    }
                    Ok(_) => {}
                    Err(RecvError::Closed) => return,
                },
                _ = looks.tick() => {
                    let idle = self.0.idle;
                    self.end_all(|_, open| {
                        let is_over = open.used.elapsed() >= idle || open.token_has_ended();
                        is_over && !open.hub.is_shared()
                    });
                }
            }
        }
    }

    fn end_all(&self, is_over: impl Fn(&Key, &Open) -> bool) {
        let ended: Vec<_> = self.open().extract_if(|key, open| is_over(key, open)).collect();
        self.end(ended.into_iter().map(|(_, open)| open));
    }

    /// Ends connections in order, side by side and without waiting for it.
    fn end(&self, ended: impl IntoIterator<Item = Open>) {
        let mut ending = self.0.ending.lock().unwrap_or_else(PoisonError::into_inner);
        while ending.try_join_next().is_some() {}
        for Open { hub, principal, .. } in ended {
            let changes = self.0.changes.clone();
            ending.spawn(async move {
                hub.close().await;
                let _ = changes.send(principal.id().into());
            });
        }
    }

    /// Ends all of them, and waits for it.
    pub(super) async fn close(&self) {
        self.end_all(|_, _| true);
        let ending =
            std::mem::take(&mut *self.0.ending.lock().unwrap_or_else(PoisonError::into_inner));
        ending.join_all().await;
    }
}

fn names_of(hub: &Hub) -> Arc<[String]> {
    let all = hub.servers().into_iter();
    let own =
        all.filter(|server| server.config().as_deref().is_some_and(ServerConfig::is_per_caller));
    own.map(|server| server.name().to_owned()).collect()
}

/// Whether each caller has a connection of their own, unless it is switched off for all.
fn is_own(server: &Server) -> bool {
    server.config().as_deref().is_some_and(ServerConfig::is_per_caller)
        && server.hub().options().on_behalf_of.is_none()
        && server.state() == StateKind::PerCaller
}

/// Whether a token may be shown to the authorization server that a server's entry names.
fn may_be_exchanged(server: &Server, shown: &Shown) -> bool {
    let config = server.config();
    let oauth = config.as_ref().and_then(|config| config.oauth.as_ref());
    match oauth.and_then(|oauth| oauth.exchange.as_ref()) {
        Some(exchange) => match &exchange.issuer {
            Some(issuer) => *issuer == shown.issuer,
            None => shown.is_of_the_only_issuer,
        },
        None => false,
    }
}

impl fmt::Debug for OwnServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnServers").field("open", &self.open().len()).finish_non_exhaustive()
    }
}
