//! When to ask for a task again, and when to give it up. Pure: the clock is the caller's.

use std::time::Duration;

/// Never more often than this, whatever the server allows.
const SHORTEST: Duration = Duration::from_millis(20);
/// Never more seldom than this, so that a cancelled or finished task is noticed.
const LONGEST: Duration = Duration::from_secs(60);
/// Where the server gives no interval: the first one, and the most it grows to.
const FIRST: Duration = Duration::from_millis(500);
const MOST: Duration = Duration::from_secs(10);
/// Questions in a row that may fail before the task is given up.
const MAX_FAILURES: u32 = 5;

/// The rhythm of one task's polling.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    asked: u32,
    failures: u32,
}

impl Pace {
    /// How long to wait. `jitter` lies between 0 and 1 and only ever lengthens the wait, by a
    /// tenth at most, since a server may limit those who come too early.
    pub(super) fn next(&mut self, interval_ms: Option<u64>, jitter: f64) -> Duration {
        let interval = match interval_ms {
            Some(ms) => Duration::from_millis(ms),
            None => (FIRST * 3_u32.pow(self.asked.min(8)) / 2_u32.pow(self.asked.min(8))).min(MOST),
        };
        self.asked = self.asked.saturating_add(1);
        let backed_off = interval.saturating_mul(1 << self.failures.min(6));
        backed_off.clamp(SHORTEST, LONGEST).mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 10.0)
    }

    /// Notes that the server answered.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Notes that it could not be asked, and says whether to go on.
    pub(super) fn failed(&mut self) -> bool {
        self.failures += 1;
        self.failures < MAX_FAILURES
    }
}

/// How much of a task's life is left; `None` for one that lives for ever. A clock that was set back
/// makes no task older.
pub(super) fn life_left(created_ms: u64, ttl_ms: Option<u64>, now_ms: u64) -> Option<Duration> {
    let age = now_ms.saturating_sub(created_ms);
    ttl_ms.map(|ttl| Duration::from_millis(ttl.saturating_sub(age)))
}
