//! How long sessions of the earlier revisions last: `mcp.server.session.duration` of
//! OpenTelemetry's conventions.
//!
//! A session whose id says all of it is nowhere while its client is silent, and goes on whenever
//! that comes again. Of such a one a few bytes are kept until it was silent for too long; then it
//! counts, up to the last thing that its client said here.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use mcp_client::Durations;
use tokio::time::Instant;

use crate::exposition::head;

/// How many silent ones are remembered. What is more counts at once.
const MAX_SILENT: usize = 16_384;

/// All sessions that are over.
#[derive(Debug)]
pub(in crate::service) struct SessionTimes {
    /// When a silent one is over.
    idle: Duration,
    started: Instant,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    over: Durations,
    silent: HashMap<u64, Silent>,
}

/// A session that may come again. There may be many, so it is small.
#[derive(Clone, Copy, Debug)]
struct Silent {
    /// In milliseconds; ids are good for a day.
    lasted: u32,
    /// In seconds since the start.
    until: u32,
}

impl SessionTimes {
    /// A session that was silent for so long is over.
    pub(super) fn new(idle: Duration) -> Self {
        Self { idle, started: Instant::now(), book: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self, lasted: Duration) {
        self.lock().over.add(lasted, None);
    }

    fn is_silent(&self, number: u64, lasted: Duration) {
        let until = (self.started.elapsed() + self.idle).as_secs();
        let mut book = self.lock();
        book.count_silent(self.started.elapsed());
        match (u32::try_from(lasted.as_millis()), u32::try_from(until)) {
            (Ok(lasted), Ok(until)) if book.silent.len() < MAX_SILENT => {
                book.silent.insert(number, Silent { lasted, until });
            }
            _ => book.over.add(lasted, None),
        }
    }

    fn is_back(&self, number: u64) {
        self.lock().silent.remove(&number);
    }

    /// In the text format of Prometheus (version 0.0.4).
    pub(in crate::service) fn prometheus(&self) -> String {
        const NAME: &str = "mcp_server_session_duration_seconds";
        let over = {
            let mut book = self.lock();
            book.count_silent(self.started.elapsed());
            book.over.clone()
        };
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = head(&mut text, NAME, "histogram", "How long sessions of clients lasted.")
            .and_then(|()| over.write_prometheus(&mut text, NAME, ""));
        text
    }
}

impl Book {
    /// Counts those that were silent for too long.
    fn count_silent(&mut self, now: Duration) {
        let now = now.as_secs();
        let over = self.silent.extract_if(|_, silent| u64::from(silent.until) <= now);
        for (_, silent) in over {
            self.over.add(Duration::from_millis(silent.lasted.into()), None);
        }
    }
}

/// The time of one session. Counts when it is dropped, at once or, if its client may come again,
/// once that was silent for too long.
#[derive(Debug)]
pub(super) struct SessionTime {
    times: Arc<SessionTimes>,
    number: u64,
    began: Instant,
    used: Instant,
    /// Whether its id says all of it.
    is_carried: bool,
}

impl SessionTime {
    /// That of a client that has initialized.
    pub(super) fn begin(times: &Arc<SessionTimes>) -> Self {
        let now = Instant::now();
        let times = Arc::clone(times);
        Self { times, number: number(), began: now, used: now, is_carried: false }
    }

    /// Goes on with one that began elsewhere, or here.
    pub(super) fn go_on(times: &Arc<SessionTimes>, number: u64, since: u64) -> Self {
        times.is_back(number);
        let now = Instant::now();
        let age = Duration::from_millis(unix_millis().saturating_sub(since));
        let began = now.checked_sub(age).unwrap_or(now);
        Self { times: Arc::clone(times), number, began, used: now, is_carried: true }
    }

    /// Its number and when it began, in milliseconds since 1970, for whoever goes on with it.
    pub(super) fn carried(&mut self) -> (u64, u64) {
        self.is_carried = true;
        let age = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        (self.number, unix_millis().saturating_sub(age))
    }

    /// Its client said something.
    pub(super) fn is_used(&mut self) {
        self.used = Instant::now();
    }

    /// Its client has ended it.
    pub(super) fn has_ended(&mut self) {
        self.is_carried = false;
    }
}

impl Drop for SessionTime {
    fn drop(&mut self) {
        if self.is_carried {
            self.times.is_silent(self.number, self.used.duration_since(self.began));
        } else {
            self.times.is_over(self.began.elapsed());
        }
    }
}

/// A number that no other session has, at any replica, as far as chance allows.
fn number() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(Instant::now())
}

fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn counted(times: &SessionTimes) -> (Option<u64>, Option<f64>) {
        let text = times.prometheus();
        let value = |part: &str| {
            let name = format!("mcp_server_session_duration_seconds_{part} ");
            text.lines().find_map(|line| line.strip_prefix(&name).map(str::to_owned))
        };
        (value("count").and_then(|n| n.parse().ok()), value("sum").and_then(|n| n.parse().ok()))
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_ends_counts_at_once() {
        let times = Arc::new(SessionTimes::new(30 * MINUTE));
        assert_eq!(counted(&times), (None, None));
        let plain = SessionTime::begin(&times);
        let mut given_back = SessionTime::begin(&times);
        given_back.carried();
        advance(MINUTE).await;
        drop(plain);
        given_back.has_ended();
        drop(given_back);
        assert_eq!(counted(&times), (Some(2), Some(120.0)));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_may_come_again_counts_once_and_up_to_its_last_word() {
        let times = Arc::new(SessionTimes::new(30 * MINUTE));
        let mut first = SessionTime::begin(&times);
        let (number, since) = first.carried();
        advance(MINUTE).await;
        first.is_used();
        advance(MINUTE).await;
        drop(first);
        advance(20 * MINUTE).await;
        // It comes again. The clock of the wall stood still meanwhile, as it is not the test's.
        let mut again = SessionTime::go_on(&times, number, since);
        advance(20 * MINUTE).await;
        assert_eq!(counted(&times), (None, None));
        again.is_used();
        drop(again);
        advance(29 * MINUTE).await;
        assert_eq!(counted(&times), (None, None));
        advance(2 * MINUTE).await;
        let (count, sum) = counted(&times);
        assert_eq!((count, sum.map(f64::floor)), (Some(1), Some(1200.0)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded() {
        let times = Arc::new(SessionTimes::new(30 * MINUTE));
        for _ in 0..MAX_SILENT + 3 {
            SessionTime::begin(&times).carried();
        }
        assert_eq!(times.lock().silent.len(), MAX_SILENT);
        assert_eq!(counted(&times).0, Some(3));
    }
}
