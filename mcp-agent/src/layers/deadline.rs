//! The longest time of a call, or of one attempt.

use std::{pin::pin, time::Duration};

use tokio::time::{Instant, sleep_until};
use tower_layer::Layer;

use crate::caller::{Call, CallClock, CallError, Caller, Reply, TimeScope};

/// Ends calls that take too long. The clock stands still while a person answers a question of the
/// server. Silence is another matter: the client ends a call of which nothing is heard, and
/// progress starts that clock anew.
#[derive(Clone, Debug)]
pub struct Deadline<C> {
    inner: C,
    layer: DeadlineLayer,
}

/// Makes [`Deadline`]s.
#[derive(Clone, Copy, Debug)]
pub struct DeadlineLayer {
    limit: Option<Duration>,
    idle: Option<Duration>,
    scope: TimeScope,
}

impl DeadlineLayer {
    /// Limits the whole call, waits and repetitions included, unless the call has a limit of its
    /// own.
    pub fn call(limit: impl Into<Option<Duration>>) -> Self {
        Self { limit: limit.into(), idle: None, scope: TimeScope::Call }
    }

    /// Limits each attempt.
    pub fn attempt(limit: impl Into<Option<Duration>>) -> Self {
        Self { limit: limit.into(), idle: None, scope: TimeScope::Attempt }
    }

    /// The longest silence of a server, for calls that have no limit of their own.
    #[must_use]
    pub fn idle(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.idle = limit.into();
        self
    }
}

impl<C> Layer<C> for DeadlineLayer {
    type Service = Deadline<C>;

    fn layer(&self, inner: C) -> Deadline<C> {
        Deadline { inner, layer: *self }
    }
}

impl<C: Caller> Caller for Deadline<C> {
    async fn call(&self, mut call: Call) -> Result<Reply, CallError> {
        call.limits.idle = call.limits.idle.or(self.layer.idle);
        let limit = match self.layer.scope {
            TimeScope::Call => call.limits.total.or(self.layer.limit),
            TimeScope::Attempt => self.layer.limit,
        };
        let Some(limit) = limit else { return self.inner.call(call).await };
        let (clock, server) = (call.clock.clone(), call.server.clone());
        let (method, before) = (call.operation.method(), clock.attempts());
        let mut allowance = Allowance::new(limit, Instant::now(), clock.time_asking());
        let mut inner = pin!(self.inner.call(call));
        // Most calls end in time; a timer that is not polled costs nothing.
        let mut alarm = pin!(sleep_until(allowance.ends(Duration::ZERO)));
        loop {
            tokio::select! {
                biased;
                reply = &mut inner => return reply,
                () = &mut alarm => {}
            }
            match allowance.rest(Instant::now(), clock.time_asking()) {
                Some(rest) => alarm.as_mut().reset(Instant::now() + rest),
                None => break,
            }
        }
        if self.layer.scope == TimeScope::Call {
            clock.expire();
        }
        let sent = was_sent(&clock, self.layer.scope, before);
        Err(CallError::TimedOut { server, method, after: limit, scope: self.layer.scope, sent })
    }
}

fn was_sent(clock: &CallClock, scope: TimeScope, before: u32) -> bool {
    match scope {
        TimeScope::Call => clock.was_sent(),
        TimeScope::Attempt => clock.attempts() > before,
    }
}

/// How much of a limit is left. A value: it is told the time.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    limit: Duration,
    started: Instant,
    asked_before: Duration,
}

impl Allowance {
    fn new(limit: Duration, now: Instant, asked: Duration) -> Self {
        Self { limit, started: now, asked_before: asked }
    }

    /// When it ends at the earliest.
    fn ends(&self, asked: Duration) -> Instant {
        // A limit beyond what a clock can show is none.
        const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365);
        self.started + self.limit.min(FAR) + asked
    }

    /// What is left at this time, nothing if it is over. `asked` is how long people were asked.
    fn rest(&mut self, now: Instant, asked: Duration) -> Option<Duration> {
        let ends = self.ends(asked.saturating_sub(self.asked_before));
        (ends > now).then(|| ends - now)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{caller::Operation, layers::testing::Fake};

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn asking_is_not_counted() {
        let start = Instant::now();
        let mut allowance = Allowance::new(10 * SECOND, start, SECOND);
        assert_eq!(allowance.rest(start + 4 * SECOND, SECOND), Some(6 * SECOND));
        assert_eq!(allowance.rest(start + 10 * SECOND, 8 * SECOND), Some(7 * SECOND));
        assert_eq!(allowance.rest(start + 17 * SECOND, 8 * SECOND), None);
    }

    #[tokio::test(start_paused = true)]
    async fn ends_what_takes_too_long() {
        let slow = Fake::new(|call, _| {
            Box::pin(async move {
                call.clock.attempt();
                std::future::pending().await
            })
        });
        let caller = DeadlineLayer::call(10 * SECOND).layer(slow);
        let call = Call::new("files", Operation::Ping);
        let clock = Arc::clone(&call.clock);
        let started = Instant::now();
        let error = caller.call(call).await.unwrap_err();
        assert!(error.was_sent() && clock.is_expired(), "{error}");
        assert_eq!(started.elapsed(), 10 * SECOND);
        let own = Call::new("files", Operation::Ping).at_most(SECOND);
        let started = Instant::now();
        caller.call(own).await.unwrap_err();
        assert_eq!(started.elapsed(), SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_waits_for_a_connection_was_not_sent() {
        let waiting = Fake::new(|_, _| Box::pin(std::future::pending()));
        let caller = DeadlineLayer::attempt(SECOND).layer(waiting);
        let call = Call::new("files", Operation::Ping);
        let clock = Arc::clone(&call.clock);
        let error = caller.call(call).await.unwrap_err();
        assert!(!error.was_sent() && !clock.is_expired(), "{error}");
    }
}
