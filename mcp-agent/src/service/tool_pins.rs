//! Tools are offered as they were agreed to, or not at all.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mcp_client::{
    Catalog, Hub, KeptFileError, Listing, Server, ServerStatus,
    pins::{Drift, PinStore, ServerPins},
};
use mcp_protocol::tools::Tool;
use tokio::time::Instant;

/// While something is held back, the store is looked at again after this: somebody else may have
/// agreed to it there.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Holds the tools of a service's servers to what they were when they were seen first or accepted
/// last.
///
/// A tool that is new, or whose definition is another, is in quarantine: it is in no list, and
/// cannot be called, for anybody, until somebody agrees to it: by `POST
/// /mcp/servers/{name}/drift/accept`, or in the store. What a server offers when it is seen for the
/// first time is pinned as it is.
///
/// ```no_run
/// use mcp_agent::service::{ServiceOptions, ToolPins};
/// use mcp_client::pins::PinFile;
///
/// let pins = ToolPins::new(PinFile::at("pins.json"))
///     .on_drift(|server, drift| eprintln!("{server}.{} is {}", drift.tool, drift.kind()));
/// let options = ServiceOptions::new().pins(pins);
/// ```
#[derive(Clone)]
pub struct ToolPins(Arc<Shared>);

struct Shared {
    store: Arc<dyn PinStore>,
    key: Arc<Key>,
    heard: Arc<Heard>,
    judged: Mutex<HashMap<String, Judged>>,
}

type Key = dyn Fn(&ServerStatus) -> String + Send + Sync;
type Heard = dyn Fn(&str, &Drift) + Send + Sync;

/// What was found when a server's tools were looked at last.
struct Judged {
    seen: Arc<Listing<Tool>>,
    at: Instant,
    drift: Vec<Drift>,
    /// The tools that are not offered, and why.
    held: Arc<BTreeMap<String, String>>,
}

impl ToolPins {
    /// Holds tools to the pins of a store.
    pub fn new(store: impl PinStore + 'static) -> Self {
        Self(Arc::new(Shared {
            store: Arc::new(store),
            key: Arc::new(|status| status.name.clone()),
            heard: Arc::new(|_, _| ()),
            judged: Mutex::default(),
        }))
    }

    /// Under which key the pins of a server are kept; its name otherwise. Two servers that may have
    /// the same name at different times need more.
    #[must_use]
    pub fn keyed(self, key: impl Fn(&ServerStatus) -> String + Send + Sync + 'static) -> Self {
        let Shared { store, heard, .. } = &*self.0;
        let (store, heard) = (Arc::clone(store), Arc::clone(heard));
        Self(Arc::new(Shared { store, key: Arc::new(key), heard, judged: Mutex::default() }))
    }

    /// Hears of every tool that goes into quarantine or is gone, with its server's name. Called
    /// once for each while it lasts, and not from a lock.
    #[must_use]
    pub fn on_drift(self, heard: impl Fn(&str, &Drift) + Send + Sync + 'static) -> Self {
        let Shared { store, key, .. } = &*self.0;
        let (store, key) = (Arc::clone(store), Arc::clone(key));
        Self(Arc::new(Shared { store, key, heard: Arc::new(heard), judged: Mutex::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Judged>> {
        self.0.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tools of a server that are not offered, and why. It reads the store where something is
    /// another than when it was called last.
    pub(super) fn held(&self, server: &Server, catalog: &Catalog) -> Arc<BTreeMap<String, String>> {
        if catalog.tools.told.is_none() {
            return Arc::default();
        }
        let (judged, told) = self.judge(server, &catalog.tools.listing, |judged| {
            (Arc::clone(&judged.held), judged.drift.iter().map(|one| one.tool.clone()).collect())
        });
        let (held, names): (_, Vec<String>) = judged;
        if let Some(told) = told {
            server.hub().report_drift(server.name(), names);
            for drift in &told {
                (self.0.heard)(server.name(), drift);
            }
        }
        held
    }

    /// Whether a tool is in quarantine.
    pub(super) fn holds(&self, hub: &Hub, server: &str, tool: &str) -> bool {
        hub.server(server).is_some_and(|server| {
            let catalog = server.catalog();
            self.held(&server, &catalog).contains_key(tool)
        })
    }

    /// What is not as it was agreed to.
    pub(super) fn drift(&self, server: &Server) -> Vec<Drift> {
        let catalog = server.catalog();
        self.held(server, &catalog);
        self.lock().get(server.name()).map(|judged| judged.drift.clone()).unwrap_or_default()
    }

    /// Agrees to the tools of a server as they are now, or to one of them. Returns what was
    /// accepted.
    pub(super) fn accept(
        &self,
        server: &Server,
        tool: Option<&str>,
    ) -> Result<Vec<Drift>, KeptFileError> {
        let key = (self.0.key)(&server.status());
        let catalog = server.catalog();
        let mut pins = self.0.store.load(&key)?.unwrap_or_default();
        let mut accepted = pins.drift(&now(server, &catalog.tools.listing));
        accepted.retain(|drift| tool.is_none_or(|tool| drift.tool == tool));
        for drift in &accepted {
            match &drift.now {
                Some(pin) => _ = pins.tools.insert(drift.tool.clone(), pin.clone()),
                None => _ = pins.tools.remove(&drift.tool),
            }
        }
        self.0.store.save(&key, pins)?;
        if let Some(judged) = self.lock().get_mut(server.name()) {
            judged.seen = Arc::default();
        }
        self.held(server, &catalog);
        Ok(accepted)
    }

    /// Looks at the tools, anew if they were listed anew. Then there is also what is to be told of.
    fn judge<T>(
        &self,
        server: &Server,
        seen: &Arc<Listing<Tool>>,
        read: impl Fn(&Judged) -> T,
    ) -> (T, Option<Vec<Drift>>) {
        let mut all = self.lock();
        let before = all.get(server.name());
        if let Some(judged) = before
            && Arc::ptr_eq(&judged.seen, seen)
            && (judged.held.is_empty() || judged.at.elapsed() < LOOK_AGAIN)
        {
            return (read(judged), None);
        }
        let judged = self.look(server, Arc::clone(seen));
        let told = judged.drift.iter().filter(|drift| {
            before.is_none_or(|before| !before.drift.iter().any(|known| known == *drift))
        });
        let told = told.cloned().collect();
        let result = read(&judged);
        all.insert(server.name().to_owned(), judged);
        (result, Some(told))
    }

    fn look(&self, server: &Server, seen: Arc<Listing<Tool>>) -> Judged {
        let now = now(server, &seen);
        let key = (self.0.key)(&server.status());
        let (mut drift, mut held) = (Vec::new(), BTreeMap::new());
        match self.0.store.load(&key) {
            Ok(Some(pins)) => drift = pins.drift(&now),
            Ok(None) => {
                if let Err(error) = self.0.store.save(&key, now) {
                    tracing::warn!(server = server.name(), %error, "its tools cannot be pinned");
                }
            }
            // Without pins nothing can be told from what it was.
            Err(error) => {
                held = now.tools.into_keys().map(|name| (name, error.to_string())).collect();
            }
        }
        for one in drift.iter().filter(|one| one.now.is_some()) {
            held.insert(one.tool.clone(), format!("its definition is {}", one.kind()));
        }
        Judged { seen, at: Instant::now(), drift, held: Arc::new(held) }
    }
}

/// The tools that the configuration of a server offers, as they are now.
fn now(server: &Server, listing: &Listing<Tool>) -> ServerPins {
    let config = server.config();
    let offered = |tool: &&Tool| config.is_none_or(|config| config.offers(&tool.name));
    ServerPins::of(listing.items.iter().filter(offered))
}

impl fmt::Debug for ToolPins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolPins").field("store", &self.0.store).finish_non_exhaustive()
    }
}
