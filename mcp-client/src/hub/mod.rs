//! Many servers side by side: each starts on its own, and one that fails stops no other.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::Instant,
};

use crate::{
    Client, ClientOptions, ConnectFailure,
    config::{Origin, Problem, ServerConfig},
};

/// How a [`Hub`] starts its servers.
#[derive(Clone, Debug)]
pub struct HubOptions {
    /// Settings and handlers of every client; a server's own settings win.
    pub client: ClientOptions,
    /// The limit for starting one server, downloads by `npx` and `uvx` included.
    pub startup_timeout: Duration,
    /// How many servers may be starting at the same time.
    pub parallel_starts: usize,
    /// How long a child process may take to exit after its input was closed, before it is told to
    /// by signal; the transport's own limit when `None`.
    pub shutdown_grace: Option<Duration>,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            client: ClientOptions::default(),
            startup_timeout: Duration::from_secs(60),
            parallel_starts: 16,
            shutdown_grace: None,
        }
    }
}

/// Several servers, each with a state of its own. Cloning gives another handle to the same servers;
/// the last one dropped ends them.
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
///     println!("{}: {:?}", server.name, server.state);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Hub(Arc<Shared>);

struct Shared {
    slots: Mutex<Vec<ServerStatus>>,
    /// Counts changes, for those who wait for one.
    changes: watch::Sender<u64>,
    /// The starts under way; dropping the set ends them and their children.
    starts: Mutex<JoinSet<()>>,
}

/// One server as it is now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerStatus {
    /// The key in the configuration.
    pub name: String,
    /// A command line or a URL, without secrets.
    pub endpoint: String,
    /// Where the configuration stands.
    pub origin: Option<Origin>,
    /// What it is doing.
    pub state: ServerState,
    /// How long the start took, or takes so far.
    pub took: Duration,
}

/// What a server is doing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ServerState {
    /// Not up yet.
    Starting,
    /// Connected.
    Ready(Client),
    /// The start failed.
    Down(Arc<ConnectFailure>),
    /// Switched off in the configuration.
    Disabled,
    /// Its entry cannot be used: what is wrong, and what to do.
    NotConfigured(String),
}

impl Hub {
    /// Starts the servers and returns at once; [`ready`](Self::ready) waits for them.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(servers: Vec<ServerConfig>, options: &HubOptions) -> Self {
        let hub = Self(Arc::new(Shared {
            slots: Mutex::default(),
            changes: watch::Sender::new(0),
            starts: Mutex::default(),
        }));
        let permits = Arc::new(Semaphore::new(options.parallel_starts.max(1)));
        for server in servers {
            hub.start_one(server, options, &permits);
        }
        hub
    }

    fn start_one(&self, server: ServerConfig, options: &HubOptions, permits: &Arc<Semaphore>) {
        let recipe = match server.transport.recipe(options.shutdown_grace) {
            Ok(recipe) => recipe,
            Err(error) => {
                let state = ServerState::NotConfigured(error.to_string());
                return self.add(&server, String::new(), state);
            }
        };
        let endpoint = recipe.endpoint();
        if !server.enabled {
            return self.add(&server, endpoint, ServerState::Disabled);
        }
        if self.lock().iter().any(|slot| slot.name == server.name) {
            let reason = format!("the name `{}` is used twice; rename one", server.name);
            return self.add(&server, endpoint, ServerState::NotConfigured(reason));
        }
        self.add(&server, endpoint, ServerState::Starting);

        let mut client = options.client.clone();
        client.era = server.era;
        client.connect_timeout = server.startup_timeout.unwrap_or(options.startup_timeout);
        if server.call_timeout.is_some() {
            client.call_timeout = server.call_timeout;
        }
        // The task must not keep the hub alive, or dropping the last handle would end nothing.
        let shared = Arc::downgrade(&self.0);
        let permits = Arc::clone(permits);
        let mut starts = self.0.starts.lock().unwrap_or_else(PoisonError::into_inner);
        starts.spawn(async move {
            // The semaphore is never closed.
            let _permit = permits.acquire().await;
            let started = Instant::now();
            let outcome = Client::connect_with(recipe).options(client).connect().await;
            let state = match outcome {
                Ok(client) => ServerState::Ready(client),
                Err(failure) => {
                    tracing::warn!(server = %server.name, error = %failure, "server is down");
                    ServerState::Down(Arc::new(failure))
                }
            };
            if let Some(shared) = shared.upgrade() {
                Self(shared).set(&server.name, state, started.elapsed());
            }
        });
    }

    /// Adds entries that a configuration file has but cannot be used, so that status shows them.
    pub fn report_problems(&self, problems: Vec<Problem>) {
        for Problem { server, origin, reason, .. } in problems {
            self.lock().push(ServerStatus {
                name: server,
                endpoint: String::new(),
                origin: Some(origin),
                state: ServerState::NotConfigured(reason),
                took: Duration::ZERO,
            });
        }
        self.changed();
    }

    fn add(&self, server: &ServerConfig, endpoint: String, state: ServerState) {
        self.lock().push(ServerStatus {
            name: server.name.clone(),
            endpoint,
            origin: server.origin.clone(),
            state,
            took: Duration::ZERO,
        });
        self.changed();
    }

    fn set(&self, name: &str, state: ServerState, took: Duration) {
        if let Some(slot) = self.lock().iter_mut().find(|slot| slot.name == name) {
            slot.state = state;
            slot.took = took;
        }
        self.changed();
    }

    fn changed(&self) {
        self.0.changes.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<ServerStatus>> {
        self.0.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no server is starting any more.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing; the starts go on.
    pub async fn ready(&self) {
        let mut changes = self.0.changes.subscribe();
        let starting =
            || self.lock().iter().any(|slot| matches!(slot.state, ServerState::Starting));
        while starting() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits for the next change of any server's state; `seen` from the last call, at first 0.
    pub async fn changed_since(&self, seen: u64) -> u64 {
        let mut changes = self.0.changes.subscribe();
        match changes.wait_for(|count| *count != seen).await {
            Ok(count) => *count,
            Err(_) => seen,
        }
    }

    /// All servers, in the order in which they were given.
    pub fn status(&self) -> Vec<ServerStatus> {
        self.lock().clone()
    }

    /// The client of a server that is ready.
    pub fn client(&self, name: &str) -> Option<Client> {
        self.lock().iter().find(|slot| slot.name == name).and_then(|slot| match &slot.state {
            ServerState::Ready(client) => Some(client.clone()),
            _ => None,
        })
    }

    /// The clients of all servers that are ready, in the order in which they were given.
    pub fn clients(&self) -> Vec<(String, Client)> {
        self.lock()
            .iter()
            .filter_map(|slot| match &slot.state {
                ServerState::Ready(client) => Some((slot.name.clone(), client.clone())),
                _ => None,
            })
            .collect()
    }

    /// Ends all servers side by side, in order and within the bounds of their transports.
    pub async fn close(&self) {
        self.0.starts.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        let mut closing = JoinSet::new();
        for (_, client) in self.clients() {
            closing.spawn(async move { client.close().await });
        }
        closing.join_all().await;
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lock().iter().map(|slot| &slot.name)).finish()
    }
}
