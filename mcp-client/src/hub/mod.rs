//! Many servers side by side: each starts on its own, and one that fails stops no other.

mod alerts;
mod backoff;
mod balance;
mod catalog;
mod follow;
mod health;
mod metrics;
mod options;
mod refusal;
mod reload;
mod replicas;
mod server;
mod server_watch;
mod slot;
mod state;
mod supervisor;
mod webhook;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    sync::{Semaphore, broadcast, watch},
    task::JoinSet,
};

pub use self::{
    alerts::{Alert, AlertCondition, AlertRule, Alerts},
    backoff::Backoff,
    balance::{Balance, Ejection},
    catalog::{Availability, Catalog, CatalogList, CatalogLists},
    health::{Health, LATENCY_BOUNDS_MS, ToolUsage},
    metrics::prometheus_text,
    options::HubOptions,
    refusal::Refusal,
    reload::Reloaded,
    replicas::{ReplicaStatus, Replicas},
    server::{Server, ServerError},
    server_watch::ServerWatch,
    state::{HubChange, HubEvent, ServerState, ServerStatus, StateKind},
    webhook::{Webhook, WebhookError},
};
use self::{
    slot::{Board, Slot},
    supervisor::Supervisor,
};
use crate::{
    Client,
    config::{Problem, ServerConfig, TransportConfig},
    oauth::{ClientCredentialsGrant, OAuth},
};

/// How many events a listener may be behind.
const EVENTS: usize = 256;

/// Several servers, each with a state of its own. Servers that go down are started again in the
/// background. Cloning gives another handle to the same servers; the last one dropped ends them.
///
/// ```no_run
/// use std::path::Path;
///
/// use mcp_client::{Hub, HubOptions, config};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let file = config::read_file(Path::new("servers.json"), &|name| std::env::var(name).ok())?;
/// let hub = Hub::start(file.servers, &HubOptions::default());
/// hub.ready().await;
/// for server in hub.status() {
///     println!("{}: {}", server.name, server.state.kind());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Hub(Arc<Shared>);

struct Shared {
    slots: Mutex<Vec<Arc<Slot>>>,
    board: Arc<Board>,
    permits: Arc<Semaphore>,
    options: HubOptions,
}

impl Drop for Shared {
    fn drop(&mut self) {
        for slot in self.slots.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            slot.abandon();
        }
    }
}

/// What [`Hub::apply`] did, by server name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// New ones.
    pub added: Vec<String>,
    /// Those whose configuration is another now; they were started anew.
    pub replaced: Vec<String>,
    /// Those that are gone.
    pub removed: Vec<String>,
    /// Those that were not disturbed.
    pub kept: Vec<String>,
}

impl Hub {
    /// Starts the servers and returns at once; [`ready`](Self::ready) waits for them.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(servers: Vec<ServerConfig>, options: &HubOptions) -> Self {
        let hub = Self(Arc::new(Shared {
            slots: Mutex::default(),
            board: Arc::new(Board {
                changes: watch::Sender::new(0),
                events: broadcast::Sender::new(EVENTS),
                lists: watch::Sender::new(options.catalogs),
                offered: AtomicU64::default(),
            }),
            permits: Arc::new(Semaphore::new(options.parallel_starts.max(1))),
            options: options.clone(),
        }));
        for server in servers {
            hub.add(server);
        }
        hub
    }

    /// Adds a server and begins to start it. A second one of the same name is not started; its
    /// status says so.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn add(&self, server: ServerConfig) {
        let slot = self.slot_for(server);
        self.enter(slot);
    }

    fn enter(&self, slot: Arc<Slot>) {
        let name = slot.name().to_owned();
        self.lock().push(slot);
        self.0.board.offers_anew();
        self.0.board.tell(&name, HubChange::Added);
    }

    fn slot_for(&self, server: ServerConfig) -> Arc<Slot> {
        let options = &self.0.options;
        let board = &self.0.board;
        let unusable = |server, endpoint, reason: String| {
            let state = ServerState::NotConfigured(reason);
            Arc::new(Slot::new(server, endpoint, state, board, false))
        };
        let authorization = match &server.transport {
            TransportConfig::Http { headers, .. } | TransportConfig::Sse { headers, .. }
                if !headers.keys().any(|name| name.eq_ignore_ascii_case("authorization")) =>
            {
                let made = options.authorization.as_ref().and_then(|make| make(&server));
                match &server.oauth {
                    Some(config) if config.token_url.is_some() => {
                        Some(OAuth::with(ClientCredentialsGrant).configured(config))
                    }
                    Some(config) => made.map(|oauth| oauth.configured(config)),
                    None => made,
                }
            }
            _ => None,
        };
        let recipe = match server.recipe(options.shutdown_grace, authorization) {
            Ok(recipe) => recipe,
            Err(error) => return unusable(server, String::new(), error.to_string()),
        };
        let endpoint = recipe.endpoint();
        if let Some(refusal) = Refusal::of(&server, options.allowed.as_ref()) {
            let state = ServerState::Refused(refusal);
            return Arc::new(Slot::new(server, endpoint, state, board, false));
        }
        if self.lock().iter().any(|slot| slot.name() == server.name) {
            let reason = format!("the name `{}` is used twice; rename one", server.name);
            return unusable(server, endpoint, reason);
        }
        let run = server.enabled && !options.lazy;
        let state = match (server.enabled, run) {
            (false, _) => ServerState::Disabled,
            (true, false) => ServerState::Stopped,
            (true, true) => ServerState::Starting,
        };
        let mut client = options.client.clone();
        client.era = server.era;
        client.connect_timeout = server.startup_timeout.unwrap_or(options.startup_timeout);
        if server.call_timeout.is_some() {
            client.call_timeout = server.call_timeout;
        }
        let slot = Arc::new(Slot::new(server, endpoint, state, board, run));
        let supervisor = Supervisor {
            slot: Arc::clone(&slot),
            recipe,
            client,
            restart: options.restart,
            keep_alive: options.keep_alive,
            permits: Arc::clone(&self.0.permits),
        };
        #[expect(clippy::disallowed_methods, reason = "aborted with its slot")]
        let task = tokio::spawn(supervisor.run());
        slot.supervised_by(task.abort_handle());
        slot
    }

    /// Adds entries that a configuration file has but cannot be used, so that status shows them.
    pub fn report_problems(&self, problems: Vec<Problem>) {
        for Problem { server, origin, reason, .. } in problems {
            self.enter(Arc::new(Slot::unusable(server, origin, reason, &self.0.board)));
        }
    }

    /// Says which tools of a server are others than somebody agreed to; none when all are as they
    /// should be. Status shows them, and [`AlertCondition::Drift`] is met for as long as there are
    /// any. `Pinned` of `mcp-agent` says so by itself. Returns whether there is such a server.
    pub fn report_drift(&self, name: &str, tools: Vec<String>) -> bool {
        let slot = self.find(name);
        if let Some(slot) = &slot {
            slot.drifted(tools);
        }
        slot.is_some()
    }

    /// Ends a server and forgets it. Its calls in flight fail. Returns whether there was one.
    pub async fn remove(&self, name: &str) -> bool {
        let Some(slot) = self.take(name) else { return false };
        end(&slot).await;
        self.0.board.tell(name, HubChange::Removed);
        true
    }

    fn take(&self, name: &str) -> Option<Arc<Slot>> {
        let mut slots = self.lock();
        let place = slots.iter().position(|slot| slot.name() == name)?;
        let slot = slots.remove(place);
        drop(slots);
        slot.gone();
        self.0.board.offers_anew();
        Some(slot)
    }

    /// Makes the servers those of a configuration: starts new ones, ends those that are gone, and
    /// starts anew those whose entry is another now. The others are not disturbed.
    pub async fn apply(&self, servers: Vec<ServerConfig>) -> Applied {
        let mut applied = Applied::default();
        let mut ending = JoinSet::new();
        let gone: Vec<_> = self
            .lock()
            .iter()
            .map(|slot| slot.name().to_owned())
            .filter(|name| !servers.iter().any(|server| server.name == *name))
            .collect();
        for name in gone {
            if let Some(slot) = self.take(&name) {
                ending.spawn(async move { end(&slot).await });
                self.0.board.tell(&name, HubChange::Removed);
            }
            applied.removed.push(name);
        }
        for server in servers {
            let name = server.name.clone();
            let known = self.lock().iter().find(|slot| slot.name() == name).cloned();
            match known {
                Some(slot)
                    if slot.config.as_ref().is_some_and(|now| now.means_the_same(&server)) =>
                {
                    applied.kept.push(name);
                }
                Some(slot) => {
                    self.take(&name);
                    let next = self.slot_for(server);
                    // What it offered is known until it says what it offers now.
                    next.inherit(&slot);
                    ending.spawn(async move { end(&slot).await });
                    self.enter(next);
                    applied.replaced.push(name);
                }
                None => {
                    self.add(server);
                    applied.added.push(name);
                }
            }
        }
        ending.join_all().await;
        applied
    }

    /// Starts a server that is switched off or was stopped, or switches it off: then it is ended,
    /// and no use starts it. Returns whether there is one of this name.
    pub fn enable(&self, name: &str, enabled: bool) -> bool {
        let slot = self.find(name);
        if let Some(slot) = &slot {
            slot.switch(enabled);
        }
        slot.is_some()
    }

    /// Starts a server anew, whatever it is doing; a wait for the next try is cut short. Returns
    /// whether there is one of this name.
    pub fn restart(&self, name: &str) -> bool {
        let slot = self.find(name);
        if let Some(slot) = &slot {
            slot.begin_anew();
        }
        slot.is_some()
    }

    fn find(&self, name: &str) -> Option<Arc<Slot>> {
        self.lock().iter().find(|slot| slot.name() == name).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Slot>>> {
        self.0.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no server is starting any more.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing; the starts go on.
    pub async fn ready(&self) {
        let mut changes = self.0.board.changes.subscribe();
        let starting =
            || self.lock().iter().any(|slot| matches!(slot.state(), ServerState::Starting));
        while starting() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Asks the servers for these lists too from now on, and keeps them up to date; see
    /// [`HubOptions::catalogs`].
    pub fn keep_catalogs(&self, lists: CatalogLists) {
        self.0.board.lists.send_if_modified(|wanted| {
            let all = wanted.and(lists);
            let changed = *wanted != all;
            *wanted = all;
            changed
        });
    }

    /// Waits until no server is starting any more, and those that are up were asked for the lists
    /// that are kept.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn listed(&self) {
        let mut changes = self.0.board.changes.subscribe();
        while self.lock().iter().any(|slot| slot.is_getting_ready()) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Grows with every change of what the servers offer together, as far as it is kept: a quick
    /// way to see that nothing has changed.
    pub fn catalog_generation(&self) -> u64 {
        self.0.board.offered.load(Ordering::Acquire)
    }

    /// Waits for the next change of any server's state; `seen` from the last call, at first 0.
    pub async fn changed_since(&self, seen: u64) -> u64 {
        let mut changes = self.0.board.changes.subscribe();
        match changes.wait_for(|count| *count != seen).await {
            Ok(count) => *count,
            Err(_) => seen,
        }
    }

    /// What happens from now on. A listener that falls behind by more than 256 events is told how
    /// many it missed.
    pub fn events(&self) -> broadcast::Receiver<HubEvent> {
        self.0.board.events.subscribe()
    }

    /// All servers, in the order in which they were given.
    pub fn status(&self) -> Vec<ServerStatus> {
        self.lock().iter().map(|slot| slot.status()).collect()
    }

    /// A server, across all its restarts.
    pub fn server(&self, name: &str) -> Option<Server> {
        self.find(name).map(|slot| Server::new(self.clone(), slot))
    }

    /// All servers, in the order in which they were given.
    pub fn servers(&self) -> Vec<Server> {
        let slots = self.lock().clone();
        slots.into_iter().map(|slot| Server::new(self.clone(), slot)).collect()
    }

    /// The client of a server that is connected now.
    pub fn client(&self, name: &str) -> Option<Client> {
        self.find(name).and_then(|slot| slot.state().client().cloned())
    }

    /// The clients of all servers that are connected now, in the order in which they were given.
    pub fn clients(&self) -> Vec<(String, Client)> {
        self.lock()
            .iter()
            .filter_map(|slot| Some((slot.name().to_owned(), slot.state().client()?.clone())))
            .collect()
    }

    /// Asks all servers the same, side by side. A server that fails disturbs no other.
    pub async fn for_each<T, F, Fut>(&self, call: F) -> Vec<(String, Result<T, ServerError>)>
    where
        F: Fn(Client) -> Fut,
        Fut: Future<Output = Result<T, crate::CallError>>,
    {
        let servers = self.servers();
        let calls =
            servers.iter().map(async |server| (server.name().to_owned(), server.call(&call).await));
        futures_util::future::join_all(calls).await
    }

    /// Ends all servers side by side, in order and within the bounds of their transports.
    pub async fn close(&self) {
        let slots = self.lock().clone();
        let ending: JoinSet<()> =
            slots.into_iter().map(|slot| async move { end(&slot).await }).collect();
        ending.join_all().await;
    }
}

/// Ends a server in order. Its supervisor goes first, so that it does not take the end for a fault.
async fn end(slot: &Slot) {
    let client = slot.state().client().cloned();
    slot.abandon();
    if let Some(client) = client {
        client.close().await;
    }
    slot.resting(ServerState::Stopped);
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lock().iter().map(|slot| slot.name())).finish()
    }
}
