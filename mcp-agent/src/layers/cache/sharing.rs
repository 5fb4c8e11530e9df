//! Results that several processes share.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mcp_client::{Digest, Hub};
use mcp_protocol::tools::CallToolResult;
use ring::{
    hkdf::{HKDF_SHA256, Salt},
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};
use serde::{Deserialize, Serialize};
use tokio::{
    select,
    sync::{Notify, mpsc},
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{Key, SharedAway};
use crate::{
    caller::Call,
    model::BoxFuture,
    store::{StoreError, StoreKey},
};

/// How many results wait to be kept; what comes then is not shared.
const QUEUE: usize = 64;

/// The largest result that is shared, sealed, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// How long to wait before the next try to tell of a change.
const PAUSE: Duration = Duration::from_secs(1);

/// How much longer than any result it is known that a server changed.
const GRACE: Duration = Duration::from_secs(60);

/// Keeps results for all processes that share it, and forgets them when their time is over. What it
/// is given says nothing to it: names are keyed hashes, and values are sealed.
pub trait SharedResults: fmt::Debug + Send + Sync + 'static {
    /// The mark of a server, and the value of this name, in one request. To be answered soon: a call
    /// waits for it.
    fn find<'a>(
        &'a self,
        server: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<SharedFind, SharedAway>>;

    /// Keeps a value for so long.
    fn keep<'a>(
        &'a self,
        name: &'a str,
        value: &'a [u8],
        ttl: Duration,
    ) -> BoxFuture<'a, Result<(), SharedAway>>;

    /// Gives a server another mark, which makes all that was kept of it old. The mark is kept for so
    /// long.
    fn mark<'a>(
        &'a self,
        server: &'a str,
        mark: u64,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<(), SharedAway>>;
}

/// What was found in [`SharedResults`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedFind {
    /// The mark of the server; `None` when nothing changed it for long.
    pub mark: Option<u64>,
    /// The value, and how long it may still be used.
    pub value: Option<(Vec<u8>, Duration)>,
}

/// Shares the results of servers that are the same for all processes. A result is asked for
/// elsewhere only when it may be kept and is not here; a process that may have changed something
/// tells the others behind the call, and trusts nothing of the server's until that is told.
///
/// Never shared are the results of servers where somebody has logged in, since they may be for one
/// account only; see [`Hub::fingerprint`].
#[derive(Clone)]
pub struct ResultSharing(Arc<Owned>);

struct Owned {
    core: Arc<Core>,
    keeps: mpsc::Sender<Keep>,
    /// Ends with the last handle.
    _telling: JoinSet<()>,
}

struct Core {
    results: Arc<dyn SharedResults>,
    is_shared: Box<dyn Fn(&str) -> bool + Send + Sync>,
    fingerprints: Fingerprints,
    seal: StoreKey,
    names: hmac::Key,
    /// The changes that nobody else knows of yet, by server: how many, and for how long they matter.
    untold: Mutex<HashMap<Arc<str>, (u64, Duration)>>,
    news: Notify,
}

type Fingerprints = Box<dyn Fn(&str) -> Option<Digest> + Send + Sync>;

/// A result to be kept.
struct Keep {
    found: Look,
    result: Arc<CallToolResult>,
    until: Instant,
}

/// What came of looking elsewhere.
pub(super) struct Look {
    name: String,
    mark: Option<u64>,
    fingerprint: Digest,
    /// The result, and how long it may still be used.
    pub(super) result: Option<(Arc<CallToolResult>, Duration)>,
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Sealed<R> {
    mark: Option<u64>,
    result: R,
}

impl ResultSharing {
    /// Shares results in this place, with all who have the same secret of 16 random bytes or more:
    /// those of the hub's servers of which `is_shared` says that they are the same everywhere.
    ///
    /// # Errors
    /// The ciphers refuse the secret.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(
        results: impl SharedResults,
        secret: &[u8],
        hub: Hub,
        is_shared: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        Self::with(results, secret, is_shared, move |name| hub.fingerprint(name))
    }

    pub(super) fn with(
        results: impl SharedResults,
        secret: &[u8],
        is_shared: impl Fn(&str) -> bool + Send + Sync + 'static,
        fingerprint: impl Fn(&str) -> Option<Digest> + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let names = Salt::new(HKDF_SHA256, b"MCP shared results").extract(secret);
        let names = names.expand(&[b"names"], hmac::HMAC_SHA256);
        let core = Arc::new(Core {
            results: Arc::new(results),
            is_shared: Box::new(is_shared),
            fingerprints: Box::new(fingerprint),
            seal: StoreKey::derive(secret)?,
            names: names.map_err(|_| StoreError::Unsealable)?.into(),
            untold: Mutex::default(),
            news: Notify::new(),
        });
        let (keeps, kept) = mpsc::channel(QUEUE);
        let mut telling = JoinSet::new();
        telling.spawn(tell(Arc::clone(&core), kept));
        Ok(Self(Arc::new(Owned { core, keeps, _telling: telling })))
    }

    /// Looks elsewhere. `None` when the server's results are not shared, or not now.
    pub(super) async fn look(&self, call: &Call, key: &Key) -> Option<Look> {
        let core = &self.0.core;
        if !(core.is_shared)(&call.server) || core.untold().contains_key(&call.server) {
            return None;
        }
        let fingerprint = (core.fingerprints)(&call.server)?;
        let name = core.name(&[
            "result",
            &fingerprint.to_string(),
            if key.partition().is_some() { "of" } else { "" },
            key.partition().unwrap_or_default(),
            key.asked(),
        ]);
        // Why it is away was told by whoever noticed.
        let found = core.results.find(&core.server(&call.server), &name).await.ok()?;
        let result = found.value.and_then(|(sealed, left)| {
            let Sealed { mark, result } = core.unseal(&name, &sealed)?;
            (mark == found.mark).then(|| (Arc::new(result), left))
        });
        Some(Look { name, mark: found.mark, fingerprint, result })
    }

    /// Keeps what the call gave that was not found, unless the server is another now.
    pub(super) fn keep(
        &self,
        call: &Call,
        found: Look,
        result: &Arc<CallToolResult>,
        until: Instant,
    ) {
        if (self.0.core.fingerprints)(&call.server) == Some(found.fingerprint) {
            let keep = Keep { found, result: Arc::clone(result), until };
            // Where too much waits already, it is not shared.
            drop(self.0.keeps.try_send(keep));
        }
    }

    /// A call may have changed something. `longest` is how long any result is kept.
    pub(super) fn changed(&self, server: &Arc<str>, longest: Duration) {
        let core = &self.0.core;
        if !(core.is_shared)(server) {
            return;
        }
        core.untold().entry(Arc::clone(server)).or_insert((0, longest)).0 += 1;
        core.news.notify_one();
    }
}

/// Tells others what happened here.
async fn tell(core: Arc<Core>, mut keeps: mpsc::Receiver<Keep>) {
    loop {
        select! {
            biased;
            () = core.news.notified() => core.tell_changes().await,
            keep = keeps.recv() => match keep {
                Some(keep) => core.keep(keep).await,
                None => return,
            },
        }
    }
}

impl Core {
    fn untold(&self) -> MutexGuard<'_, HashMap<Arc<str>, (u64, Duration)>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A name for what only those with the secret can tell.
    fn name(&self, parts: &[&str]) -> String {
        let mut hash = hmac::Context::with_key(&self.names);
        for part in parts {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        URL_SAFE_NO_PAD.encode(hash.sign())
    }

    fn server(&self, name: &str) -> String {
        self.name(&["server", name])
    }

    /// What somebody else sealed; nothing when it is not what it should be.
    fn unseal(&self, name: &str, sealed: &[u8]) -> Option<Sealed<CallToolResult>> {
        let text = self.seal.open(name, sealed).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Tells of all changes. Tries until it is done: an old result is worse than none.
    async fn tell_changes(&self) {
        loop {
            let next = self.untold().iter().next().map(|(name, known)| (Arc::clone(name), *known));
            let Some((server, (count, longest))) = next else { return };
            let mut mark = [0; 8];
            let is_told = SystemRandom::new().fill(&mut mark).is_ok() && {
                let (name, mark) = (self.server(&server), u64::from_be_bytes(mark));
                self.results.mark(&name, mark, longest + GRACE).await.is_ok()
            };
            if is_told {
                let mut untold = self.untold();
                // What changed meanwhile is told with another mark.
                if untold.get(&server).is_some_and(|(now, _)| *now == count) {
                    untold.remove(&server);
                }
            } else {
                sleep(PAUSE).await;
            }
        }
    }

    async fn keep(&self, Keep { found, result, until }: Keep) {
        let ttl = until.saturating_duration_since(Instant::now());
        let sealed = Sealed { mark: found.mark, result: &*result };
        let sealed = serde_json::to_vec(&sealed).ok();
        let sealed = sealed.and_then(|text| self.seal.seal(&found.name, &text).ok());
        if let Some(sealed) = sealed.filter(|sealed| !ttl.is_zero() && sealed.len() <= MAX_BYTES) {
            // Nobody waits for it, and why it is away was told by whoever noticed.
            let _ = self.results.keep(&found.name, &sealed, ttl).await;
        }
    }
}

impl fmt::Debug for ResultSharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResultSharing").field("in", &self.0.core.results).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
