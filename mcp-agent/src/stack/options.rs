//! Which layers there are, and how they are set.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use crate::layers::{
    AuditLog, BreakerPolicy, CacheRules, Chooser, ConcurrencyLimits, Middleware, Observe,
    RateRules, ResultSharing, RetryRules, SharedRates, Trust, audit::Principals,
};

/// Which layers a [`Stack`](super::Stack) has. By default calls are counted, take at most ten
/// minutes, run ten at a time, and leave alone a server that keeps failing; the rest is by choice.
#[derive(Clone)]
#[non_exhaustive]
pub struct StackOptions {
    /// The longest time of a call, waits and repetitions included, unless it has its own.
    pub deadline: Option<Duration>,
    /// The longest silence of a server; progress starts it anew. The client's own limit when
    /// `None`.
    pub idle: Option<Duration>,
    /// The longest time of one attempt.
    pub attempt_timeout: Option<Duration>,
    /// When a server is left alone.
    pub breaker: Option<BreakerPolicy>,
    /// How many calls run at a time.
    pub concurrency: ConcurrencyLimits,
    /// How often each server may be called.
    pub rate: Option<RateRules>,
    /// Who counts calls for several processes, by whose limits each keeps to its part.
    pub shared_rates: Option<Arc<dyn SharedRates>>,
    /// When a call is made again.
    pub retry: Option<RetryRules>,
    /// Which results are kept.
    pub cache: Option<CacheRules>,
    /// Where other processes look for results too.
    pub shared_results: Option<ResultSharing>,
    /// Where calls are recorded.
    pub audit: Option<AuditLog>,
    /// Who asks, for that record.
    pub principals: Option<Principals>,
    /// Whose hints about tools are believed, by the cache, the repetition and the breaker.
    pub trust: Trust,
    /// What the program itself does around calls, outside in.
    pub middleware: Vec<Arc<dyn Middleware>>,
    /// Who hears of every call.
    pub observers: Vec<Arc<dyn Observe>>,
    /// Chooses among like servers; among the replicas of the configuration when `None`. Results are
    /// kept under the name that was called, whoever was chosen.
    pub chooser: Option<Arc<dyn Chooser>>,
    /// Limits of some servers, by name.
    pub servers: BTreeMap<String, ServerLimits>,
}

/// The limits of one server, where they differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerLimits {
    /// How many calls run at a time.
    pub concurrency: Option<usize>,
    /// How often it may be called.
    pub rate: Option<RateRules>,
    /// The longest time of one attempt.
    pub attempt_timeout: Option<Duration>,
}

impl Default for StackOptions {
    fn default() -> Self {
        Self {
            deadline: Some(Duration::from_secs(600)),
            idle: None,
            attempt_timeout: None,
            breaker: Some(BreakerPolicy::default()),
            concurrency: ConcurrencyLimits::default(),
            rate: None,
            shared_rates: None,
            retry: None,
            cache: None,
            shared_results: None,
            audit: None,
            principals: None,
            trust: Trust::default(),
            middleware: Vec::new(),
            observers: Vec::new(),
            chooser: None,
            servers: BTreeMap::new(),
        }
    }
}

impl StackOptions {
    /// The longest time of a call.
    #[must_use]
    pub fn deadline(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.deadline = limit.into();
        self
    }

    /// The longest silence of a server.
    #[must_use]
    pub fn idle(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.idle = limit.into();
        self
    }

    /// The longest time of one attempt.
    #[must_use]
    pub fn attempt_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.attempt_timeout = limit.into();
        self
    }

    /// When a server is left alone; never if `None`.
    #[must_use]
    pub fn breaker(mut self, policy: impl Into<Option<BreakerPolicy>>) -> Self {
        self.breaker = policy.into();
        self
    }

    /// How many calls run at a time.
    #[must_use]
    pub fn concurrency(mut self, limits: ConcurrencyLimits) -> Self {
        self.concurrency = limits;
        self
    }

    /// How often each server may be called.
    #[must_use]
    pub fn rate(mut self, rules: impl Into<Option<RateRules>>) -> Self {
        self.rate = rules.into();
        self
    }

    /// Who counts calls for several processes.
    #[must_use]
    pub fn shared_rates(mut self, source: impl SharedRates) -> Self {
        self.shared_rates = Some(Arc::new(source));
        self
    }

    /// When a call is made again.
    #[must_use]
    pub fn retry(mut self, rules: impl Into<Option<RetryRules>>) -> Self {
        self.retry = rules.into();
        self
    }

    /// Which results are kept.
    #[must_use]
    pub fn cache(mut self, rules: impl Into<Option<CacheRules>>) -> Self {
        self.cache = rules.into();
        self
    }

    /// Where other processes look for results too.
    #[must_use]
    pub fn shared_results(mut self, sharing: impl Into<Option<ResultSharing>>) -> Self {
        self.shared_results = sharing.into();
        self
    }

    /// Where calls are recorded.
    #[must_use]
    pub fn audit(mut self, log: impl Into<Option<AuditLog>>) -> Self {
        self.audit = log.into();
        self
    }

    /// Says who asks for a call, for the record.
    #[must_use]
    pub fn principals(
        mut self,
        source: impl Fn() -> Option<Arc<str>> + Send + Sync + 'static,
    ) -> Self {
        self.principals = Some(Arc::new(source));
        self
    }

    /// Whose hints about tools are believed.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Adds middleware, further in than what was added before.
    #[must_use]
    pub fn middleware(mut self, middleware: impl Middleware + 'static) -> Self {
        self.middleware.push(Arc::new(middleware));
        self
    }

    /// Adds somebody who hears of every call.
    #[must_use]
    pub fn observer(mut self, observer: impl Observe + 'static) -> Self {
        self.observers.push(Arc::new(observer));
        self
    }

    /// Chooses among like servers.
    #[must_use]
    pub fn chooser(mut self, chooser: impl Chooser + 'static) -> Self {
        self.chooser = Some(Arc::new(chooser));
        self
    }

    /// The limits of one server.
    #[must_use]
    pub fn server(mut self, name: impl Into<String>, limits: ServerLimits) -> Self {
        self.servers.insert(name.into(), limits);
        self
    }
}

impl ServerLimits {
    /// How many calls run at a time.
    #[must_use]
    pub fn concurrency(mut self, calls: usize) -> Self {
        self.concurrency = Some(calls);
        self
    }

    /// How often it may be called.
    #[must_use]
    pub fn rate(mut self, rules: RateRules) -> Self {
        self.rate = Some(rules);
        self
    }

    /// The longest time of one attempt.
    #[must_use]
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = Some(limit);
        self
    }
}

impl fmt::Debug for StackOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackOptions")
            .field("deadline", &self.deadline)
            .field("idle", &self.idle)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("breaker", &self.breaker)
            .field("concurrency", &self.concurrency)
            .field("rate", &self.rate)
            .field("shared_rates", &self.shared_rates)
            .field("retry", &self.retry)
            .field("cache", &self.cache)
            .field("shared_results", &self.shared_results)
            .field("audit", &self.audit)
            .field("trust", &self.trust)
            .field("servers", &self.servers)
            .finish_non_exhaustive()
    }
}
