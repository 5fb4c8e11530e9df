//! What calls are like: how many, how long, how they end.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mcp_client::Durations;
use tokio::time::Instant;
use tower_layer::Layer;

use crate::{
    caller::{Call, CallError, Caller, Reply},
    error_type,
};

/// How many tools of a server are counted by name; more share one entry, for a server could make
/// up names.
const MAX_TOOLS: usize = 512;
/// The entry of the tools beyond that.
const OTHERS: &str = "(others)";
/// Upper bounds of the buckets of times, in microseconds: powers of two from 128 µs to 4.8 hours.
const BUCKETS: usize = 28;
const FIRST_BUCKET: u32 = 7;

/// Hears of every call when it is over.
pub trait Observe: Send + Sync {
    /// A call is over. Runs inside the call: it must not block.
    fn call_ended(&self, record: &CallRecord<'_>);
}

/// A call that is over.
#[derive(Debug)]
#[non_exhaustive]
pub struct CallRecord<'a> {
    /// What was asked, and of whom.
    pub call: &'a Call,
    /// How it ended.
    pub end: CallEnd<'a>,
    /// How long it took, all waits included.
    pub took: Duration,
    /// How often it was sent.
    pub attempts: u32,
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum CallEnd<'a> {
    /// With a reply, which may be a tool's `isError`.
    Replied(&'a Reply),
    /// Without one.
    Failed(&'a CallError),
    /// It was called off.
    Cancelled,
}

impl CallEnd<'_> {
    /// A word for it: `ok`, `tool_error`, `cancelled`, or the kind of the error.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Replied(reply) if reply.is_error() => "tool_error",
            Self::Replied(_) => "ok",
            Self::Failed(error) => error.kind(),
            Self::Cancelled => "cancelled",
        }
    }
}

/// Counters of a tool, a method or a server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Calls that are over.
    pub calls: u64,
    /// Those that failed; that somebody has to log in first is no failure.
    pub failures: u64,
    /// Results with `isError`.
    pub tool_errors: u64,
    /// Those that were called off.
    pub cancelled: u64,
    /// Replies out of the cache.
    pub from_cache: u64,
    /// Attempts beyond the first.
    pub repeated: u64,
    /// The time of all calls together.
    pub total: Duration,
    /// The same times by how the calls ended, in the classes of OpenTelemetry's conventions.
    pub durations: Durations,
    times: [u64; BUCKETS],
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            calls: 0,
            failures: 0,
            tool_errors: 0,
            cancelled: 0,
            from_cache: 0,
            repeated: 0,
            total: Duration::ZERO,
            durations: Durations::default(),
            times: [0; BUCKETS],
        }
    }
}

impl Tally {
    /// The time of a call on average.
    pub fn average(&self) -> Option<Duration> {
        self.total.checked_div(u32::try_from(self.calls).unwrap_or(u32::MAX))
    }

    /// The time below which this share (0 to 1) of the calls stayed, to the next power of two.
    pub fn below(&self, share: f64) -> Option<Duration> {
        let wanted = share.clamp(0.0, 1.0);
        let mut seen = 0;
        let bucket = self.times.iter().position(|count| {
            seen += count;
            #[expect(clippy::cast_precision_loss, reason = "a share of a count")]
            let reached = seen as f64 >= wanted * self.calls as f64;
            seen > 0 && reached
        })?;
        Some(bound_of(bucket))
    }

    /// The share, 0 to 1, of calls that failed or whose result is an error.
    pub fn error_rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a share of a count")]
        let (bad, all) = ((self.failures + self.tool_errors) as f64, self.calls as f64);
        if self.calls == 0 { 0.0 } else { bad / all }
    }

    /// How many calls took at most as long as each bound, the bounds growing.
    pub fn histogram(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        self.times.iter().enumerate().scan(0, |sum, (bucket, count)| {
            *sum += count;
            Some((bound_of(bucket), *sum))
        })
    }

    fn add(&mut self, record: &CallRecord<'_>) {
        self.calls += 1;
        match record.end {
            CallEnd::Replied(reply) => {
                self.tool_errors += u64::from(reply.is_error());
                self.from_cache += u64::from(reply.from_cache);
            }
            CallEnd::Failed(error) => self.failures += u64::from(error.login().is_none()),
            CallEnd::Cancelled => self.cancelled += 1,
        }
        self.repeated += u64::from(record.attempts.saturating_sub(1));
        self.total = self.total.saturating_add(record.took);
        self.durations.add(record.took, error_type::of_end(record.end));
        self.times[bucket_of(record.took)] += 1;
    }
}

fn bound_of(bucket: usize) -> Duration {
    let shift = FIRST_BUCKET + u32::try_from(bucket).unwrap_or(0);
    Duration::from_micros(1 << shift.min(60))
}

fn bucket_of(time: Duration) -> usize {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let power = u64::BITS - micros.saturating_sub(1).leading_zeros();
    let bucket = power.saturating_sub(FIRST_BUCKET);
    usize::try_from(bucket).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// The counters of one tool, or of one method other than `tools/call`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OperationReport {
    /// The server, as configured.
    pub server: Arc<str>,
    /// The tool, or the method.
    pub operation: Arc<str>,
    /// Its calls.
    pub tally: Tally,
}

#[derive(Default)]
struct Counted {
    servers: HashMap<Arc<str>, ServerTally>,
}

#[derive(Default)]
struct ServerTally {
    running: u64,
    operations: HashMap<Arc<str>, Tally>,
}

/// Counts the calls that pass.
pub struct Metrics<C> {
    inner: C,
    layer: MetricsLayer,
}

/// Makes [`Metrics`], which share their counters.
#[derive(Clone, Default)]
pub struct MetricsLayer {
    counted: Arc<Mutex<Counted>>,
    observers: Arc<[Arc<dyn Observe>]>,
}

impl MetricsLayer {
    /// Counts, and tells these of every call.
    pub fn new(observers: impl IntoIterator<Item = Arc<dyn Observe>>) -> Self {
        Self { counted: Arc::default(), observers: observers.into_iter().collect() }
    }

    /// The counters of all tools, sorted by server and name.
    pub fn report(&self) -> Vec<OperationReport> {
        let counted = self.lock();
        let mut all: Vec<_> = counted
            .servers
            .iter()
            .flat_map(|(server, tally)| {
                tally.operations.iter().map(|(operation, tally)| OperationReport {
                    server: Arc::clone(server),
                    operation: Arc::clone(operation),
                    tally: tally.clone(),
                })
            })
            .collect();
        drop(counted);
        all.sort_by(|a, b| (&a.server, &a.operation).cmp(&(&b.server, &b.operation)));
        all
    }

    /// How many calls of a server are on their way, waiting ones included.
    pub fn running(&self, server: &str) -> u64 {
        self.lock().servers.get(server).map_or(0, |tally| tally.running)
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, server: &Arc<str>) {
        let mut counted = self.lock();
        // Not by `entry`, which would want a name of its own for each call.
        if let Some(tally) = counted.servers.get_mut(server) {
            tally.running += 1;
        } else {
            let tally = ServerTally { running: 1, ..ServerTally::default() };
            counted.servers.insert(Arc::clone(server), tally);
        }
    }

    fn end(&self, record: &CallRecord<'_>) {
        let operation = &record.call.operation;
        let name = operation.tool().unwrap_or_else(|| operation.method());
        {
            let mut counted = self.lock();
            if let Some(server) = counted.servers.get_mut(&record.call.server) {
                server.running -= 1;
                if let Some(tally) = server.operations.get_mut(name) {
                    tally.add(record);
                } else {
                    let known = server.operations.len() < MAX_TOOLS;
                    let name = Arc::from(if known { name } else { OTHERS });
                    server.operations.entry(name).or_default().add(record);
                }
            }
        }
        for observer in &*self.observers {
            observer.call_ended(record);
        }
    }
}

impl<C> Layer<C> for MetricsLayer {
    type Service = Metrics<C>;

    fn layer(&self, inner: C) -> Metrics<C> {
        Metrics { inner, layer: self.clone() }
    }
}

/// A call on its way. One that is dropped was called off.
struct Running<'a> {
    layer: &'a MetricsLayer,
    call: Option<Call>,
    started: Instant,
}

impl Running<'_> {
    fn end(&mut self, end: CallEnd<'_>) {
        if let Some(call) = self.call.take() {
            let (took, attempts) = (self.started.elapsed(), call.clock.attempts());
            self.layer.end(&CallRecord { call: &call, end, took, attempts });
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.end(CallEnd::Cancelled);
    }
}

impl<C: Caller> Caller for Metrics<C> {
    async fn call(&self, call: Call) -> Result<Reply, CallError> {
        self.layer.begin(&call.server);
        let started = Instant::now();
        let mut running = Running { layer: &self.layer, call: Some(call.clone()), started };
        let outcome = self.inner.call(call).await;
        running.end(match &outcome {
            Ok(reply) => CallEnd::Replied(reply),
            Err(error) => CallEnd::Failed(error),
        });
        outcome
    }
}

impl<C: fmt::Debug> fmt::Debug for Metrics<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl fmt::Debug for MetricsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsLayer")
            .field("observers", &self.observers.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use serde_json::Map;
    use tokio::time::sleep;

    use super::*;
    use crate::{caller::Answer, layers::testing::Fake};

    struct Seen(Mutex<Vec<&'static str>>);

    impl Observe for Seen {
        fn call_ended(&self, record: &CallRecord<'_>) {
            self.0.lock().unwrap().push(record.end.kind());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn counts_every_end() {
        let seen = Arc::new(Seen(Mutex::default()));
        let layer = MetricsLayer::new([Arc::clone(&seen) as Arc<dyn Observe>]);
        let server = Fake::new(|call, before| {
            Box::pin(async move {
                sleep(Duration::from_millis(3)).await;
                match before {
                    0 => Ok(Reply::new(Answer::Pong)),
                    1 => Err(CallError::UnknownServer { server: call.server }),
                    _ => std::future::pending().await,
                }
            })
        });
        let caller = layer.layer(server);
        let tool = || Call::tool("db", "query", Map::new());
        caller.call(tool()).await.unwrap();
        caller.call(tool()).await.unwrap_err();
        let mut called_off = Box::pin(caller.call(tool()));
        assert!(called_off.as_mut().now_or_never().is_none());
        assert_eq!(layer.running("db"), 1);
        drop(called_off);
        assert_eq!(layer.running("db"), 0);
        let report = layer.report();
        assert_eq!((&*report[0].server, &*report[0].operation), ("db", "query"));
        let tally = &report[0].tally;
        assert_eq!((tally.calls, tally.failures, tally.cancelled), (3, 1, 1));
        assert_eq!(tally.average(), Some(Duration::from_millis(2)));
        assert_eq!(tally.below(1.0), Some(Duration::from_micros(4096)));
        assert_eq!(*seen.0.lock().unwrap(), ["ok", "unknown_server", "cancelled"]);
    }

    #[test]
    fn buckets_are_powers_of_two() {
        for (micros, bound) in [(0, 128), (128, 128), (129, 256), (1_000_000, 1 << 20)] {
            let bucket = bucket_of(Duration::from_micros(micros));
            assert_eq!(bound_of(bucket), Duration::from_micros(bound), "{micros} µs");
        }
        assert_eq!(bucket_of(Duration::MAX), BUCKETS - 1);
    }
}
