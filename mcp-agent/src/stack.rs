//! The layers between the agent and its servers, in their order.

mod options;
mod prometheus;
mod report;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use tower_layer::Layer;

pub use self::{
    options::{ServerLimits, StackOptions},
    report::{ServerReport, StackReport},
};
use crate::{
    caller::{Call, CallError, Caller, Identities, Reply, SharedCaller},
    layers::{
        Audit, AuditLayer, Balance, BalanceLayer, BreakerLayer, BreakerReport, Cache, CacheLayer,
        ConcurrencyLayer, Deadline, DeadlineLayer, Metrics, MetricsLayer, Middlewares,
        MiddlewaresLayer, RateLimitLayer, ResultCache, Retry, RetryLayer, SharedRates,
    },
};

/// Calls servers with everything around a call that a program wants: limits, repetition, a cache,
/// a record. Cloning gives another handle to the same stack.
///
/// Outside in: metrics, audit, deadline, the program's own middleware, cache, retry, balance; then
/// for each server a breaker, a rate limit, its places, the limit of one attempt, and the server.
///
/// ```
/// use std::time::Duration;
///
/// use mcp_agent::{
///     caller::{Call, Caller, ServerCaller},
///     layers::{Rate, RateRules, RetryRules},
///     stack::{Stack, StackOptions},
/// };
///
/// # async fn example(hub: mcp_client::Hub) -> Result<(), mcp_agent::caller::CallError> {
/// let options = StackOptions::default()
///     .deadline(Duration::from_secs(120))
///     .retry(RetryRules::default())
///     .rate(RateRules::server(Rate::per_minute(60).burst(10)));
/// let stack = Stack::new(ServerCaller::of_hub(hub), &options);
///
/// let arguments = serde_json::Map::from_iter([("path".to_owned(), "notes.md".into())]);
/// let reply = stack.call(Call::tool("files", "read", arguments)).await?;
/// println!("{reply:?}");
/// for server in stack.report().servers {
///     println!("{}: {} running, {:?}", server.name, server.running, server.breaker);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Stack(Arc<Built>);

type Shared = Metrics<Audit<Deadline<Middlewares<Cache<Retry<Balance<Routes>>>>>>>;

struct Built {
    caller: Shared,
    identities: Option<Identities>,
    metrics: MetricsLayer,
    cache: Option<ResultCache>,
    routes: Routes,
}

impl Stack {
    /// Puts the layers around the servers.
    pub fn new(servers: impl Caller + 'static, options: &StackOptions) -> Self {
        let trust = Arc::new(options.trust.clone());
        let metrics = MetricsLayer::new(options.observers.iter().cloned());
        let cache = options.cache.clone().map(|rules| {
            ResultCache::shared(rules, Arc::clone(&trust), options.shared_results.clone())
        });
        let chooser = options.chooser.clone().or_else(|| servers.chooser());
        let identities = servers.identities();
        let routes = Routes::new(
            SharedCaller::new(servers),
            options,
            Arc::clone(&trust),
            identities.clone(),
        );
        let balanced = BalanceLayer::new(chooser).layer(routes.clone());
        let retried = RetryLayer::new(options.retry.clone()).trust(trust).layer(balanced);
        let cached = CacheLayer::new(cache.clone()).layer(retried);
        let own = MiddlewaresLayer::new(options.middleware.iter().cloned()).layer(cached);
        let timed = DeadlineLayer::call(options.deadline).idle(options.idle).layer(own);
        let audited = AuditLayer::new(options.audit.clone())
            .principals(options.principals.clone())
            .layer(timed);
        let caller = metrics.layer(audited);
        Self(Arc::new(Built { caller, identities, metrics, cache, routes }))
    }

    /// What the layers did and do.
    pub fn report(&self) -> StackReport {
        let Built { metrics, cache, routes, .. } = &*self.0;
        StackReport {
            servers: routes.report(metrics),
            operations: metrics.report(),
            cache: cache.as_ref().map(ResultCache::report),
        }
    }

    /// Forgets all results that are kept.
    pub fn clear_cache(&self) {
        if let Some(cache) = &self.0.cache {
            cache.clear();
        }
    }
}

impl Caller for Stack {
    fn call(&self, mut call: Call) -> impl Future<Output = Result<Reply, CallError>> + Send {
        let identities = self.0.identities.as_ref();
        if let Some(identity) = identities.and_then(|of| of(&call.server)) {
            call.identity = identity;
        }
        self.0.caller.call(call)
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stack").field(&self.0.caller).finish()
    }
}

/// Leads each call to the layers of its server, or of the replica that was chosen, which come to be
/// with its first call and end with the entry of the configuration that they were made for. The
/// limits of a server are those of each of its replicas.
#[derive(Clone)]
struct Routes(Arc<Routing>);

struct Routing {
    servers: SharedCaller,
    breaker: Option<BreakerLayer>,
    concurrency: ConcurrencyLayer,
    rate: RateLimitLayer,
    shared_rates: Option<Arc<dyn SharedRates>>,
    attempt: DeadlineLayer,
    limits: HashMap<String, ServerLimits>,
    identities: Option<Identities>,
    routes: RwLock<HashMap<Arc<str>, Arc<Route>>>,
}

/// How many routes there may be to the connections that callers have of their own, before those on
/// which nothing happens are forgotten.
const OWN_ROUTES: usize = 1024;

struct Route {
    server: Arc<str>,
    /// Whether it leads to the connection of one caller.
    is_own: bool,
    /// Which of the entries of this name it was made for.
    entry: u64,
    caller: SharedCaller,
    places: Box<dyn Fn() -> (usize, usize) + Send + Sync>,
    breaker: Option<Box<dyn Fn() -> BreakerReport + Send + Sync>>,
}

impl Routes {
    fn new(
        servers: SharedCaller,
        options: &StackOptions,
        trust: Arc<crate::layers::Trust>,
        identities: Option<Identities>,
    ) -> Self {
        Self(Arc::new(Routing {
            servers,
            breaker: options.breaker.map(|policy| BreakerLayer::new(policy).trust(trust)),
            concurrency: ConcurrencyLayer::new(options.concurrency),
            rate: RateLimitLayer::new(options.rate.clone()),
            shared_rates: options.shared_rates.clone(),
            attempt: DeadlineLayer::attempt(options.attempt_timeout),
            limits: options.servers.clone().into_iter().collect(),
            identities,
            routes: RwLock::default(),
        }))
    }

    fn route(&self, call: &Call, name: &Arc<str>) -> Arc<Route> {
        let entry = self.0.entry(&call.server);
        // Somebody may know of a newer one already.
        let is_right = |route: &&Arc<Route>| route.entry >= entry;
        let known = self.0.routes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(route) = known.get(name).filter(is_right) {
            return Arc::clone(route);
        }
        drop(known);
        let mut routes = self.0.routes.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(route) = routes.get(name).filter(is_right) {
            return Arc::clone(route);
        }
        routes.retain(|_, route| self.0.is_current(route));
        if call.own.is_some() && routes.values().filter(|route| route.is_own).count() >= OWN_ROUTES
        {
            routes.retain(|_, route| !route.is_own || (route.places)() != (0, 0));
        }
        let mut route = self.0.build(&call.server, entry, name);
        route.is_own = call.own.is_some();
        let route = Arc::new(route);
        routes.insert(Arc::clone(name), Arc::clone(&route));
        route
    }

    fn report(&self, metrics: &MetricsLayer) -> Vec<ServerReport> {
        let routes = self.0.routes.read().unwrap_or_else(PoisonError::into_inner);
        let current = || routes.iter().filter(|(_, route)| self.0.is_current(route));
        let mut servers: Vec<_> = current()
            .filter(|(_, route)| !route.is_own)
            .map(|(name, route)| {
                let (running, waiting) = (route.places)();
                ServerReport {
                    name: Arc::clone(name),
                    breaker: route.breaker.as_ref().map(|breaker| breaker()),
                    running,
                    waiting,
                    on_their_way: metrics.running(name),
                }
            })
            .collect();
        // Whoever has a connection of their own is named nowhere.
        for (_, route) in current().filter(|(_, route)| route.is_own) {
            let (running, waiting) = (route.places)();
            match servers.iter_mut().find(|known| known.name == route.server) {
                Some(known) => {
                    known.running += running;
                    known.waiting += waiting;
                }
                None => servers.push(ServerReport {
                    name: Arc::clone(&route.server),
                    breaker: None,
                    running,
                    waiting,
                    on_their_way: metrics.running(&route.server),
                }),
            }
        }
        drop(routes);
        servers.sort_by(|one, other| one.name.cmp(&other.name));
        servers
    }
}

impl Routing {
    /// Whether its server still is the one that it was made for.
    fn is_current(&self, route: &Route) -> bool {
        let Some(identities) = &self.identities else { return true };
        identities(&route.server).is_some_and(|now| now.entry == route.entry)
    }

    /// Which of the entries of this name there is now.
    fn entry(&self, server: &str) -> u64 {
        let identity = self.identities.as_ref().and_then(|of| of(server));
        identity.unwrap_or_default().entry
    }

    /// `name` is that of the server or of its replica.
    fn build(&self, server: &Arc<str>, entry: u64, name: &Arc<str>) -> Route {
        let own = self.limits.get(&**server);
        let mut concurrency = self.concurrency.clone();
        if let Some(calls) = own.and_then(|own| own.concurrency) {
            concurrency = concurrency.per_server(calls);
        }
        let rate = match own.and_then(|own| own.rate.clone()) {
            Some(rules) => RateLimitLayer::new(rules),
            None => self.rate.clone(),
        };
        let rate = match &self.shared_rates {
            Some(source) => rate.shared(Arc::clone(name), Arc::clone(source)),
            None => rate,
        };
        let attempt = match own.and_then(|own| own.attempt_timeout) {
            Some(limit) => DeadlineLayer::attempt(limit),
            None => self.attempt,
        };
        let bounded = concurrency.layer(attempt.layer(self.servers.clone()));
        let places = Box::new(bounded.watch());
        let limited = rate.layer(bounded);
        let (caller, breaker) = match &self.breaker {
            Some(layer) => {
                let breaker = layer.layer(limited);
                let watch: Box<dyn Fn() -> BreakerReport + Send + Sync> = Box::new(breaker.watch());
                (SharedCaller::new(breaker), Some(watch))
            }
            None => (SharedCaller::new(limited), None),
        };
        Route { server: Arc::clone(server), is_own: false, entry, caller, places, breaker }
    }
}

impl Caller for Routes {
    async fn call(&self, call: Call) -> Result<Reply, CallError> {
        let name = match (&call.own, &call.partition) {
            // No configuration has such a name.
            (Some(_), Some(whose)) => format!("{}\u{1f}{whose}", call.server).into(),
            _ => Arc::clone(call.replica.as_ref().unwrap_or(&call.server)),
        };
        let route = self.route(&call, &name);
        let outcome = route.caller.call(call).await;
        if let Err(CallError::UnknownServer { .. }) = &outcome {
            // A name that somebody made up leaves nothing behind.
            let mut routes = self.0.routes.write().unwrap_or_else(PoisonError::into_inner);
            if routes.get(&name).is_some_and(|known| Arc::ptr_eq(known, &route)) {
                routes.remove(&name);
            }
        }
        outcome
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = self.0.routes.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_tuple("Routes").field(&routes.keys()).finish()
    }
}

#[cfg(all(test, unix))]
mod processes_under_load;
#[cfg(all(test, unix))]
mod real_processes;
#[cfg(all(test, unix))]
mod replicas_under_load;
#[cfg(test)]
mod tests;
