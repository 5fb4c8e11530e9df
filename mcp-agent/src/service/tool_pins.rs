//! Tools are offered as they were agreed to, or not at all.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use mcp_client::{
    Availability, Catalog, CatalogLists, Hub, KeptFileError, Listing, Server, ServerStatus,
    pins::{Drift, PinStore, ServerPins},
};
use mcp_protocol::tools::Tool;
use tokio::time::{Instant, timeout};

use super::common_pins::{ChangeError, CommonPins};
use crate::store::SharedPinStore;

/// While something is held back, the store is looked at again after this: somebody else may have
/// agreed to it there.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long a list waits for a server's tools to be agreed with other replicas, and for those of a
/// server that was never asked. Until then they are in quarantine.
const SETTLE_LIMIT: Duration = Duration::from_secs(2);

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
    source: Source,
    key: Arc<Key>,
    heard: Arc<Heard>,
    /// The hub of all, which is told of what callers' own connections show.
    hub: Option<Hub>,
    judged: Mutex<HashMap<String, Judged>>,
    /// What was told of callers' own lists, by server, for as long as one of them shows it.
    told: Mutex<HashMap<String, Vec<Drift>>>,
}

type Key = dyn Fn(&ServerStatus) -> String + Send + Sync;
type Heard = dyn Fn(&str, &Drift) + Send + Sync;

/// How many lists of callers' own are remembered at least while they are of use.
const OWN_LISTS: usize = 1024;

/// Where pins are.
#[derive(Clone)]
enum Source {
    /// Of this process.
    Own(Arc<dyn PinStore>),
    /// Of all replicas.
    Common(Arc<CommonPins>),
}

/// What is accepted cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum AcceptError {
    #[error(transparent)]
    Own(#[from] KeptFileError),
    #[error(transparent)]
    Common(#[from] ChangeError),
}

/// What was found when a server's tools were looked at last.
struct Judged {
    seen: Arc<Listing<Tool>>,
    at: Instant,
    /// Of what replicas had agreed then.
    generation: u64,
    drift: Vec<Drift>,
    /// The tools that are not offered, and why.
    held: Arc<BTreeMap<String, String>>,
    /// Whether they are those of one caller.
    is_own: bool,
}

impl ToolPins {
    /// Holds tools to the pins of a store.
    pub fn new(store: impl PinStore + 'static) -> Self {
        Self::of(Source::Own(Arc::new(store)))
    }

    /// Holds tools to pins that all replicas have: what is seen first at one of them is pinned for
    /// all, and what is accepted at one is offered by all. What was read is kept in memory and
    /// follows the store, so calls do not wait for it. While the store is away, tools of servers
    /// that this process has not read the pins of are in quarantine, and nothing can be accepted.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn shared(store: impl SharedPinStore) -> Self {
        Self::of(Source::Common(Arc::new(CommonPins::new(Arc::new(store)))))
    }

    fn of(source: Source) -> Self {
        Self(Arc::new(Shared {
            source,
            key: Arc::new(|status| status.name.clone()),
            heard: Arc::new(|_, _| ()),
            hub: None,
            judged: Mutex::default(),
            told: Mutex::default(),
        }))
    }

    /// Under which key the pins of a server are kept; its name otherwise. Two servers that may have
    /// the same name at different times need more.
    #[must_use]
    pub fn keyed(self, key: impl Fn(&ServerStatus) -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(Shared { key: Arc::new(key), ..self.anew() }))
    }

    /// Hears of every tool that goes into quarantine or is gone, with its server's name. Called
    /// once for each while it lasts, for however many callers, and not from a lock.
    #[must_use]
    pub fn on_drift(self, heard: impl Fn(&str, &Drift) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Shared { heard: Arc::new(heard), ..self.anew() }))
    }

    /// Has a hub know of what the connections of callers show, which are in hubs of their own.
    pub(super) fn told_to(self, hub: &Hub) -> Self {
        Self(Arc::new(Shared { hub: Some(hub.clone()), ..self.anew() }))
    }

    /// The same, before anything was judged.
    fn anew(&self) -> Shared {
        let Shared { source, key, heard, hub, .. } = &*self.0;
        Shared {
            source: source.clone(),
            key: Arc::clone(key),
            heard: Arc::clone(heard),
            hub: hub.clone(),
            judged: Mutex::default(),
            told: Mutex::default(),
        }
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
            if let Some(hub) = self.0.hub.as_ref().filter(|_| is_own(server)) {
                hub.report_drift(server.name(), self.drift_of_callers(server.name()));
            }
            for drift in &told {
                (self.0.heard)(server.name(), drift);
            }
        }
        held
    }

    /// The tools that are not as they were in the lists that callers have of a server just now.
    fn drift_of_callers(&self, server: &str) -> Vec<String> {
        let all = self.lock();
        let lists = all.iter().filter(|(place, _)| is_place_of(place, server));
        // Those that no catalog has any more tell of what was.
        let lists = lists.filter(|(_, judged)| Arc::strong_count(&judged.seen) > 1);
        let drift = lists.flat_map(|(_, judged)| judged.drift.iter().map(|one| one.tool.clone()));
        Vec::from_iter(drift.collect::<BTreeSet<_>>())
    }

    /// Whether a tool is in quarantine.
    pub(super) fn holds(&self, server: &Server, tool: &str) -> bool {
        self.held(server, &server.catalog()).contains_key(tool)
    }

    /// What is not as it was agreed to.
    pub(super) fn drift(&self, server: &Server) -> Vec<Drift> {
        let catalog = server.catalog();
        self.held(server, &catalog);
        let place = place(server, &catalog.tools.listing);
        self.lock().get(&place).map(|judged| judged.drift.clone()).unwrap_or_default()
    }

    /// Waits, not for long, until the replicas have agreed to the tools of a server that none of
    /// them had seen. Without replicas there is nothing to wait for.
    pub(super) async fn settle(&self, server: &Server, catalog: &Catalog) {
        let Source::Common(common) = &self.0.source else { return };
        if catalog.tools.told.is_none() {
            return;
        }
        let key = (self.0.key)(&server.status());
        let known = common.of(&key);
        // Of a server of everybody's nothing is left to agree to. This is asked at each call.
        if known.is_some() && !is_own(server) {
            return;
        }
        let now = now(server, &catalog.tools.listing);
        if let Some(pins) = known {
            let is_new = |name: &String| !pins.tools.contains_key(name);
            if now.tools.keys().any(is_new) {
                let adding = common.change(&key, |pins: &mut ServerPins| add_new(pins, &now));
                if let Ok(Err(error)) = timeout(SETTLE_LIMIT, adding).await {
                    tracing::debug!(server = server.name(), %error, "its tools are in quarantine");
                }
            }
            return;
        }
        let seen = common.see(&key, now);
        if let Ok(Err(error)) = timeout(SETTLE_LIMIT, seen).await {
            tracing::debug!(server = server.name(), %error, "its tools are in quarantine");
        }
    }

    /// The same for several servers, as far as they are there. One that was never asked for its tools is asked.
    pub(super) async fn settle_all(&self, servers: Vec<Server>) {
        let settling = servers.into_iter().map(|server| async move {
            let mut catalog = server.catalog();
            let is_there = catalog.availability == Availability::Available;
            if is_there && catalog.tools.told.is_none() {
                let asked = server.refresh_catalog(CatalogLists::TOOLS);
                if let Ok(Ok(asked)) = timeout(SETTLE_LIMIT, asked).await {
                    catalog = asked;
                }
            }
            self.settle(&server, &catalog).await;
        });
        join_all(settling).await;
    }

    /// Judges anew each time that other replicas may have agreed to something. Never ends.
    pub(super) async fn follow(&self, hub: &Hub) {
        let mut generation = 0;
        loop {
            generation = self.changed_since(generation).await;
            let judging = hub.servers().into_iter().map(|server| async move {
                if self.held(&server, &server.catalog()).is_empty() {
                    return;
                }
                // What another replica accepted may be what this one has not listed yet.
                let asked = server.refresh_catalog(CatalogLists::TOOLS);
                if let Ok(Ok(catalog)) = timeout(SETTLE_LIMIT, asked).await {
                    self.settle(&server, &catalog).await;
                    self.held(&server, &catalog);
                }
            });
            join_all(judging).await;
        }
    }

    /// Waits until the replicas have agreed to something else; for ever without replicas.
    pub(super) async fn changed_since(&self, generation: u64) -> u64 {
        match &self.0.source {
            Source::Own(_) => std::future::pending().await,
            Source::Common(common) => common.changed_since(generation).await,
        }
    }

    /// Agrees to the tools of a server as they are now, or to one of them. Returns what was
    /// accepted.
    pub(super) async fn accept(
        &self,
        server: &Server,
        tool: Option<&str>,
    ) -> Result<Vec<Drift>, AcceptError> {
        let key = (self.0.key)(&server.status());
        let catalog = server.catalog();
        // Nobody agrees to what nobody here has seen.
        if catalog.tools.told.is_none() {
            return Ok(Vec::new());
        }
        // What one caller is not offered, others may be.
        let keeps_others = is_own(server) && tool.is_none();
        let now = now(server, &catalog.tools.listing);
        let change = |pins: &mut ServerPins| {
            let mut accepted = pins.drift(&now);
            accepted.retain(|drift| match tool {
                Some(tool) => drift.tool == tool,
                None => !keeps_others || drift.now.is_some(),
            });
            for drift in &accepted {
                match &drift.now {
                    Some(pin) => _ = pins.tools.insert(drift.tool.clone(), pin.clone()),
                    None => _ = pins.tools.remove(&drift.tool),
                }
            }
            accepted
        };
        let accepted = match &self.0.source {
            Source::Own(store) => {
                let mut pins = store.load(&key)?.unwrap_or_default();
                let accepted = change(&mut pins);
                store.save(&key, pins)?;
                accepted
            }
            Source::Common(common) => common.change(&key, change).await?,
        };
        {
            let mut all = self.lock();
            let here = place(server, &catalog.tools.listing);
            // What is agreed to holds for all callers, whose lists are judged when they ask.
            for (place, judged) in &mut *all {
                if *place == here || is_place_of(place, server.name()) {
                    judged.seen = Arc::default();
                }
            }
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
        let place = place(server, seen);
        let mut all = self.lock();
        let before = all.get(&place);
        let generation = self.0.source.generation();
        let is_fresh = |judged: &Judged| match &self.0.source {
            Source::Own(_) => judged.held.is_empty() || judged.at.elapsed() < LOOK_AGAIN,
            Source::Common(_) => judged.generation == generation,
        };
        if let Some(judged) = before
            && Arc::ptr_eq(&judged.seen, seen)
            && is_fresh(judged)
        {
            return (read(judged), None);
        }
        let judged = self.look(server, Arc::clone(seen), generation);
        let told = if judged.is_own {
            self.tell_of_own(server, &judged, &all)
        } else {
            let known: Vec<_> = before.iter().flat_map(|judged| &judged.drift).collect();
            judged.drift.iter().filter(|drift| !known.contains(drift)).cloned().collect()
        };
        let result = read(&judged);
        if all.len() > OWN_LISTS {
            // Those that no catalog has any more.
            all.retain(|_, one| !one.is_own || Arc::strong_count(&one.seen) > 1);
        }
        all.insert(place, judged);
        (result, Some(told))
    }

    /// What is new in a list of a caller's own. What several callers are shown is told once, and
    /// again when it comes back after no list had it.
    fn tell_of_own(
        &self,
        server: &Server,
        judged: &Judged,
        all: &HashMap<String, Judged>,
    ) -> Vec<Drift> {
        let mut told = self.0.told.lock().unwrap_or_else(PoisonError::into_inner);
        let told = told.entry(server.name().to_owned()).or_default();
        let lists = all.iter().filter(|(place, _)| is_place_of(place, server.name()));
        // Those that no catalog has any more tell of what was.
        let lists = lists.filter(|(_, one)| Arc::strong_count(&one.seen) > 1);
        let shown: Vec<_> = lists.flat_map(|(_, one)| &one.drift).chain(&judged.drift).collect();
        told.retain(|drift| shown.contains(&drift));
        let new = judged.drift.iter().filter(|drift| !told.contains(drift)).cloned();
        let new: Vec<_> = new.collect();
        told.extend(new.iter().cloned());
        new
    }

    fn look(&self, server: &Server, seen: Arc<Listing<Tool>>, generation: u64) -> Judged {
        let now = now(server, &seen);
        let key = (self.0.key)(&server.status());
        let (mut drift, mut held) = (Vec::new(), BTreeMap::new());
        match self.0.source.pins(&key, &now) {
            Ok(pins) if is_own(server) => drift = self.own_drift(&key, &pins, &now),
            Ok(pins) => drift = pins.drift(&now),
            // Without pins nothing can be told from what it was.
            Err(reason) => {
                held = now.tools.into_keys().map(|name| (name, reason.clone())).collect();
            }
        }
        for one in drift.iter().filter(|one| one.now.is_some()) {
            held.insert(one.tool.clone(), format!("its definition is {}", one.kind()));
        }
        let is_own = is_own(server);
        Judged { seen, at: Instant::now(), generation, drift, held: Arc::new(held), is_own }
    }

    /// What is another than it was. Not everybody has the same tools at a server that is reached on
    /// behalf of callers: those that nobody had before are pinned as they are, here or by
    /// [`settle`](Self::settle).
    fn own_drift(&self, key: &str, pins: &ServerPins, now: &ServerPins) -> Vec<Drift> {
        let mut drift = pins.drift(now);
        drift.retain(|one| one.now.is_some());
        if let Source::Own(store) = &self.0.source
            && drift.iter().any(|one| one.before.is_none())
        {
            let mut pins = pins.clone();
            add_new(&mut pins, now);
            if let Err(error) = store.save(key, pins) {
                tracing::warn!(server = key, %error, "its tools cannot be pinned");
            }
            drift.retain(|one| one.before.is_some());
        }
        drift
    }
}

/// Pins the tools that are not pinned yet.
fn add_new(pins: &mut ServerPins, now: &ServerPins) {
    for (name, pin) in &now.tools {
        pins.tools.entry(name.clone()).or_insert_with(|| pin.clone());
    }
}

impl Source {
    fn generation(&self) -> u64 {
        match self {
            Self::Own(_) => 0,
            Self::Common(common) => common.generation(),
        }
    }

    /// What a server's tools are held to; a server of this process that was never seen is pinned.
    fn pins(&self, key: &str, now: &ServerPins) -> Result<Arc<ServerPins>, String> {
        match self {
            Self::Own(store) => match store.load(key) {
                Ok(Some(pins)) => Ok(Arc::new(pins)),
                Ok(None) => {
                    if let Err(error) = store.save(key, now.clone()) {
                        tracing::warn!(server = key, %error, "its tools cannot be pinned");
                    }
                    Ok(Arc::new(now.clone()))
                }
                Err(error) => Err(error.to_string()),
            },
            Self::Common(common) => {
                let none = "the replicas have not agreed to the tools of its server yet";
                common.of(key).ok_or_else(|| none.to_owned())
            }
        }
    }
}

/// Whether a server is connected on behalf of one caller.
fn is_own(server: &Server) -> bool {
    server.hub().options().on_behalf_of.is_some()
}

/// What a judgement is remembered by: the server, and its list where callers have lists of their own.
fn place(server: &Server, seen: &Arc<Listing<Tool>>) -> String {
    let name = server.name();
    // As long as it is remembered no other list is in its place.
    if is_own(server) { format!("{name}\u{1f}{:p}", Arc::as_ptr(seen)) } else { name.to_owned() }
}

/// Whether a judgement is of a list that some caller has of a server.
fn is_place_of(place: &str, server: &str) -> bool {
    place.strip_prefix(server).is_some_and(|rest| rest.starts_with('\u{1f}'))
}

/// The tools that the configuration of a server offers, as they are now.
fn now(server: &Server, listing: &Listing<Tool>) -> ServerPins {
    let config = server.config();
    let offered = |tool: &&Tool| config.as_ref().is_none_or(|config| config.offers(&tool.name));
    ServerPins::of(listing.items.iter().filter(offered))
}

impl fmt::Debug for ToolPins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ToolPins");
        match &self.0.source {
            Source::Own(store) => shown.field("store", store),
            Source::Common(common) => shown.field("common", common),
        };
        shown.finish_non_exhaustive()
    }
}
