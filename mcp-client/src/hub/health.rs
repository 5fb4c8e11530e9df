//! What the calls of a server were like.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::Durations;

/// The window of rates.
const MINUTE: Duration = Duration::from_secs(60);
/// How many latencies are kept for the percentiles.
const LATENCIES: usize = 256;
/// How many tools are counted by name; more share one entry, for a server could make up names.
const TOOLS: usize = 512;
/// The entry of the tools beyond that.
const OTHERS: &str = "(others)";

/// The upper bounds of the classes into which latencies are counted, in milliseconds.
pub const LATENCY_BOUNDS_MS: [u64; 12] =
    [1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000, 60_000];

/// Counters of one server since it was added. A value: cloning gives what is known now.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Health {
    /// All exchanges.
    pub calls: u64,
    /// Those without an answer of the server. An answer that says no is none of them.
    pub failures: u64,
    /// Exchanges for which somebody has to log in, or give other credentials.
    pub auth_failures: u64,
    /// The latencies of all answers by class: up to each of [`LATENCY_BOUNDS_MS`], and beyond.
    pub latency_classes: [u64; LATENCY_BOUNDS_MS.len() + 1],
    /// The latencies of all answers together.
    pub latency_total: Duration,
    /// When the last answer came.
    pub last_good: Option<Instant>,
    /// When there was no answer, and why.
    pub last_failure: Option<(Instant, Arc<str>)>,
    /// By tool name.
    pub tools: BTreeMap<String, ToolUsage>,
    /// How long the connections lasted that are over, those that were lost apart.
    pub sessions: Durations,
    latencies: VecDeque<Duration>,
    recent: VecDeque<(Instant, bool)>,
}

/// Counters of one tool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolUsage {
    /// All calls.
    pub calls: u64,
    /// Calls without an answer, and those whose result is an error.
    pub errors: u64,
    /// The time of all calls together.
    pub total: Duration,
}

impl ToolUsage {
    /// The share of calls that failed, 0 to 1.
    pub fn error_rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
        let rate = self.errors as f64 / self.calls.max(1) as f64;
        rate
    }

    /// The time of a call on average.
    pub fn average(&self) -> Option<Duration> {
        let calls = u32::try_from(self.calls).unwrap_or(u32::MAX);
        self.total.checked_div(calls)
    }
}

impl Health {
    /// What several servers did together. Their newest latencies count alike.
    pub(super) fn of_all<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        for one in all {
            sum.calls += one.calls;
            sum.failures += one.failures;
            sum.auth_failures += one.auth_failures;
            for (class, count) in sum.latency_classes.iter_mut().zip(one.latency_classes) {
                *class += count;
            }
            sum.latency_total += one.latency_total;
            sum.last_good = sum.last_good.max(one.last_good);
            if sum.last_failure.as_ref().map(|(at, _)| *at)
                < one.last_failure.as_ref().map(|(at, _)| *at)
            {
                sum.last_failure.clone_from(&one.last_failure);
            }
            for (name, usage) in &one.tools {
                let together = sum.tools.entry(name.clone()).or_default();
                together.calls += usage.calls;
                together.errors += usage.errors;
                together.total += usage.total;
            }
            sum.sessions.join(&one.sessions);
            sum.latencies.extend(&one.latencies);
            sum.recent.extend(&one.recent);
        }
        sum
    }

    /// Counts an exchange that the server answered.
    pub(super) fn answered(&mut self, now: Instant, took: Duration) {
        self.calls += 1;
        self.last_good = Some(now);
        if self.latencies.len() == LATENCIES {
            self.latencies.pop_front();
        }
        self.latencies.push_back(took);
        let class =
            LATENCY_BOUNDS_MS.iter().position(|bound| took <= Duration::from_millis(*bound));
        self.latency_classes[class.unwrap_or(LATENCY_BOUNDS_MS.len())] += 1;
        self.latency_total += took;
        self.note(now, true);
    }

    /// Counts an exchange that has no answer.
    pub(super) fn failed(&mut self, now: Instant, reason: impl Into<Arc<str>>) {
        self.calls += 1;
        self.failures += 1;
        self.last_failure = Some((now, reason.into()));
        self.note(now, false);
    }

    /// Counts an exchange for which somebody has to log in.
    pub(super) fn refused(&mut self) {
        self.auth_failures += 1;
    }

    /// Counts a call of a tool.
    pub(super) fn used(&mut self, name: &str, took: Duration, is_error: bool) {
        let known = self.tools.len() < TOOLS || self.tools.contains_key(name);
        let usage = self.tools.entry(if known { name } else { OTHERS }.to_owned()).or_default();
        usage.calls += 1;
        usage.errors += u64::from(is_error);
        usage.total += took;
    }

    fn note(&mut self, now: Instant, good: bool) {
        self.forget(now);
        self.recent.push_back((now, good));
        // A minute of a busy server would be long; rates are read from the newest then.
        if self.recent.len() > 10_000 {
            self.recent.pop_front();
        }
    }

    fn forget(&mut self, now: Instant) {
        while self.recent.front().is_some_and(|(at, _)| now.duration_since(*at) > MINUTE) {
            self.recent.pop_front();
        }
    }

    fn last_minute(&self, now: Instant) -> impl Iterator<Item = bool> {
        let fresh = self.recent.iter().filter(move |(at, _)| now.duration_since(*at) <= MINUTE);
        fresh.map(|(_, good)| *good)
    }

    /// Exchanges of the last minute.
    pub fn calls_per_minute(&self, now: Instant) -> usize {
        self.last_minute(now).count()
    }

    /// The share of exchanges of the last minute that had no answer, 0 to 1.
    pub fn failure_rate(&self, now: Instant) -> f64 {
        let (all, bad) = self
            .last_minute(now)
            .fold((0_u32, 0_u32), |(all, bad), good| (all + 1, bad + u32::from(!good)));
        if all == 0 { 0.0 } else { f64::from(bad) / f64::from(all) }
    }

    /// The latency below which this share (0 to 1) of the last 256 answers came, of each replica
    /// where there are several.
    pub fn latency(&self, share: f64) -> Option<Duration> {
        let mut sorted: Vec<_> = self.latencies.iter().copied().collect();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index below 256"
        )]
        let index = (share.clamp(0.0, 1.0) * last as f64).round() as usize;
        sorted.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn counts_what_happened() {
        let mut health = Health::default();
        let start = Instant::now();
        for millis in 1..=100 {
            health.answered(start, Duration::from_millis(millis));
        }
        health.failed(start + MINUTE / 2, "gone");
        assert_eq!((health.calls, health.failures), (101, 1));
        assert_eq!(health.latency(0.5), Some(Duration::from_millis(51)));
        assert_eq!(health.latency(0.95), Some(Duration::from_millis(95)));
        assert_eq!(health.calls_per_minute(start + MINUTE), 101);
        let later = start + MINUTE + Duration::from_secs(1);
        assert_eq!(health.calls_per_minute(later), 1);
        assert!((health.failure_rate(later) - 1.0).abs() < f64::EPSILON);
        assert_eq!(Health::default().latency(0.5), None);
    }

    #[tokio::test(start_paused = true)]
    async fn replicas_are_counted_together() {
        let (mut one, mut other) = (Health::default(), Health::default());
        let start = Instant::now();
        one.answered(start, Duration::from_millis(1));
        one.used("a", MINUTE, false);
        one.failed(start, "earlier");
        other.answered(start + MINUTE, Duration::from_millis(3));
        other.failed(start + MINUTE, "later");
        other.used("a", MINUTE, true);
        let both = Health::of_all([&one, &other].into_iter());
        assert_eq!((both.calls, both.failures, both.tools["a"].errors), (4, 2, 1));
        assert_eq!(both.last_failure.as_ref().unwrap().1.as_ref(), "later");
        assert_eq!(both.last_good, Some(start + MINUTE));
        assert_eq!(both.latency(1.0), Some(Duration::from_millis(3)));
        assert_eq!(both.calls_per_minute(start + MINUTE + Duration::from_secs(1)), 2);
    }

    #[test]
    fn made_up_tool_names_share_one_entry() {
        let mut health = Health::default();
        for number in 0..TOOLS * 2 {
            health.used(&format!("tool-{number}"), Duration::from_secs(1), false);
        }
        health.used("tool-0", Duration::from_secs(3), true);
        assert_eq!(health.tools.len(), TOOLS + 1);
        assert_eq!(health.tools[OTHERS].calls, TOOLS as u64);
        let first = health.tools["tool-0"];
        assert_eq!((first.calls, first.errors), (2, 1));
        assert_eq!(first.average(), Some(Duration::from_secs(2)));
        assert!((first.error_rate() - 0.5).abs() < f64::EPSILON);
        assert!(ToolUsage::default().error_rate() < f64::EPSILON);
    }
}
