//! Gives results of tools again.

mod key;
mod sharing;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use mcp_protocol::tools::CallToolResult;
use tokio::time::Instant;
use tower_layer::Layer;

use self::key::Key;
pub use self::sharing::{ResultSharing, SharedFind, SharedResults};
use super::{SharedAway, Trust};
use crate::caller::{Answer, Call, CallError, Caller, Reply};

/// Which results are kept, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheRules {
    /// For read-only tools of trusted servers.
    pub ttl: Duration,
    /// Tools by `server.tool`, whatever their server says; `None` keeps nothing.
    pub tools: BTreeMap<String, Option<Duration>>,
    /// How much is kept in all.
    pub max_bytes: u64,
}

impl CacheRules {
    /// Keeps the results of read-only tools of trusted servers for so long.
    pub fn new(ttl: Duration) -> Self {
        Self { ttl, tools: BTreeMap::new(), max_bytes: 64 << 20 }
    }

    /// A tool of its own rule, as `server.tool`; `None` keeps nothing.
    #[must_use]
    pub fn tool(mut self, tool: impl Into<String>, ttl: impl Into<Option<Duration>>) -> Self {
        self.tools.insert(tool.into(), ttl.into());
        self
    }

    /// How long the result of this call is kept. A value: a table of rules.
    fn ttl_of(&self, call: &Call, trust: &Trust) -> Option<Duration> {
        let tool = call.operation.tool().filter(|_| call.task.is_none())?;
        if !self.tools.is_empty()
            && let Some(rule) = self.tools.get(&format!("{}.{tool}", call.server))
        {
            return *rule;
        }
        trust.knows_read(call).then_some(self.ttl)
    }

    fn longest(&self) -> Duration {
        self.tools.values().flatten().copied().fold(self.ttl, Duration::max)
    }
}

/// What a cache did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheReport {
    /// Calls that were answered from it, or from what processes share.
    pub hits: u64,
    /// Those of them that were answered from what processes share.
    pub shared: u64,
    /// Calls that could have been, and were made.
    pub misses: u64,
    /// Results in it.
    pub entries: u64,
    /// How large they are.
    pub bytes: u64,
}

/// Results of tools. They are bounded in bytes, asked for once by many, and never given to
/// another [partition](Call::partition), nor to whoever comes to have the server's name or its
/// login ([`Call::identity`]). A call that may change something makes a server's
/// results old. Failures and results with `isError` are not kept.
#[derive(Clone)]
pub struct ResultCache(Arc<Shared>);

struct Shared {
    rules: CacheRules,
    trust: Arc<Trust>,
    results: moka::future::Cache<Key, Kept>,
    /// Counts the calls that may have changed something, by server.
    changes: Mutex<HashMap<Arc<str>, u64>>,
    sharing: Option<ResultSharing>,
    hits: AtomicU64,
    found: AtomicU64,
    misses: AtomicU64,
}

#[derive(Clone)]
struct Kept {
    result: Arc<CallToolResult>,
    until: Instant,
    /// Of the server, when the call was made.
    changes: u64,
    bytes: u32,
    /// Whether another process made the call.
    is_found: bool,
}

/// What the waiting calls of a flight share beside a result that is kept.
enum NotKept {
    Reply(Reply),
    Error(CallError),
}

impl ResultCache {
    /// An empty one.
    pub fn new(rules: CacheRules, trust: impl Into<Arc<Trust>>) -> Self {
        Self::shared(rules, trust, None)
    }

    /// An empty one, which looks for what it has not where other processes keep theirs.
    pub fn shared(
        rules: CacheRules,
        trust: impl Into<Arc<Trust>>,
        sharing: impl Into<Option<ResultSharing>>,
    ) -> Self {
        let results = moka::future::Cache::builder()
            .max_capacity(rules.max_bytes)
            .weigher(|key: &Key, kept: &Kept| kept.bytes.saturating_add(key.bytes()))
            .time_to_live(rules.longest())
            .build();
        Self(Arc::new(Shared {
            rules,
            trust: trust.into(),
            results,
            changes: Mutex::default(),
            sharing: sharing.into(),
            hits: AtomicU64::new(0),
            found: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }))
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.0.results.invalidate_all();
    }

    /// What it did so far.
    pub fn report(&self) -> CacheReport {
        CacheReport {
            hits: self.0.hits.load(Ordering::Relaxed),
            shared: self.0.found.load(Ordering::Relaxed),
            misses: self.0.misses.load(Ordering::Relaxed),
            entries: self.0.results.entry_count(),
            bytes: self.0.results.weighted_size(),
        }
    }
}

impl Shared {
    fn changes_of(&self, server: &str) -> u64 {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.get(server).copied().unwrap_or_default()
    }

    /// What was read of the server before is old.
    fn changed(&self, server: &Arc<str>) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        *changes.entry(Arc::clone(server)).or_default() += 1;
        drop(changes);
        if let Some(sharing) = &self.sharing {
            sharing.changed(server, self.rules.longest());
        }
    }

    fn is_fresh(&self, kept: &Kept, call: &Call) -> bool {
        Instant::now() < kept.until && kept.changes == self.changes_of(&call.server)
    }

    async fn read<C: Caller>(
        &self,
        inner: &C,
        call: Call,
        ttl: Duration,
    ) -> Result<Reply, CallError> {
        let key = Key::of(&call);
        let subject = key.clone();
        match self.results.get(&key).await {
            Some(kept) if self.is_fresh(&kept, &call) => {
                self.hits.fetch_add(1, Ordering::Relaxed);
                return Ok(Reply { answer: Answer::Tool(kept.result), from_cache: true });
            }
            Some(_) => self.results.invalidate(&key).await,
            None => {}
        }
        let mut is_first = false;
        let changes = self.changes_of(&call.server);
        let making = async {
            is_first = true;
            let look = match &self.sharing {
                Some(sharing) => sharing.look(&call, &subject).await,
                None => None,
            };
            if let Some((result, left)) = look.as_ref().and_then(|look| look.result.clone()) {
                let (until, bytes) = (Instant::now() + left.min(ttl), size_of_result(&result));
                return Ok(Kept { result, until, changes, bytes, is_found: true });
            }
            match inner.call(call.clone()).await {
                Ok(Reply { answer: Answer::Tool(result), .. }) if !result.is_error => {
                    let (until, bytes) = (Instant::now() + ttl, size_of_result(&result));
                    if let (Some(sharing), Some(look)) = (&self.sharing, look) {
                        sharing.keep(&call, look, &result, until);
                    }
                    Ok(Kept { result, until, changes, bytes, is_found: false })
                }
                Ok(reply) => Err(NotKept::Reply(reply)),
                Err(error) => Err(NotKept::Error(error)),
            }
        };
        let outcome = self.results.try_get_with(key, making).await;
        // Somebody asked before the last change, and this call came after it.
        if !is_first && matches!(&outcome, Ok(kept) if kept.changes < changes) {
            self.misses.fetch_add(1, Ordering::Relaxed);
            return inner.call(call).await;
        }
        let is_found = is_first && matches!(&outcome, Ok(kept) if kept.is_found);
        let from_cache = !is_first || is_found;
        let counted = if from_cache { &self.hits } else { &self.misses };
        counted.fetch_add(1, Ordering::Relaxed);
        self.found.fetch_add(u64::from(is_found), Ordering::Relaxed);
        match outcome {
            Ok(kept) => Ok(Reply { answer: Answer::Tool(kept.result), from_cache }),
            Err(not_kept) => match &*not_kept {
                NotKept::Reply(reply) => Ok(reply.clone()),
                NotKept::Error(error) => Err(error.clone()),
            },
        }
    }
}

/// About how much memory a result takes, in bytes.
fn size_of_result(result: &CallToolResult) -> u32 {
    let written = serde_json::to_vec(result).map_or(usize::MAX, |text| text.len());
    u32::try_from(written).unwrap_or(u32::MAX)
}

/// Answers from a [`ResultCache`].
#[derive(Clone, Debug)]
pub struct Cache<C> {
    inner: C,
    cache: Option<ResultCache>,
}

/// Makes [`Cache`] callers, which share the results.
#[derive(Clone, Debug)]
pub struct CacheLayer {
    cache: Option<ResultCache>,
}

impl CacheLayer {
    /// With these results; without any, every call is made.
    pub fn new(cache: impl Into<Option<ResultCache>>) -> Self {
        Self { cache: cache.into() }
    }
}

impl<C> Layer<C> for CacheLayer {
    type Service = Cache<C>;

    fn layer(&self, inner: C) -> Cache<C> {
        Cache { inner, cache: self.cache.clone() }
    }
}

impl<C: Caller> Caller for Cache<C> {
    async fn call(&self, call: Call) -> Result<Reply, CallError> {
        let Some(ResultCache(shared)) = &self.cache else { return self.inner.call(call).await };
        // What one person answers is not for another.
        let may_ask = call.dialog.as_ref().is_some_and(|dialog| dialog.is_possible());
        if !may_ask && let Some(ttl) = shared.rules.ttl_of(&call, &shared.trust) {
            // In a box, since moka's future is large.
            return Box::pin(shared.read(&self.inner, call, ttl)).await;
        }
        if shared.trust.knows_read(&call) {
            return self.inner.call(call).await;
        }
        // Before, lest a read that runs beside it is kept; after, lest one in between is.
        let _after = Changed { shared, server: Arc::clone(&call.server) };
        shared.changed(&call.server);
        self.inner.call(call).await
    }
}

/// A call that may change something, even if it is dropped on its way.
struct Changed<'a> {
    shared: &'a Shared,
    server: Arc<str>,
}

impl Drop for Changed<'_> {
    fn drop(&mut self) {
        self.shared.changed(&self.server);
    }
}

impl fmt::Debug for ResultCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResultCache")
            .field("rules", &self.0.rules)
            .field("report", &self.report())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
