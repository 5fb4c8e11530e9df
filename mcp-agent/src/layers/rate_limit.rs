//! How many calls begin in a stretch of time.

mod lease;
mod rate;
#[cfg(test)]
mod simulation;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use governor::{
    RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};
use tower_layer::Layer;

use self::lease::{Leased, Taken};
pub use self::{
    lease::{Lease, SharedAway, SharedRates},
    rate::{InvalidRate, Rate},
};
use crate::caller::{Call, CallError, Caller, Operation, Reply};

/// How many tools of a server are counted by name; more share one count.
const MAX_TOOLS: usize = 512;

/// How long leasing may take while others wait for it.
const LEASING: Duration = Duration::from_millis(500);

/// How often a server and its tools may be called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateRules {
    /// All calls of the server together.
    pub server: Option<Rate>,
    /// Each tool for itself, unless `tools` names it.
    pub each_tool: Option<Rate>,
    /// Some tools, by the server's names.
    pub tools: BTreeMap<String, Rate>,
    /// What becomes of a call for which there is no room.
    pub when_full: WhenFull,
}

/// What becomes of a call for which there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// It waits for its turn, in the order in which the calls came.
    #[default]
    Wait,
    /// It waits if its turn comes soon enough, and is refused otherwise.
    WaitAtMost(Duration),
    /// It is refused; the error says when there will be room.
    Refuse,
}

impl RateRules {
    /// All calls of the server together.
    pub fn server(rate: Rate) -> Self {
        Self { server: Some(rate), ..Self::default() }
    }

    /// Each tool for itself.
    #[must_use]
    pub fn each_tool(mut self, rate: Rate) -> Self {
        self.each_tool = Some(rate);
        self
    }

    /// One tool.
    #[must_use]
    pub fn tool(mut self, name: impl Into<String>, rate: Rate) -> Self {
        self.tools.insert(name.into(), rate);
        self
    }

    /// What becomes of a call for which there is no room.
    #[must_use]
    pub fn when_full(mut self, what: WhenFull) -> Self {
        self.when_full = what;
        self
    }
}

/// Lets calls begin no faster than the rules say. Signs of life are not counted.
pub struct RateLimit<C> {
    inner: C,
    limits: Option<Limits>,
}

/// Makes [`RateLimit`]s, each with counts of its own: one for each server.
#[derive(Clone, Debug)]
pub struct RateLimitLayer {
    rules: Option<Arc<RateRules>>,
    shared: Option<Shared>,
}

/// The server, as all processes call it, and who counts for all of them.
#[derive(Clone, Debug)]
struct Shared {
    server: Arc<str>,
    source: Arc<dyn SharedRates>,
}

impl RateLimitLayer {
    /// By these rules; none without any.
    pub fn new(rules: impl Into<Option<RateRules>>) -> Self {
        Self { rules: rules.into().map(Arc::new), shared: None }
    }

    /// Shares the counts of this server with other processes: each leases a part of what may be
    /// called, a tenth of the burst and at most 100 calls at once, and asks again when it is used
    /// up. In any stretch of time all of them together begin no more calls than the rate allows, and
    /// what each had leased before. While `source` is away, each keeps to the whole rate by itself.
    #[must_use]
    pub fn shared(mut self, server: impl Into<Arc<str>>, source: Arc<dyn SharedRates>) -> Self {
        self.shared = Some(Shared { server: server.into(), source });
        self
    }
}

impl<C> Layer<C> for RateLimitLayer {
    type Service = RateLimit<C>;

    fn layer(&self, inner: C) -> RateLimit<C> {
        let limits = self.rules.clone().map(|rules| Limits::new(rules, self.shared.clone()));
        RateLimit { inner, limits }
    }
}

impl<C: Caller> Caller for RateLimit<C> {
    async fn call(&self, call: Call) -> Result<Reply, CallError> {
        if let Some(limits) = &self.limits {
            limits.take_turn(&call).await?;
        }
        self.inner.call(call).await
    }
}

impl<C: fmt::Debug> fmt::Debug for RateLimit<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("inner", &self.inner)
            .field("rules", &self.limits.as_ref().map(|limits| &limits.rules))
            .finish()
    }
}

struct Limits {
    rules: Arc<RateRules>,
    shared: Option<Shared>,
    server: Option<Gate>,
    tools: Mutex<HashMap<Arc<str>, Arc<Gate>>>,
}

impl Limits {
    fn new(rules: Arc<RateRules>, shared: Option<Shared>) -> Self {
        let server = rules.server.map(|rate| Gate::new(rate, leased(shared.as_ref(), None, rate)));
        Self { server, rules, shared, tools: Mutex::default() }
    }

    async fn take_turn(&self, call: &Call) -> Result<(), CallError> {
        let full = |tool, retry_in| {
            Err(CallError::RateLimited { server: Arc::clone(&call.server), tool, retry_in })
        };
        let when_full = self.rules.when_full;
        match &*call.operation {
            Operation::Ping => return Ok(()),
            Operation::CallTool { name, .. } => {
                if let Some(gate) = self.tool(name)
                    && let Err(retry_in) = gate.take_turn(when_full).await
                {
                    return full(Some(Arc::clone(name)), retry_in);
                }
            }
            _ => {}
        }
        if let Some(gate) = &self.server
            && let Err(retry_in) = gate.take_turn(when_full).await
        {
            return full(None, retry_in);
        }
        Ok(())
    }

    fn tool(&self, name: &Arc<str>) -> Option<Arc<Gate>> {
        let rate = self.rules.tools.get(&**name).copied().or(self.rules.each_tool)?;
        let mut tools = self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = tools.get(name) {
            return Some(Arc::clone(gate));
        }
        // Names come from servers, which could make them up.
        let name = if tools.len() < MAX_TOOLS { Arc::clone(name) } else { "".into() };
        let gate = || {
            let leased = leased(self.shared.as_ref(), Some(&name), rate);
            Arc::new(Gate::new(rate, leased))
        };
        Some(Arc::clone(tools.entry(Arc::clone(&name)).or_insert_with(gate)))
    }
}

/// A limit that is counted elsewhere, named for its server and tool.
fn leased(shared: Option<&Shared>, tool: Option<&str>, rate: Rate) -> Option<Leased> {
    let Shared { server, source } = shared?;
    let name = match tool {
        Some(tool) => format!("{server}/{tool}"),
        None => server.to_string(),
    };
    Some(Leased::new(Arc::clone(source), name, rate))
}

/// One count, and the queue of those who wait for it.
struct Gate {
    limiter: RateLimiter<NotKeyed, InMemoryState, SinceStart, NoOpMiddleware<Duration>>,
    clock: SinceStart,
    /// What this process has of a limit that others share.
    leased: Option<Leased>,
    /// Whoever holds it is the next.
    turn: Semaphore,
}

/// Governor's time is the runtime's, which tests can pause.
#[derive(Clone, Copy, Debug)]
struct SinceStart(Instant);

impl Clock for SinceStart {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Gate {
    fn new(rate: Rate, leased: Option<Leased>) -> Self {
        let clock = SinceStart(Instant::now());
        let limiter = RateLimiter::direct_with_clock(rate.quota(), clock);
        Self { limiter, clock, leased, turn: Semaphore::new(1) }
    }

    /// Begins a call. If it cannot begin, tells how long that would take.
    async fn take_turn(&self, when_full: WhenFull) -> Result<(), Duration> {
        let at_most = match when_full {
            WhenFull::Wait => Duration::MAX,
            WhenFull::WaitAtMost(time) => time,
            WhenFull::Refuse => Duration::ZERO,
        };
        // Those who wait already come first.
        if self.turn.available_permits() > 0 || at_most.is_zero() {
            match self.try_own() {
                Ok(()) => return Ok(()),
                Err(wait) if wait > at_most => return Err(wait),
                Err(_) => {}
            }
        }
        // The answer of those who count for all is no waiting for a turn.
        let grace = if self.leased.is_some() { LEASING } else { Duration::ZERO };
        let began = Instant::now();
        let turn = tokio::time::timeout(at_most.saturating_add(grace), self.turn()).await;
        let Ok(_turn) = turn else { return Err(at_most) };
        while let Err(wait) = self.try_leased().await {
            if began.elapsed().saturating_add(wait) > at_most {
                return Err(wait);
            }
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    async fn turn(&self) -> SemaphorePermit<'_> {
        let Ok(turn) = self.turn.acquire().await else {
            unreachable!("nobody closes this semaphore")
        };
        turn
    }

    /// Without asking others.
    fn try_own(&self) -> Result<(), Duration> {
        match &self.leased {
            None => self.try_now(),
            Some(leased) if leased.take_own() => Ok(()),
            Some(_) => Err(Duration::ZERO),
        }
    }

    async fn try_leased(&self) -> Result<(), Duration> {
        match &self.leased {
            None => self.try_now(),
            Some(leased) => match leased.take().await {
                Taken::Yes => Ok(()),
                Taken::After(wait) => Err(wait.max(Duration::from_millis(1))),
                Taken::Alone => self.try_now(),
            },
        }
    }

    fn try_now(&self) -> Result<(), Duration> {
        self.limiter.check().map_err(|not_until| {
            // A timer of less than its grain would go off too early, again and again.
            let wait = not_until.wait_time_from(self.clock.now());
            wait.max(Duration::from_millis(1))
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use proptest::prelude::*;
    use serde_json::Map;
    use tokio::time::{advance, timeout};

    use super::*;
    use crate::{
        caller::Answer,
        layers::testing::{Fake, on_paused_clock},
    };

    const SECOND: Duration = Duration::from_secs(1);

    fn limited(rules: RateRules) -> RateLimit<Fake> {
        let server = Fake::new(|_, _| Box::pin(async { Ok(Reply::new(Answer::Pong)) }));
        RateLimitLayer::new(rules).layer(server)
    }

    fn tool(name: &str) -> Call {
        Call::tool("db", name, Map::new())
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_the_rest_takes_turns() {
        let caller = limited(RateRules::server(Rate::new(2, SECOND).burst(4)));
        let started = Instant::now();
        let ends = join_all((0..8).map(|_| async {
            caller.call(tool("query")).await.unwrap();
            started.elapsed().as_millis() / 100
        }));
        let ends = ends.await;
        assert_eq!(ends, [0, 0, 0, 0, 5, 10, 15, 20]);
    }

    #[tokio::test(start_paused = true)]
    async fn refuses_and_says_when() {
        let rate = Rate::new(1, 10 * SECOND).burst(1);
        let rules = RateRules::default().tool("query", rate).when_full(WhenFull::Refuse);
        let caller = limited(rules);
        caller.call(tool("query")).await.unwrap();
        advance(4 * SECOND).await;
        let refused = caller.call(tool("query")).await.unwrap_err();
        assert_eq!(refused.retry_after().map(|wait| wait.as_secs()), Some(6));
        assert!(!refused.was_sent());
        assert!(
            refused.to_string().contains("`query` of server `db` may be called again in 6.0 s")
        );
        // Other tools have counts of their own.
        caller.call(tool("list")).await.unwrap();
        advance(6 * SECOND).await;
        caller.call(tool("query")).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn waits_only_as_long_as_it_may() {
        let rules = RateRules::server(Rate::new(1, 10 * SECOND).burst(1))
            .when_full(WhenFull::WaitAtMost(10 * SECOND));
        let caller = limited(rules);
        caller.call(tool("a")).await.unwrap();
        let (one, other) = tokio::join!(caller.call(tool("a")), caller.call(tool("a")));
        assert!(one.is_ok());
        assert!(matches!(other, Err(CallError::RateLimited { .. })), "{other:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_gives_the_turn_to_the_next() {
        let caller = limited(RateRules::server(Rate::new(1, SECOND).burst(1)));
        caller.call(tool("a")).await.unwrap();
        let impatient = timeout(SECOND / 10, caller.call(tool("a")));
        let started = Instant::now();
        let (impatient, patient) = tokio::join!(impatient, caller.call(tool("a")));
        assert!(impatient.is_err());
        patient.unwrap();
        assert_eq!(started.elapsed().as_millis() / 10, 100);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

        /// In any stretch of time no more calls begin than the burst and what the rate adds.
        #[test]
        fn never_faster_than_the_rate(
            calls in 1_u32..20,
            burst in 1_u32..8,
            pauses in proptest::collection::vec(0_u64..400, 1..60),
        ) {
            let begun = on_paused_clock(async {
                let caller = limited(RateRules::server(Rate::new(calls, SECOND).burst(burst)));
                let start = Instant::now();
                let calls = pauses.iter().scan(0, |at, pause| {
                    *at += pause;
                    Some(*at)
                });
                join_all(calls.map(|at| {
                    let caller = &caller;
                    async move {
                        tokio::time::sleep(Duration::from_millis(at)).await;
                        caller.call(tool("any")).await.unwrap();
                        start.elapsed().as_secs_f64()
                    }
                }))
                .await
            });
            for (first, from) in begun.iter().enumerate() {
                for (last, to) in begun.iter().enumerate().skip(first) {
                    let count = f64::from(u32::try_from(last - first + 1).unwrap());
                    let allowed = f64::from(burst) + (to - from) * f64::from(calls) + 1e-6;
                    prop_assert!(count <= allowed, "{count} calls in {} s", to - from);
                }
            }
        }
    }
}
