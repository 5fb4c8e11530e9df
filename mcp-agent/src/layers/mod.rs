//! What happens to a call between the agent and its server, one layer each.
//!
//! [`Stack`](crate::stack::Stack) puts them together in the usual order. Each is a
//! [`tower_layer::Layer`] as well, for those who want another one:
//!
//! ```
//! use std::time::Duration;
//!
//! use mcp_agent::{
//!     caller::ServerCaller,
//!     layers::{BreakerLayer, BreakerPolicy, DeadlineLayer},
//! };
//! use tower::ServiceBuilder;
//!
//! # fn example(hub: mcp_client::Hub) {
//! let caller = ServiceBuilder::new()
//!     .layer(DeadlineLayer::call(Duration::from_secs(60)))
//!     .layer(BreakerLayer::new(BreakerPolicy::default()))
//!     .service(ServerCaller::of_hub(hub));
//! # }
//! ```

pub mod audit;
mod balance;
mod breaker;
pub mod cache;
mod concurrency;
mod deadline;
mod metrics;
mod middleware;
mod rate_limit;
mod retry;
#[cfg(test)]
pub(crate) mod testing;
mod trust;

pub use self::{
    audit::{Audit, AuditLayer, AuditLog},
    balance::{Balance, BalanceLayer, Chooser, Chosen},
    breaker::{Breaker, BreakerLayer, BreakerPolicy, BreakerReport, CircuitState},
    cache::{
        Cache, CacheLayer, CacheReport, CacheRules, ResultCache, ResultSharing, SharedFind,
        SharedResults,
    },
    concurrency::{Concurrency, ConcurrencyLayer, ConcurrencyLimits},
    deadline::{Deadline, DeadlineLayer},
    metrics::{CallEnd, CallRecord, Metrics, MetricsLayer, Observe, OperationReport, Tally},
    middleware::{After, Before, Middleware, Middlewares, MiddlewaresLayer, Next},
    rate_limit::{
        InvalidRate, Lease, Rate, RateLimit, RateLimitLayer, RateRules, SharedAway, SharedRates,
        WhenFull,
    },
    retry::{Retry, RetryLayer, RetryRules},
    trust::Trust,
};
