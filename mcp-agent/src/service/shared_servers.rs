//! Servers that all replicas have, since somebody added them at one, and those that somebody has
//! switched on or off at one.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mcp_client::{Hub, Secret, StateKind};
use tokio::{
    select,
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::sleep,
};

use super::{
    problem::{Problem, ProblemCode, chain},
    server_entry::ServerEntry,
};
use crate::store::{KeptServer, ServerStore, StoreError};

/// How often it is looked what is kept, whatever is told.
const POLL: Duration = Duration::from_secs(30);

/// How long to wait after it could not be seen what is kept.
const PAUSE: Duration = Duration::from_secs(2);

/// How many may ask at once for a look.
const QUEUE: usize = 16;

type Ask = oneshot::Sender<Result<(), StoreError>>;

/// What is kept of servers, and the task that makes those of the hub the same.
pub(super) struct SharedServers {
    store: Arc<dyn ServerStore>,
    asks: mpsc::Sender<Ask>,
    /// Whether it was seen once what is kept.
    met: Arc<AtomicBool>,
    /// Ends with the service.
    _keeping: JoinSet<()>,
}

impl SharedServers {
    pub(super) fn new(store: Arc<dyn ServerStore>, hub: &Hub) -> Self {
        let (asks, asked) = mpsc::channel(QUEUE);
        let met = Arc::<AtomicBool>::default();
        let keeper = Keeper {
            store: Arc::clone(&store),
            hub: hub.clone(),
            ours: HashMap::new(),
            passed_over: HashSet::new(),
            switched: HashMap::new(),
            met: Arc::clone(&met),
        };
        let mut keeping = JoinSet::new();
        keeping.spawn(keeper.run(asked));
        Self { store, asks, met, _keeping: keeping }
    }

    /// Whether the hub has had the servers of others once.
    pub(super) fn is_met(&self) -> bool {
        self.met.load(Ordering::Relaxed)
    }

    /// Keeps a server, and waits until the hub has it. The other replicas have it soon after.
    pub(super) async fn add(&self, name: &str, entry: &ServerEntry) -> Result<(), Problem> {
        let text = serde_json::to_string(entry)
            .map_err(|error| Problem::new(ProblemCode::Unexpected, error.to_string()))?;
        match self.store.insert(name, &Secret::new(text)).await {
            Ok(true) => self.look().await,
            Ok(false) => Err(Problem::duplicate_server(name)),
            Err(error) => Err(not_kept(&error)),
        }
    }

    /// Forgets a server, and waits until the hub has done so. False when none is kept.
    pub(super) async fn remove(&self, name: &str) -> Result<bool, Problem> {
        let was_kept = self.store.remove(name).await.map_err(|error| not_kept(&error))?;
        if was_kept {
            self.look().await?;
        }
        Ok(was_kept)
    }

    /// Switches a server on or off, and waits until the hub has done so. The other replicas do so
    /// soon after.
    pub(super) async fn switch(&self, name: &str, enabled: bool) -> Result<(), Problem> {
        self.store.switch(name, enabled).await.map_err(|error| not_kept(&error))?;
        self.look().await
    }

    /// Waits until the hub has what is kept now.
    async fn look(&self) -> Result<(), Problem> {
        let (asker, looked) = oneshot::channel();
        let ended = || Problem::new(ProblemCode::Unexpected, "the service is ending");
        self.asks.send(asker).await.map_err(|_| ended())?;
        let looked = looked.await.map_err(|_| ended())?;
        looked.map_err(|error| not_kept(&error))
    }
}

fn not_kept(error: &StoreError) -> Problem {
    Problem::not_shared(error)
}

struct Keeper {
    store: Arc<dyn ServerStore>,
    hub: Hub,
    /// The revision of each server that this task has put into the hub.
    ours: HashMap<String, i64>,
    /// What is kept and not put into the hub, so that it is told once.
    passed_over: HashSet<(String, i64)>,
    /// The switches as this task has set them.
    switched: HashMap<String, bool>,
    met: Arc<AtomicBool>,
}

impl Keeper {
    async fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        let mut changes = self.store.changes();
        let mut pause = Duration::ZERO;
        loop {
            let ask = select! {
                ask = asks.recv() => match ask {
                    Some(ask) => Some(ask),
                    None => return,
                },
                () = told(&mut changes) => None,
                () = sleep(pause) => None,
            };
            let outcome = self.settle().await;
            pause = if outcome.is_ok() { POLL } else { PAUSE };
            match (ask, outcome) {
                // Whoever asked may have gone.
                (Some(ask), outcome) => drop(ask.send(outcome)),
                (None, Err(error)) => {
                    let error = chain(&error);
                    tracing::warn!(error, "the servers that replicas share cannot be read");
                }
                (None, Ok(())) => {}
            }
        }
    }

    /// Makes the servers of the hub those that are kept. What this replica is configured with goes
    /// before.
    async fn settle(&mut self) -> Result<(), StoreError> {
        let kept = self.store.load().await?;
        let switches = self.store.switches().await?;
        let revisions: HashMap<&str, i64> =
            kept.iter().map(|server| (server.name.as_str(), server.revision)).collect();
        let is_gone =
            |(name, revision): &(&String, &i64)| revisions.get(name.as_str()) != Some(*revision);
        let gone: Vec<String> =
            self.ours.iter().filter(is_gone).map(|(name, _)| name.clone()).collect();
        for name in gone {
            self.ours.remove(&name);
            if self.is_added(&name) {
                self.hub.remove(&name).await;
            }
        }
        self.passed_over.retain(|(name, revision)| revisions.get(name.as_str()) == Some(revision));
        for server in &kept {
            if !self.ours.contains_key(&server.name) {
                self.put(server);
            }
        }
        self.switched.retain(|name, _| switches.contains_key(name));
        for (name, enabled) in switches {
            self.switch(name, enabled);
        }
        self.met.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn switch(&mut self, name: String, enabled: bool) {
        let server = self.hub.server(&name);
        let is_off =
            server.is_some_and(|server| server.status().state.kind() == StateKind::Disabled);
        let before = self.switched.get(&name).copied();
        // One that runs already, or waits for its first use, is left alone.
        let is_done = if enabled { before.unwrap_or(!is_off) } else { is_off };
        if !is_done {
            self.hub.enable(&name, enabled);
        }
        self.switched.insert(name, enabled);
    }

    fn put(&mut self, server: &KeptServer) {
        let problem = if self.hub.server(&server.name).is_some() {
            "this replica has another of this name".to_owned()
        } else {
            match serde_json::from_str::<ServerEntry>(server.entry.reveal()) {
                Ok(entry) => match entry.into_config() {
                    Ok(config) if config.name == server.name => {
                        self.hub.add(config);
                        self.ours.insert(server.name.clone(), server.revision);
                        return;
                    }
                    Ok(_) => "its entry is that of another name".to_owned(),
                    Err(problem) => problem.detail().to_owned(),
                },
                // The entry itself may hold secrets, and the error may repeat them.
                Err(_) => "its entry cannot be read: it is of another version".to_owned(),
            }
        };
        if self.passed_over.insert((server.name.clone(), server.revision)) {
            tracing::warn!(server = server.name, problem, "a server of the replicas is left out");
        }
    }

    /// Whether the server that the hub has came from no file.
    fn is_added(&self, name: &str) -> bool {
        let server = self.hub.server(name);
        let config = server.as_ref().and_then(mcp_client::Server::config);
        config.is_some_and(|config| config.origin.is_none())
    }
}

/// Waits for a change; for ever when none is told any more.
async fn told(changes: &mut watch::Receiver<u64>) {
    if changes.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl fmt::Debug for SharedServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedServers").field("store", &self.store).finish_non_exhaustive()
    }
}
