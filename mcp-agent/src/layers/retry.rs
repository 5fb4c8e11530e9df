//! Makes a call again, where that can do no harm.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::sleep;
use tower_layer::Layer;

use super::Trust;
use crate::caller::{Call, CallError, Caller, Reply};

/// When a call is made again.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RetryRules {
    /// How often a call is made in all.
    pub max_attempts: u32,
    /// The first wait; it doubles each time, and is spread at random.
    pub first_wait: Duration,
    /// The longest wait. Whoever asks for a longer one is not called again.
    pub max_wait: Duration,
    /// How many repetitions each call allows on average, for each server by itself: one that is in
    /// trouble is not drowned in them.
    pub budget: f64,
    /// Tools that may run twice, as `server.tool`, whatever their server says.
    pub repeatable: BTreeSet<String>,
}

impl Default for RetryRules {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            first_wait: Duration::from_millis(200),
            max_wait: Duration::from_secs(20),
            budget: 0.2,
            repeatable: BTreeSet::new(),
        }
    }
}

impl RetryRules {
    /// How often a call is made in all; at least once.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// The first wait.
    #[must_use]
    pub fn first_wait(mut self, wait: Duration) -> Self {
        self.first_wait = wait;
        self
    }

    /// A tool that may run twice, as `server.tool`.
    #[must_use]
    pub fn repeatable(mut self, tool: impl Into<String>) -> Self {
        self.repeatable.insert(tool.into());
        self
    }

    fn waits(&self) -> ExponentialBackoff {
        ExponentialBuilder::default()
            .with_min_delay(self.first_wait)
            .with_max_delay(self.max_wait)
            .with_max_times(usize::try_from(self.max_attempts.saturating_sub(1)).unwrap_or(1))
            .with_jitter()
            .build()
    }
}

/// Makes a call again that surely was not sent, or that is safe to repeat: a read, or a tool that a
/// trusted server calls read-only or idempotent.
#[derive(Debug)]
pub struct Retry<C> {
    inner: C,
    rules: Option<Arc<RetryRules>>,
    trust: Arc<Trust>,
    /// Of each server, and which entry of that name it is for.
    budgets: Mutex<HashMap<Arc<str>, (u64, Budget)>>,
}

/// Makes [`Retry`] callers.
#[derive(Clone, Debug)]
pub struct RetryLayer {
    rules: Option<Arc<RetryRules>>,
    trust: Arc<Trust>,
}

impl RetryLayer {
    /// By these rules; never without any.
    pub fn new(rules: impl Into<Option<RetryRules>>) -> Self {
        Self { rules: rules.into().map(Arc::new), trust: Arc::default() }
    }

    /// Whose hints about tools are believed.
    #[must_use]
    pub fn trust(mut self, trust: impl Into<Arc<Trust>>) -> Self {
        self.trust = trust.into();
        self
    }
}

impl<C> Layer<C> for RetryLayer {
    type Service = Retry<C>;

    fn layer(&self, inner: C) -> Retry<C> {
        Retry {
            inner,
            rules: self.rules.clone(),
            trust: Arc::clone(&self.trust),
            budgets: Mutex::default(),
        }
    }
}

/// How many repetitions are left. A value.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Budget {
    left: f64,
    share: f64,
}

impl Budget {
    /// What a quiet program may spend at once.
    const MOST: f64 = 10.0;

    fn new(share: f64) -> Self {
        Self { left: Self::MOST, share: share.max(0.0) }
    }

    fn call(&mut self) {
        self.left = (self.left + self.share).min(Self::MOST);
    }

    fn repeat(&mut self) -> bool {
        let enough = self.left >= 1.0;
        if enough {
            self.left -= 1.0;
        }
        enough
    }
}

impl<C: Caller> Retry<C> {
    fn may_repeat(&self, rules: &RetryRules, call: &Call, error: &CallError) -> bool {
        if error.is_retryable() {
            return true;
        }
        let named = call.operation.tool().is_some_and(|tool| {
            !rules.repeatable.is_empty()
                && rules.repeatable.contains(&format!("{}.{tool}", call.server))
        });
        (named || self.trust.knows_repeatable(call)) && error.may_pass()
    }

    /// A server that took the place of another begins with a budget of its own.
    fn with_budget<T>(&self, share: f64, call: &Call, spend: impl FnOnce(&mut Budget) -> T) -> T {
        let entry = call.identity.entry;
        let new = || (entry, Budget::new(share));
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, budget) = match budgets.get_mut(&call.server) {
            Some(known) => known,
            None => budgets.entry(Arc::clone(&call.server)).or_insert_with(new),
        };
        if *of < entry {
            (*of, *budget) = new();
        }
        spend(budget)
    }

    /// A name that nobody has leaves nothing behind.
    fn forget(&self, server: &str) {
        self.budgets.lock().unwrap_or_else(PoisonError::into_inner).remove(server);
    }
}

impl<C: Caller> Caller for Retry<C> {
    async fn call(&self, call: Call) -> Result<Reply, CallError> {
        let Some(rules) = &self.rules else { return self.inner.call(call).await };
        self.with_budget(rules.budget, &call, Budget::call);
        let mut waits = None;
        loop {
            let error = match self.inner.call(call.clone()).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            if let CallError::UnknownServer { .. } = &error {
                self.forget(&call.server);
            }
            if !self.may_repeat(rules, &call, &error) {
                return Err(error);
            }
            let Some(planned) = waits.get_or_insert_with(|| rules.waits()).next() else {
                return Err(error);
            };
            // Whoever asks for no wait at all may be wrong again and again.
            let wait = error.retry_after().map_or(planned, |asked| asked.max(planned));
            if wait > rules.max_wait || !self.with_budget(rules.budget, &call, Budget::repeat) {
                return Err(error);
            }
            let (server, reason) = (&call.server, error.explain());
            tracing::debug!(%server, %reason, ?wait, "the call is made again");
            sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Map;
    use tokio::time::Instant;

    use super::*;
    use crate::{
        caller::{Answer, TimeScope, ToolHints},
        layers::testing::{Fake, on_paused_clock},
    };

    const SECOND: Duration = Duration::from_secs(1);

    fn lost(call: &Call) -> CallError {
        CallError::TimedOut {
            server: Arc::clone(&call.server),
            method: "tools/call",
            after: SECOND,
            scope: TimeScope::Attempt,
            sent: true,
        }
    }

    /// Fails so often before it works.
    fn flaky(failures: usize) -> Arc<Fake> {
        Arc::new(Fake::new(move |call, before| {
            Box::pin(async move {
                if before < failures { Err(lost(&call)) } else { Ok(Reply::new(Answer::Pong)) }
            })
        }))
    }

    fn hints(read_only: bool, idempotent: bool) -> ToolHints {
        ToolHints { read_only, idempotent }
    }

    #[track_caller]
    fn check(call: &Call, trust: Trust, attempts: usize) {
        let server = flaky(9);
        let rules = RetryRules::default().repeatable("db.named");
        let caller = RetryLayer::new(rules).trust(trust).layer(Arc::clone(&server));
        on_paused_clock(caller.call(call.clone())).unwrap_err();
        assert_eq!(server.calls(), attempts);
    }

    #[test]
    fn what_may_have_run_is_repeated_only_if_it_is_safe() {
        let tool = |name: &str| Call::tool("db", name, Map::new());
        check(&tool("write"), Trust::Everybody, 1);
        check(&tool("read").hints(hints(true, false)), Trust::Nobody, 1);
        check(&tool("read").hints(hints(true, false)), Trust::Everybody, 3);
        check(&tool("set").hints(hints(false, true)), Trust::Servers(["db".to_owned()].into()), 3);
        check(&tool("set").hints(hints(false, true)), Trust::Servers(["x".to_owned()].into()), 1);
        check(&tool("named"), Trust::Nobody, 3);
        let read = crate::caller::Operation::ReadResource { uri: "file:///a".into() };
        check(&Call::new("db", read), Trust::Nobody, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn works_at_last() {
        let caller = RetryLayer::new(RetryRules::default()).trust(Trust::Everybody).layer(flaky(2));
        let call = Call::tool("db", "read", Map::new()).hints(hints(true, false));
        let started = Instant::now();
        caller.call(call).await.unwrap();
        // 200 ms and 400 ms, each up to doubled by chance.
        let took = started.elapsed().as_millis();
        assert!((600..=1300).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_longer_wait_than_allowed_is_not_waited() {
        let asks = Arc::new(Fake::new(|call, _| {
            Box::pin(async move {
                Err(CallError::RateLimited {
                    server: call.server,
                    tool: None,
                    retry_in: 60 * SECOND,
                })
            })
        }));
        let caller = RetryLayer::new(RetryRules::default()).layer(Arc::clone(&asks));
        caller.call(Call::new("db", crate::caller::Operation::Ping)).await.unwrap_err();
        assert_eq!(asks.calls(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn each_server_has_a_budget_and_a_new_one_begins_anew() {
        let server = flaky(usize::MAX);
        let rules = RetryRules { budget: 0.0, ..RetryRules::default() };
        let caller = RetryLayer::new(rules.repeatable("a.x").repeatable("b.x"));
        let caller = caller.layer(Arc::clone(&server));
        let attempts = async |name: &str, entry| {
            let mut call = Call::tool(name, "x", Map::new());
            call.identity.entry = entry;
            let before = server.calls();
            caller.call(call).await.unwrap_err();
            server.calls() - before
        };
        // Ten repetitions, two for each call.
        for _ in 0..5 {
            assert_eq!(attempts("a", 1).await, 3);
        }
        assert_eq!(attempts("a", 1).await, 1);
        assert_eq!(attempts("b", 1).await, 3);
        assert_eq!(attempts("a", 2).await, 3);
        // One that began before the other came takes nothing back.
        assert_eq!(attempts("a", 1).await, 3);
        for _ in 0..3 {
            attempts("a", 2).await;
        }
        assert_eq!(attempts("a", 1).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn made_up_names_leave_no_budget_behind() {
        let nobody = Fake::new(|call, _| {
            Box::pin(async move { Err(CallError::UnknownServer { server: call.server }) })
        });
        let caller = RetryLayer::new(RetryRules::default()).layer(nobody);
        for number in 0..100 {
            caller.call(Call::tool(number.to_string(), "x", Map::new())).await.unwrap_err();
        }
        assert!(caller.budgets.lock().unwrap().is_empty());
    }

    proptest! {
        /// However calls and failures come, repetitions stay below a share of the calls.
        #[test]
        fn repetitions_stay_within_the_budget(steps in proptest::collection::vec(any::<bool>(), 0..500)) {
            let mut budget = Budget::new(0.2);
            let (mut calls, mut repeated) = (0.0, 0.0);
            for is_call in steps {
                if is_call {
                    budget.call();
                    calls += 1.0;
                } else if budget.repeat() {
                    repeated += 1.0;
                }
                prop_assert!(repeated <= Budget::MOST + 0.2 * calls + 1e-9);
            }
        }
    }
}
