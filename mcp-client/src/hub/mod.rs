//! Many servers side by side: each starts on its own, and one that fails stops no other.

mod alerts;
mod backoff;
mod balance;
mod board;
mod catalog;
mod configured;
mod durations;
mod enrol;
mod fingerprint;
mod follow;
mod group;
mod health;
mod identity;
mod member;
mod metrics;
mod on_behalf;
mod options;
mod refusal;
mod reload;
mod replicas;
mod server;
mod server_watch;
mod slot;
mod slot_calls;
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

use futures_util::future::join_all;
use tokio::{
    sync::{Semaphore, broadcast, watch},
    task::JoinSet,
};

pub use self::{
    alerts::{Alert, AlertCondition, AlertRule, Alerts},
    backoff::Backoff,
    balance::{Affinity, Balance, Ejection, ReplicaRules},
    catalog::{Availability, Catalog, CatalogList, CatalogLists},
    durations::Durations,
    health::{Health, LATENCY_BOUNDS_MS, ToolUsage},
    identity::Identity,
    metrics::prometheus_text,
    on_behalf::{CallerLogin, OnBehalfOf},
    options::HubOptions,
    refusal::Refusal,
    reload::Reloaded,
    replicas::{ReplicaStatus, ReplicaTurn, Replicas},
    server::{Server, ServerError},
    server_watch::ServerWatch,
    state::{HubChange, HubEvent, ServerState, ServerStatus, StateKind},
    webhook::{Webhook, WebhookError},
};
use self::{board::Board, member::Member, slot::Slot};
use crate::{
    Client,
    config::{Problem, ServerConfig},
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
    members: Mutex<Vec<Member>>,
    /// Held from the look whether a name is new until its server is there.
    entering: Mutex<()>,
    board: Arc<Board>,
    permits: Arc<Semaphore>,
    options: HubOptions,
}

impl Drop for Shared {
    fn drop(&mut self) {
        let members = self.members.get_mut().unwrap_or_else(PoisonError::into_inner);
        for slot in members.iter().flat_map(Member::slots) {
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
    /// Those that were not disturbed, be it that which of their calls are approved, or whether they
    /// are required, is said in another way now.
    pub kept: Vec<String>,
}

impl Hub {
    /// Starts the servers and returns at once; [`ready`](Self::ready) waits for them.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(servers: Vec<ServerConfig>, options: &HubOptions) -> Self {
        let hub = Self(Arc::new(Shared {
            members: Mutex::default(),
            entering: Mutex::default(),
            board: Arc::new(Board {
                changes: watch::Sender::new(0),
                events: broadcast::Sender::new(EVENTS),
                lists: watch::Sender::new(options.catalogs),
                offered: AtomicU64::default(),
                entries: AtomicU64::default(),
                patience: options.await_restart,
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
        let _entering = self.entering();
        let member = self.member_for(server);
        self.enter(member);
    }

    /// As [`add`](Self::add), unless there is a server of this name. Returns whether there was none.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn add_new(&self, server: ServerConfig) -> bool {
        let _entering = self.entering();
        if self.find(&server.name).is_some() {
            return false;
        }
        let member = self.member_for(server);
        self.enter(member);
        true
    }

    fn entering(&self) -> MutexGuard<'_, ()> {
        self.0.entering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, member: Member) {
        let name = member.name().to_owned();
        self.lock().push(member);
        self.0.board.offers_anew();
        self.0.board.tell(&name, HubChange::Added);
    }

    /// Adds entries that a configuration file has but cannot be used, so that status shows them.
    pub fn report_problems(&self, problems: Vec<Problem>) {
        for Problem { server, origin, reason, .. } in problems {
            let slot = Arc::new(Slot::unusable(server, origin, reason, &self.0.board));
            self.enter(Member::One(slot));
        }
    }

    /// Says which tools of a server are others than somebody agreed to; none when all are as they
    /// should be. Status shows them, and [`AlertCondition::Drift`] is met for as long as there are
    /// any. `Pinned` of `mcp-agent` says so by itself. Returns whether there is such a server.
    pub fn report_drift(&self, name: &str, tools: Vec<String>) -> bool {
        let found = self.find(name);
        if let Some(slot) = found.as_ref().and_then(|member| member.slots().first()) {
            slot.drifted(tools);
        }
        found.is_some()
    }

    /// Ends a server and forgets it. Its calls in flight fail. Returns whether there was one.
    pub async fn remove(&self, name: &str) -> bool {
        let Some(member) = self.take(name) else { return false };
        end(&member).await;
        self.0.board.tell(name, HubChange::Removed);
        true
    }

    fn take(&self, name: &str) -> Option<Member> {
        let mut members = self.lock();
        let place = members.iter().position(|member| member.name() == name)?;
        let member = members.remove(place);
        drop(members);
        member.gone();
        self.0.board.offers_anew();
        Some(member)
    }

    /// Makes the servers those of a configuration: starts new ones, ends those that are gone, and
    /// starts anew those whose entry is another now. The others are not disturbed.
    pub async fn apply(&self, servers: Vec<ServerConfig>) -> Applied {
        self.settle(servers, |_| false).await
    }

    /// [`apply`](Self::apply), but for some that no configuration names.
    async fn settle(&self, servers: Vec<ServerConfig>, stays: impl Fn(&Member) -> bool) -> Applied {
        let mut applied = Applied::default();
        let mut ending = JoinSet::new();
        let gone: Vec<_> = self
            .lock()
            .iter()
            .filter(|member| !stays(member))
            .map(|member| member.name().to_owned())
            .filter(|name| !servers.iter().any(|server| server.name == *name))
            .collect();
        for name in gone {
            if let Some(member) = self.take(&name) {
                ending.spawn(async move { end(&member).await });
                self.0.board.tell(&name, HubChange::Removed);
            }
            applied.removed.push(name);
        }
        for server in servers {
            let name = server.name.clone();
            let known = self.lock().iter().find(|member| member.name() == name).cloned();
            match known {
                Some(member) if member.config().is_some_and(|now| now.means_the_same(&server)) => {
                    applied.kept.push(name);
                }
                Some(member) if member.config().is_some_and(|now| now.runs_the_same(&server)) => {
                    member.take_rules(&server);
                    // Whoever keeps to these rules reads them anew.
                    self.0.board.changed();
                    applied.kept.push(name);
                }
                Some(member) => {
                    let _entering = self.entering();
                    self.take(&name);
                    let next = self.member_for(server);
                    // What it offered is known until it says what it offers now.
                    next.inherit(&member);
                    ending.spawn(async move { end(&member).await });
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
    /// and no use starts it. Also one replica, such as `search#2`. Returns whether there is one of
    /// this name.
    pub fn enable(&self, name: &str, enabled: bool) -> bool {
        let found = self.find(name);
        found.iter().flat_map(Member::slots).for_each(|slot| slot.switch(enabled));
        found.is_some()
    }

    /// Starts a server anew, whatever it is doing; a wait for the next try is cut short. Returns
    /// whether there is one of this name.
    pub fn restart(&self, name: &str) -> bool {
        let found = self.find(name);
        found.iter().flat_map(Member::slots).for_each(|slot| slot.begin_anew());
        found.is_some()
    }

    /// The server of this name, or the one replica.
    fn find(&self, name: &str) -> Option<Member> {
        let members = self.lock();
        let server = members.iter().find(|member| member.name() == name).cloned();
        server.or_else(|| members.iter().find_map(|one| one.slot(name)).cloned().map(Member::One))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Member>> {
        self.0.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn members(&self) -> Vec<Member> {
        self.lock().clone()
    }

    /// Waits until no server is starting any more.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing; the starts go on.
    pub async fn ready(&self) {
        let mut changes = self.0.board.changes.subscribe();
        let is_starting = |slot: &Slot| slot.kind() == StateKind::Starting;
        while self.members().iter().any(|member| member.any(is_starting)) {
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
        while self.members().iter().any(|member| member.any(Slot::is_getting_ready)) {
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
        self.members().iter().map(Member::status).collect()
    }

    /// A server, across all its restarts; also one replica, such as `search#2`.
    pub fn server(&self, name: &str) -> Option<Server> {
        self.find(name).map(|member| Server::new(self.clone(), member))
    }

    /// All servers, in the order in which they were given.
    pub fn servers(&self) -> Vec<Server> {
        self.members().into_iter().map(|member| Server::new(self.clone(), member)).collect()
    }

    /// The client of a server that is connected now.
    pub fn client(&self, name: &str) -> Option<Client> {
        self.find(name).and_then(|member| member.client())
    }

    /// The clients of all servers that are connected now, in the order in which they were given.
    pub fn clients(&self) -> Vec<(String, Client)> {
        let members = self.members();
        members.iter().filter_map(|one| Some((one.name().to_owned(), one.client()?))).collect()
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
        join_all(calls).await
    }

    /// How its servers are started and kept.
    pub fn options(&self) -> &HubOptions {
        &self.0.options
    }

    /// Whether there are other handles to the same servers, so that somebody may be using them.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Ends all servers side by side, in order and within the bounds of their transports.
    pub async fn close(&self) {
        let members = self.members().into_iter();
        let ending: JoinSet<()> = members.map(|member| async move { end(&member).await }).collect();
        ending.join_all().await;
    }
}

/// Ends a server in order, all its replicas side by side. The supervisor goes first, so that it does
/// not take the end for a fault.
async fn end(member: &Member) {
    // Whoever waits for it is told, since it starts no more.
    member.gone();
    let ending = member.slots().iter().map(|slot| async move {
        let client = slot.client();
        slot.abandon();
        if let Some(client) = client {
            client.close().await;
        }
        slot.resting(ServerState::Stopped);
    });
    join_all(ending).await;
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lock().iter().map(Member::name)).finish()
    }
}
