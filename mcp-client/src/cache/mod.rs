//! Results that may be used again: lists and resources, for as long as their server says
//! (2026-07-28, "Caching").
//!
//! A result is found again only for the same server, revision, declared capabilities, method and
//! parameters, and unless the server called it public only by the same client with the same
//! authorization. Announced changes make it old at once.

mod access;
mod cached;
mod flight;
mod key;
mod store;

use std::{
    any::Any,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mcp_protocol::cache_hint::CacheHint;
use tokio::time::Instant;

pub use self::cached::{Cached, Source};
pub(crate) use self::{
    access::{CacheAccess, Fetched, Wish},
    key::Subject,
};
use self::{
    flight::Flights,
    key::{Key, Owner},
    store::{Entry, Store},
};

/// Remembers results for one client or several. Cloning gives another handle to the same cache.
///
/// By default each client has its own, of 8 MiB, and keeps to what servers say: a result without
/// `ttlMs`, as from every legacy server, is asked for each time.
///
/// ```
/// use mcp_client::{Cache, ClientOptions};
///
/// let cache = Cache::new(32 << 20);
/// let mut options = ClientOptions::default();
/// options.cache = cache.clone();
/// // … connect and work …
/// println!("{} of {} found", cache.stats().hits, cache.stats().lookups());
/// ```
#[derive(Clone)]
pub struct Cache(Arc<Inner>);

struct Inner {
    store: Mutex<Store>,
    counts: Mutex<CacheStats>,
    assumed: Duration,
    flights: Flights,
}

/// What a cache has done and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Lookups that found a fresh result.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// The part of the hits that waited for the request of another caller.
    pub joined: u64,
    /// Old results that were given because no new one could be had.
    pub stale: u64,
    /// Results that were stored.
    pub stored: u64,
    /// Results that an announced change made old.
    pub invalidated: u64,
    /// Results that had to make room.
    pub evicted: u64,
    /// Results that are held now, fresh or not.
    pub entries: usize,
    /// Their size as text.
    pub bytes: usize,
}

impl CacheStats {
    /// Hits and misses together.
    pub fn lookups(&self) -> u64 {
        self.hits + self.misses
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self::new(8 << 20)
    }
}

impl Cache {
    /// A cache that holds so much text of results at most; the least recently used make room.
    pub fn new(max_bytes: usize) -> Self {
        Self::with(max_bytes, Duration::ZERO)
    }

    /// No cache: everything is asked for each time.
    pub fn off() -> Self {
        Self::new(0)
    }

    /// A cache that takes results without a `ttlMs` for fresh for a while, as of legacy servers.
    /// Sensible for a client that [watches](crate::Client::watch) what it asks for.
    pub fn assuming(max_bytes: usize, fresh_for: Duration) -> Self {
        Self::with(max_bytes, fresh_for)
    }

    fn with(max_bytes: usize, assumed: Duration) -> Self {
        Self(Arc::new(Inner {
            store: Mutex::new(Store::new(max_bytes)),
            counts: Mutex::default(),
            assumed,
            flights: Flights::default(),
        }))
    }

    /// What it has done and holds.
    pub fn stats(&self) -> CacheStats {
        let counts = *self.counts();
        let store = self.store();
        CacheStats {
            entries: store.len(),
            bytes: store.bytes(),
            evicted: store.evicted(),
            ..counts
        }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.store().clear();
    }

    fn is_on(&self) -> bool {
        self.store().max_bytes() > 0
    }

    /// How long a result is fresh; `None` where its server says nothing and nothing is assumed.
    fn fresh_for(&self, hint: Option<CacheHint>) -> Option<Duration> {
        match hint {
            Some(hint) => Some(hint.fresh_for),
            None => Some(self.0.assumed).filter(|assumed| !assumed.is_zero()),
        }
    }

    fn flights(&self) -> &Flights {
        &self.0.flights
    }

    /// The result for one of these owners, fresh or not.
    fn find<T: Any + Send + Sync>(
        &self,
        owners: &[&Owner],
        subject: &Subject,
        now: Instant,
    ) -> Option<Found<T>> {
        let mut store = self.store();
        owners.iter().find_map(|owner| {
            let entry = store.get(&Key::new(owner, subject))?;
            let value = Arc::clone(&entry.value).downcast().ok()?;
            Some(Found { value, age: entry.age(now), fresh: entry.is_fresh(now) })
        })
    }

    fn keep<T: Any + Send + Sync>(&self, owner: &Owner, subject: &Subject, new: New<T>) {
        let New { value, bytes, received, fresh_for } = new;
        let entry = Entry { value, bytes, received, fresh_for, is_changed: false };
        if self.store().put(Key::new(owner, subject), entry) {
            self.counts().stored += 1;
        }
    }

    /// Makes results old that belong to one of these owners and of which `is_old` says so.
    fn invalidate(&self, owners: &[&Owner], is_old: impl Fn(&Subject) -> bool) -> u64 {
        let count = self.store().invalidate(|key| {
            owners.iter().any(|owner| key.belongs_to(owner)) && is_old(&key.subject)
        });
        self.counts().invalidated += count;
        count
    }

    fn counts(&self) -> MutexGuard<'_, CacheStats> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A result that was found.
struct Found<T> {
    value: Arc<T>,
    age: Duration,
    fresh: bool,
}

/// A result that has just come.
struct New<T> {
    value: Arc<T>,
    /// Of its text.
    bytes: usize,
    received: Instant,
    fresh_for: Duration,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cache").field(&self.stats()).finish()
    }
}
