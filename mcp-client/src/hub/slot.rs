//! One server of a hub: what is known of it, and what is wished of it.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, task::AbortHandle, time::Instant};

use super::{
    Catalog, CatalogLists, Health, HubChange, ServerState, ServerStatus, StateKind,
    board::{Board, Wish},
    catalog::{Answers, KnownLists},
    configured::Configured,
    identity::{Identity, Shown},
};
use crate::{
    Client, ConnectFailure,
    config::{Origin, ServerConfig},
};

/// Of what use a server is for a call now, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Condition {
    Ready,
    /// Its last sign of life did not come.
    Degraded,
    /// Whoever calls waits for it.
    Coming,
    Out,
}

pub(super) struct Slot {
    /// That of a replica is not the one of its configuration.
    name: String,
    /// Which of the entries that had the name.
    entry: u64,
    origin: Option<Origin>,
    /// Nothing for an entry of a file that cannot be used.
    pub(super) config: Configured,
    pub(super) endpoint: String,
    pub(super) board: Arc<Board>,
    pub(super) wish: watch::Sender<Wish>,
    /// Whether nobody shall start it.
    off: AtomicBool,
    /// Whether there is nothing to start, since each caller has a connection of their own.
    is_per_caller: bool,
    known: Mutex<Known>,
    task: Mutex<Option<AbortHandle>>,
}

/// What is known of a server.
struct Known {
    state: ServerState,
    took: Duration,
    retry_at: Option<Instant>,
    failures: u32,
    starts: u32,
    health: Health,
    lists: KnownLists,
    /// The tools that are others than were agreed to.
    drift: Vec<String>,
    /// The lists that the server was asked for since it is connected.
    asked: CatalogLists,
    /// Whether it is in the hub no more.
    is_gone: bool,
    /// The credentials that were shown last, and how often they were others.
    shown: Option<Shown>,
    accounts: u64,
}

impl Slot {
    pub(super) fn new(
        name: String,
        config: ServerConfig,
        endpoint: String,
        state: ServerState,
        board: &Arc<Board>,
        run: bool,
    ) -> Self {
        let origin = config.origin.clone();
        Self::with(name, origin, Some(config), endpoint, state, board, run)
    }

    /// An entry of a file that cannot be used.
    pub(super) fn unusable(
        name: String,
        origin: Origin,
        reason: String,
        board: &Arc<Board>,
    ) -> Self {
        let state = ServerState::NotConfigured(reason);
        Self::with(name, Some(origin), None, String::new(), state, board, false)
    }

    fn with(
        name: String,
        origin: Option<Origin>,
        config: Option<ServerConfig>,
        endpoint: String,
        state: ServerState,
        board: &Arc<Board>,
        run: bool,
    ) -> Self {
        let off = config.as_ref().is_some_and(|config| !config.enabled);
        Self {
            name,
            entry: board.entries.fetch_add(1, Ordering::Relaxed) + 1,
            origin,
            config: Configured::new(config),
            endpoint,
            board: Arc::clone(board),
            wish: watch::Sender::new(Wish { run, turn: 0 }),
            off: AtomicBool::new(off),
            is_per_caller: false,
            known: Mutex::new(Known {
                state,
                took: Duration::ZERO,
                retry_at: None,
                failures: 0,
                starts: 0,
                health: Health::default(),
                lists: KnownLists::default(),
                drift: Vec::new(),
                asked: CatalogLists::default(),
                is_gone: false,
                shown: None,
                accounts: 0,
            }),
            task: Mutex::default(),
        }
    }

    /// There is nothing to start.
    pub(super) fn per_caller(mut self) -> Self {
        self.is_per_caller = true;
        self
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> ServerState {
        self.known().state.clone()
    }

    pub(super) fn kind(&self) -> StateKind {
        self.known().state.kind()
    }

    /// The connection of now.
    pub(super) fn client(&self) -> Option<Client> {
        self.known().state.client().cloned()
    }

    pub(super) fn condition(&self) -> Condition {
        let known = self.known();
        match known.state {
            ServerState::Ready(_) => Condition::Ready,
            ServerState::Degraded(..) => Condition::Degraded,
            ServerState::Starting | ServerState::Stopped => Condition::Coming,
            ServerState::Down(_) if known.retry_at.is_some() && self.board.patience.is_some() => {
                Condition::Coming
            }
            _ => Condition::Out,
        }
    }

    /// Who stands behind the name.
    pub(super) fn identity(&self) -> Identity {
        let mut known = self.known();
        // One that is down keeps what it was.
        if let Some(now) = known.state.client().map(Shown::by)
            && known.shown != Some(now)
        {
            // Whoever waits for the first start is told by the first account.
            known.accounts += u64::from(known.shown.is_some());
            known.shown = Some(now);
        }
        Identity { entry: self.entry, account: known.accounts }
    }

    /// When it is started again.
    pub(super) fn retry_in(&self) -> Option<Duration> {
        let retry_at = self.known().retry_at;
        retry_at.map(|at| at.saturating_duration_since(Instant::now()))
    }

    pub(super) fn status(&self) -> ServerStatus {
        let known = self.known();
        ServerStatus {
            name: self.name.clone(),
            endpoint: self.endpoint.clone(),
            origin: self.origin.clone(),
            state: known.state.clone(),
            took: known.took,
            retry_at: known.retry_at,
            failures: known.failures,
            restarts: known.starts.saturating_sub(1),
            health: known.health.clone(),
            replicas: Vec::new(),
            drift: known.drift.clone(),
        }
    }

    /// Says which of its tools are others than were agreed to. Only a change is told.
    pub(super) fn drifted(&self, tools: Vec<String>) {
        let changed = {
            let mut known = self.known();
            let changed = known.drift != tools;
            known.drift.clone_from(&tools);
            changed
        };
        if changed {
            self.tell(HubChange::Drift(tools));
        }
    }

    /// Counts what calls were like.
    pub(super) fn count(&self, count: impl FnOnce(&mut Health)) {
        count(&mut self.known().health);
    }

    /// When the last answer came.
    pub(super) fn last_good(&self) -> Option<Instant> {
        self.known().health.last_good
    }

    pub(super) fn starting(&self) {
        self.change(None, |known| {
            known.state = ServerState::Starting;
            known.retry_at = None;
        });
    }

    pub(super) fn ready(&self, client: Client, took: Duration) {
        self.change(None, |known| {
            // The handshake is an answer too.
            known.health.last_good = Some(Instant::now());
            known.state = ServerState::Ready(client);
            known.asked = CatalogLists::default();
            known.took = took;
            known.starts += 1;
        });
    }

    /// Says whether the last sign of life came. Only a change is told.
    pub(super) fn alive(&self, client: &Client, trouble: Option<Arc<str>>) {
        let degraded = matches!(self.known().state, ServerState::Degraded(..));
        if degraded == trouble.is_some() {
            return;
        }
        let reason = trouble.as_deref().map(str::to_owned);
        self.change(reason, |known| {
            known.state = match trouble {
                Some(reason) => ServerState::Degraded(client.clone(), reason),
                None => ServerState::Ready(client.clone()),
            };
        });
    }

    /// Says why it is not up, and when it is started again.
    pub(super) fn down(
        &self,
        failure: ConnectFailure,
        took: Duration,
        failures: u32,
        retry_at: Option<Instant>,
    ) {
        let reason = chain(&failure);
        tracing::warn!(server = %self.name(), %reason, "server is down");
        let failure = Arc::new(failure);
        self.change(Some(reason), |known| {
            known.state = if failure.wants_authorization() {
                known.health.refused();
                ServerState::NeedsAuth(failure)
            } else {
                ServerState::Down(failure)
            };
            known.took = took;
            known.failures = failures;
            known.retry_at = retry_at;
        });
    }

    pub(super) fn is_up_again(&self) {
        self.known().failures = 0;
    }

    pub(super) fn failures(&self) -> u32 {
        self.known().failures
    }

    pub(super) fn resting(&self, state: ServerState) {
        self.change(None, |known| {
            known.state = state;
            known.retry_at = None;
        });
    }

    fn change(&self, reason: Option<String>, change: impl FnOnce(&mut Known)) {
        let kind = {
            let mut known = self.known();
            change(&mut known);
            known.state.kind()
        };
        self.board.tell(self.name(), HubChange::State(kind, reason));
    }

    /// What it offers, as far as is known.
    pub(super) fn catalog(&self) -> Catalog {
        let known = self.known();
        known.lists.catalog(&known.state)
    }

    /// Whether the connection of now is not the first one.
    pub(super) fn was_up_before(&self) -> bool {
        self.known().starts > 1
    }

    /// Takes in what the server says that it offers.
    pub(super) fn take_lists(&self, asked: CatalogLists, answers: Answers) {
        let changed = {
            let mut known = self.known();
            known.asked = known.asked.and(asked);
            known.lists.take(answers).then_some(known.lists.generation)
        };
        match changed {
            Some(generation) => {
                self.board.offers_anew();
                self.tell(HubChange::Catalog(generation));
            }
            // Somebody may wait for the lists to be known.
            None => self.board.changed(),
        }
    }

    /// Takes over what another server of this name offered.
    pub(super) fn inherit(&self, other: &Self) {
        let lists = other.known().lists.clone();
        self.known().lists = lists;
    }

    /// Whether it is starting, or is connected and its lists are not known yet.
    pub(super) fn is_getting_ready(&self) -> bool {
        let known = self.known();
        match known.state {
            ServerState::Starting => true,
            ServerState::Ready(_) | ServerState::Degraded(..) => {
                let wanted = *self.board.lists.borrow();
                known.asked.and(wanted) != known.asked
            }
            _ => false,
        }
    }

    /// Tells what concerns the server as people know it, whichever replica this is.
    pub(super) fn tell(&self, change: HubChange) {
        let config = self.config.now();
        let known_as = config.as_ref().map_or(self.name(), |config| &config.name);
        self.board.tell(known_as, change);
    }

    /// Whether it is in the hub no more.
    pub(super) fn is_gone(&self) -> bool {
        self.known().is_gone
    }

    pub(super) fn gone(&self) {
        self.known().is_gone = true;
    }

    fn run(&self, run: bool) {
        self.wish.send_if_modified(|wish| std::mem::replace(&mut wish.run, run) != run);
    }

    /// Wishes that it runs, or that nobody starts it.
    pub(super) fn switch(&self, on: bool) {
        self.off.store(!on, Ordering::Release);
        if self.is_per_caller {
            let state = if on { ServerState::PerCaller } else { ServerState::Disabled };
            return self.resting(state);
        }
        self.run(on);
        // One that waits for its first use waits no more; the others are ended by the supervisor.
        if !on && self.state().kind() == StateKind::Stopped {
            self.resting(ServerState::Disabled);
        }
    }

    /// Whether nobody shall start it.
    pub(super) fn is_off(&self) -> bool {
        self.off.load(Ordering::Acquire)
    }

    /// Wishes that it runs, unless nobody shall start it.
    pub(super) fn wake(&self) {
        self.wish.send_if_modified(|wish| {
            let wakes = !wish.run && !self.is_off();
            wish.run |= wakes;
            wakes
        });
    }

    /// Wishes that it begins anew, even if it is switched off.
    pub(super) fn begin_anew(&self) {
        self.off.store(false, Ordering::Release);
        if self.is_per_caller {
            return self.resting(ServerState::PerCaller);
        }
        {
            // At once, so that who calls now waits for it. The supervisor tells of it.
            let mut known = self.known();
            if matches!(known.state, ServerState::NeedsAuth(_) | ServerState::Down(_)) {
                known.state = ServerState::Starting;
                known.retry_at = None;
            }
        }
        self.wish.send_modify(|wish| {
            wish.run = true;
            wish.turn += 1;
        });
    }

    /// Wishes that it begins anew if this client is still the one in use; so many callers that
    /// met the same fault cause one recovery.
    pub(super) fn replace(&self, client: &Client) {
        let in_use = self.known().state.client().is_some_and(|current| current.is_same(client));
        if in_use {
            // One that is being ended is not to come back.
            self.wish.send_if_modified(|wish| {
                wish.turn += u64::from(wish.run);
                wish.run
            });
        }
    }

    pub(super) fn supervised_by(&self, task: AbortHandle) {
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    /// Ends the supervision, and forgets the client.
    pub(super) fn abandon(&self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
        self.known().state = ServerState::Stopped;
    }
}

/// An error with its causes, on one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
