//! The cache as one connection uses it.

use std::{
    any::Any,
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use mcp_protocol::{
    cache_hint::CacheHint,
    discover::Discover,
    method::Method,
    prompts::ListPrompts,
    resources::{ListResourceTemplates, ListResources, ReadResource},
    tools::ListTools,
    version::Era,
};
use mcp_transport::error::DeliveryErrorKind;
use tokio::time::Instant;

use super::{
    Cache, Cached, Found, New, Source,
    flight::Role,
    key::{Owner, Subject},
};
use crate::{CallError, CallErrorKind, Change, link::Link};

/// How many results that may not be kept are remembered as such.
const MAX_UNKEPT: usize = 1_024;

/// Numbers the connections of this process.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// What a connection knows of its cache.
#[derive(Debug)]
pub(crate) struct CacheAccess {
    cache: Cache,
    connection: u64,
    public: Option<Owner>,
    /// How often each kind of result was announced to have changed.
    changes: [AtomicU64; 5],
    /// What its server does not let be kept. Waiting for another's request would be in vain.
    unkept: Mutex<HashSet<Subject>>,
    /// The result of another connection that this one has learnt from.
    learnt: Mutex<Option<Weak<dyn Any + Send + Sync>>>,
}

/// A result as it came from the server.
pub(crate) struct Fetched<T> {
    pub(crate) value: T,
    /// Of its text.
    pub(crate) bytes: usize,
    pub(crate) received: Instant,
    /// `None` where the server said nothing, or where it must not be kept.
    pub(crate) hint: Option<CacheHint>,
    /// Whether it depends on nothing but its subject.
    pub(crate) is_pure: bool,
}

/// Where to look, and what to give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A fresh result.
    #[default]
    Fresh,
    /// A fresh result, or an old one when the server cannot be asked.
    FreshOrStale,
    /// What the server says now.
    Anew,
}

impl CacheAccess {
    /// `server` tells the server from others; `manner` is how requests are made.
    pub(crate) fn new(cache: Cache, server: Option<u64>, manner: &str) -> Self {
        let public = server.map(|server| Owner::Public { server, manner: manner.into() });
        let connection = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        Self {
            cache,
            connection,
            public,
            changes: Default::default(),
            unkept: Mutex::default(),
            learnt: Mutex::default(),
        }
    }

    /// The number of the connection, another one for each of this process.
    pub(crate) fn connection(&self) -> u64 {
        self.connection
    }

    fn private(&self, authorization: u64) -> Owner {
        Owner::Private { connection: self.connection, authorization }
    }

    fn changes(&self, subject: &Subject) -> &AtomicU64 {
        &self.changes[kind_of(subject)]
    }

    fn unkept(&self) -> MutexGuard<'_, HashSet<Subject>> {
        self.unkept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this connection sees the result of another one for the first time.
    fn is_news<T: Any + Send + Sync>(&self, value: &Arc<T>) -> bool {
        let value: Arc<dyn Any + Send + Sync> = Arc::clone(value) as _;
        let new = Arc::downgrade(&value);
        let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = learnt.as_ref().is_some_and(|known| known.ptr_eq(&new));
        *learnt = Some(new);
        !is_known
    }

    /// Makes old what a change concerns.
    fn note(&self, change: &Change, authorization: u64) {
        let private = self.private(authorization);
        let owners: Vec<_> = self.public.iter().chain([&private]).collect();
        let kinds: &[usize] = match change {
            Change::Tools => &[0],
            Change::Prompts => &[1],
            Change::Resources => &[2],
            Change::Resource(_) => &[3],
            Change::Gap => &[0, 1, 2, 3],
            Change::Task(_) | Change::LegacyTask(_) => return,
        };
        for kind in kinds {
            self.changes[*kind].fetch_add(1, Ordering::Relaxed);
        }
        let count = self.cache.invalidate(&owners, |subject| {
            kinds.contains(&kind_of(subject))
                && match change {
                    Change::Resource(uri) => are_related(uri, &subject.uri),
                    _ => true,
                }
        });
        if count == 0 && matches!(change, Change::Resource(_)) {
            // Only the server knows what this is a part of.
            self.cache.invalidate(&owners, |subject| subject.method == ReadResource::NAME);
        }
    }
}

impl Link {
    /// Whether results of this server may be found in the cache.
    pub(crate) fn is_cached(&self) -> bool {
        let cache = &self.cache.cache;
        cache.is_on() && (self.era == Era::Modern || cache.fresh_for(None).is_some())
    }

    /// Makes old what a change concerns.
    pub(crate) fn note_change(&self, change: &Change) {
        self.cache.note(change, self.transport.authorization());
    }

    /// Gives a result of the cache, or fetches it, once for all who want it at the same time.
    /// `learn` is shown a result that another connection has fetched.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the request; another who waits for it makes its own.
    pub(crate) async fn cached<T: Any + Send + Sync>(
        &self,
        subject: Subject,
        wish: Wish,
        learn: impl Fn(&T) + Send,
        fetch: impl Future<Output = Result<Fetched<T>, CallError>> + Send,
    ) -> Result<Cached<T>, CallError> {
        let CacheAccess { cache, public, .. } = &self.cache;
        let authorization = self.transport.authorization();
        let private = self.cache.private(authorization);
        let find = || {
            let mine = cache.find::<T>(&[&private], &subject, Instant::now());
            if let Some(found) = mine.filter(|found| found.fresh) {
                return Some(found);
            }
            let found = cache.find::<T>(&[public.as_ref()?], &subject, Instant::now())?;
            if self.cache.is_news(&found.value) {
                learn(&found.value);
            }
            Some(found)
        };
        let hit = |Found { value, age, .. }: Found<T>| Cached::new(value, Source::Cache { age });
        let mut lead = None;
        if wish != Wish::Anew {
            if let Some(found) = find().filter(|found| found.fresh) {
                cache.counts().hits += 1;
                return Ok(hit(found));
            }
            if !self.cache.unkept().contains(&subject) {
                match cache.flights().join(&private, &subject) {
                    Role::Lead(leading) => lead = Some(leading),
                    Role::Follow(follow) => {
                        follow.landed().await;
                        if let Some(found) = find().filter(|found| found.fresh) {
                            let mut counts = cache.counts();
                            counts.hits += 1;
                            counts.joined += 1;
                            drop(counts);
                            return Ok(hit(found));
                        }
                    }
                }
            }
            cache.counts().misses += 1;
        }
        let before = self.cache.changes(&subject).load(Ordering::Relaxed);
        let fetched = match fetch.await {
            Ok(fetched) => fetched,
            Err(error) if wish == Wish::FreshOrStale && is_outage(&error) => {
                let old = cache.find::<T>(&[&private], &subject, Instant::now()).or_else(find);
                let Some(Found { value, age, .. }) = old else { return Err(error) };
                cache.counts().stale += 1;
                return Ok(Cached::new(value, Source::Stale { age, error }));
            }
            Err(error) => return Err(error),
        };
        let Fetched { value, bytes, received, hint, is_pure } = fetched;
        let value = Arc::new(value);
        let fresh_for = cache.fresh_for(hint).filter(|fresh_for| is_pure && !fresh_for.is_zero());
        let is_current = before == self.cache.changes(&subject).load(Ordering::Relaxed)
            && authorization == self.transport.authorization();
        let mut unkept = self.cache.unkept();
        if let Some(fresh_for) = fresh_for {
            unkept.remove(&subject);
            drop(unkept);
            if is_current {
                let shared = public.as_ref().filter(|_| hint.is_some_and(|hint| hint.shareable));
                let new = New { value: Arc::clone(&value), bytes, received, fresh_for };
                cache.keep(shared.unwrap_or(&private), &subject, new);
                if shared.is_some() {
                    self.cache.is_news(&value);
                }
            }
        } else {
            if unkept.len() >= MAX_UNKEPT {
                unkept.clear();
            }
            unkept.insert(subject);
        }
        drop(lead);
        Ok(Cached::new(value, Source::Server))
    }
}

/// What can be announced to have changed: tools, prompts, resources, contents. And what cannot.
fn kind_of(subject: &Subject) -> usize {
    match subject.method {
        ListTools::NAME => 0,
        ListPrompts::NAME => 1,
        ListResources::NAME | ListResourceTemplates::NAME => 2,
        // No notification tells that a server is another.
        Discover::NAME => 4,
        _ => 3,
    }
}

/// Whether one may be a part of the other.
fn are_related(one: &str, other: &str) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// Whether the server could not be asked, rather than that it said no.
fn is_outage(error: &CallError) -> bool {
    match error.kind() {
        CallErrorKind::NotSent(failure) | CallErrorKind::Lost(failure) => {
            !matches!(failure.kind, DeliveryErrorKind::Authorization(_))
        }
        CallErrorKind::TimedOut { .. } => true,
        CallErrorKind::Http(failure) => {
            failure.status.is_server_error()
                || failure.status == http::StatusCode::TOO_MANY_REQUESTS
        }
        _ => false,
    }
}
