//! Limits that several processes share, without asking anybody before each call.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::Rate;
use crate::model::BoxFuture;

/// The most calls that are leased at once.
const MAX_LEASE: u32 = 100;

/// Counts the calls of all processes that share a limit.
pub trait SharedRates: fmt::Debug + Send + Sync + 'static {
    /// Takes up to `wanted` calls of the limit of this name, for this process to make when it likes.
    /// To be answered soon: calls wait for it.
    fn lease<'a>(
        &'a self,
        name: &'a str,
        rate: Rate,
        wanted: u32,
    ) -> BoxFuture<'a, Result<Lease, SharedAway>>;
}

/// What was taken of a shared limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// So many calls, at least one.
    Granted(u32),
    /// None; there may be one after this time.
    NotBefore(Duration),
}

/// What processes share cannot be reached, so that each is on its own for now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what the replicas share is away: {reason}")]
pub struct SharedAway {
    /// Why.
    pub reason: Arc<str>,
}

/// How many calls are leased at once: a tenth of what may come at once, so that what replicas have
/// leased and not used is little beside it.
pub(super) fn lease_size(rate: Rate) -> u32 {
    (rate.burst_size() / 10).clamp(1, MAX_LEASE)
}

/// The part of a shared limit that this process has.
#[derive(Debug)]
pub(super) struct Leased {
    source: Arc<dyn SharedRates>,
    name: String,
    rate: Rate,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    left: u32,
    /// Before this there is nothing to be had.
    not_before: Option<Instant>,
}

/// What came of asking for one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    /// Not for so long.
    After(Duration),
    /// Nobody knows what the others do.
    Alone,
}

impl Leased {
    pub(super) fn new(source: Arc<dyn SharedRates>, name: String, rate: Rate) -> Self {
        Self { source, name, rate, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of the calls that this process has, without asking.
    pub(super) fn take_own(&self) -> bool {
        let mut state = self.lock();
        let has = state.left > 0;
        state.left = state.left.saturating_sub(1);
        has
    }

    /// One call, leased with others if there is none here. To be called by one at a time.
    pub(super) async fn take(&self) -> Taken {
        if self.take_own() {
            return Taken::Yes;
        }
        let now = Instant::now();
        let not_before = self.lock().not_before.filter(|time| *time > now);
        if let Some(time) = not_before {
            return Taken::After(time - now);
        }
        match self.source.lease(&self.name, self.rate, lease_size(self.rate)).await {
            Ok(Lease::Granted(calls)) => {
                let mut state = self.lock();
                state.not_before = None;
                state.left = calls.saturating_sub(1);
                Taken::Yes
            }
            Ok(Lease::NotBefore(wait)) => {
                self.lock().not_before = Some(Instant::now() + wait);
                Taken::After(wait)
            }
            Err(SharedAway { reason }) => {
                tracing::debug!(limit = self.name, %reason, "a limit is this process's own for now");
                Taken::Alone
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use serde_json::Map;
    use tower_layer::Layer as _;

    use super::{
        super::{RateLimit, RateLimitLayer, RateRules, WhenFull},
        *,
    };
    use crate::{
        caller::{Answer, Call, Caller as _, Reply},
        layers::testing::Fake,
    };

    /// So many calls for all, and then no more for a while.
    #[derive(Debug, Default)]
    struct Bucket {
        left: AtomicU32,
        asked: AtomicU32,
        is_away: AtomicBool,
    }

    impl SharedRates for Bucket {
        fn lease<'a>(
            &'a self,
            name: &'a str,
            _: Rate,
            wanted: u32,
        ) -> BoxFuture<'a, Result<Lease, SharedAway>> {
            Box::pin(async move {
                assert_eq!(name, "db");
                self.asked.fetch_add(1, Ordering::Relaxed);
                if self.is_away.load(Ordering::Relaxed) {
                    return Err(SharedAway { reason: "gone".into() });
                }
                let left = self.left.load(Ordering::Relaxed);
                let granted = left.min(wanted);
                self.left.store(left - granted, Ordering::Relaxed);
                Ok(match granted {
                    0 => Lease::NotBefore(Duration::from_secs(5)),
                    calls => Lease::Granted(calls),
                })
            })
        }
    }

    fn replica(bucket: &Arc<Bucket>, rate: Rate, when_full: WhenFull) -> RateLimit<Fake> {
        let server = Fake::new(|_, _| Box::pin(async { Ok(Reply::new(Answer::Pong)) }));
        let rules = RateRules::server(rate).when_full(when_full);
        let source: Arc<dyn SharedRates> = Arc::clone(bucket) as _;
        RateLimitLayer::new(rules).shared("db", source).layer(server)
    }

    fn call() -> Call {
        Call::tool("db", "query", Map::new())
    }

    async fn made(replica: &RateLimit<Fake>, calls: u32) -> u32 {
        let mut made = 0;
        for _ in 0..calls {
            made += u32::from(replica.call(call()).await.is_ok());
        }
        made
    }

    #[tokio::test(start_paused = true)]
    async fn replicas_share_one_limit_and_ask_once_for_many_calls() {
        let bucket = Arc::new(Bucket { left: 95.into(), ..Bucket::default() });
        let rate = Rate::per_minute(100);
        let one = replica(&bucket, rate, WhenFull::Refuse);
        let other = replica(&bucket, rate, WhenFull::Refuse);
        assert_eq!(made(&one, 50).await, 50);
        assert_eq!(bucket.asked.load(Ordering::Relaxed), 5);
        assert_eq!(made(&other, 200).await, 45);
        // The refusal is remembered, so that those who come again and again ask nobody.
        assert_eq!(bucket.asked.load(Ordering::Relaxed), 11);
        let refused = other.call(call()).await.unwrap_err();
        assert_eq!(refused.retry_after(), Some(Duration::from_secs(5)));
        tokio::time::advance(Duration::from_secs(5)).await;
        bucket.left.store(1, Ordering::Relaxed);
        assert_eq!(made(&other, 2).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_asks_again_when_there_may_be_more() {
        let bucket = Arc::new(Bucket::default());
        let replica = replica(&bucket, Rate::per_minute(10), WhenFull::Wait);
        let started = Instant::now();
        let filled = async {
            tokio::time::sleep(Duration::from_secs(7)).await;
            bucket.left.store(2, Ordering::Relaxed);
        };
        let calls = async { tokio::join!(replica.call(call()), replica.call(call())) };
        let ((one, other), ()) = tokio::join!(calls, filled);
        assert!(one.is_ok() && other.is_ok());
        assert_eq!(started.elapsed().as_secs(), 10);
        assert_eq!(bucket.asked.load(Ordering::Relaxed), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn alone_it_keeps_to_the_limit_by_itself() {
        let bucket = Arc::new(Bucket { is_away: true.into(), ..Bucket::default() });
        let replica = replica(&bucket, Rate::per_minute(20), WhenFull::Refuse);
        assert_eq!(made(&replica, 100).await, 20);
        bucket.is_away.store(false, Ordering::Relaxed);
        bucket.left.store(7, Ordering::Relaxed);
        assert_eq!(made(&replica, 100).await, 7);
    }
}
