//! When to open the stream of changes again, and what to think of the server meanwhile.

use std::time::Duration;

use tokio::time::Instant;

/// The first wait; it doubles with each failure.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A stream that lived as long as this was a good one: its end counts as the first failure.
const GOOD_LIFE: Duration = Duration::from_secs(60);
/// After so many failures in a row, what is watched is asked for instead.
const PATIENCE: u32 = 3;

/// How an attempt to listen ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The server has no such method.
    NotOffered,
    /// The server refused this wish.
    Refused,
    /// The stream was not acknowledged, or broke, or the server ended it.
    Broken,
}

/// The policy of one connection: a value, no clock.
#[derive(Debug, Default)]
pub(super) struct Relisten {
    failures: u32,
    retry_at: Option<Instant>,
    refused: bool,
    not_offered: bool,
}

impl Relisten {
    /// An attempt ended, after the stream had lived for `lived`. `chance` is from 0 to 1 and
    /// spreads the attempts of many clients.
    pub(super) fn ended(&mut self, ending: Ending, lived: Duration, now: Instant, chance: f64) {
        self.not_offered |= ending == Ending::NotOffered;
        self.refused = ending == Ending::Refused;
        if lived >= GOOD_LIFE {
            self.failures = 0;
        }
        let doubled = FIRST_WAIT.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let wait = doubled.min(LONGEST_WAIT).mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0);
        self.retry_at = Some(now + wait);
    }

    /// The server acknowledged. The count of failures stays until the stream has proved itself.
    pub(super) fn acknowledged(&mut self) {
        self.retry_at = None;
        self.refused = false;
    }

    /// Other things are wanted: what was refused may now be granted.
    pub(super) fn wish_changed(&mut self) {
        if self.refused {
            self.retry_at = None;
        }
    }

    /// Whether to open the stream now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.not_offered && self.retry_at.is_none_or(|at| at <= now)
    }

    /// When it will be due, if it is not.
    pub(super) fn due_at(&self, now: Instant) -> Option<Instant> {
        self.retry_at.filter(|at| !self.not_offered && *at > now)
    }

    /// Whether to ask for what the server should tell.
    pub(super) fn is_hopeless(&self) -> bool {
        self.not_offered || self.refused || self.failures >= PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_longer_each_time_and_not_for_ever() {
        let now = Instant::now();
        let mut policy = Relisten::default();
        assert!(policy.is_due(now));
        let mut waits = Vec::new();
        for _ in 0..10 {
            policy.ended(Ending::Broken, Duration::ZERO, now, 1.0);
            waits.push((policy.due_at(now).unwrap() - now).as_millis());
        }
        assert_eq!(waits[..8], [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000]);
        assert_eq!(waits[9], 60_000);
        assert!(policy.is_hopeless());
        policy.ended(Ending::Broken, GOOD_LIFE, now, 0.0);
        assert_eq!((policy.due_at(now).unwrap() - now).as_millis(), 250);
        assert!(!policy.is_hopeless());
    }

    #[test]
    fn a_stream_that_dies_young_is_no_success() {
        let now = Instant::now();
        let mut policy = Relisten::default();
        for _ in 0..4 {
            policy.acknowledged();
            assert!(policy.is_due(now));
            policy.ended(Ending::Broken, Duration::from_secs(1), now, 1.0);
        }
        assert_eq!(policy.due_at(now), Some(now + Duration::from_secs(4)));
    }

    #[test]
    fn what_is_not_offered_is_not_asked_for_again() {
        let now = Instant::now();
        let mut policy = Relisten::default();
        policy.ended(Ending::NotOffered, Duration::ZERO, now, 0.5);
        policy.wish_changed();
        let later = now + Duration::from_secs(86_400);
        assert!(policy.is_hopeless() && !policy.is_due(later));
        assert_eq!(policy.due_at(now), None);
    }

    #[test]
    fn another_wish_is_a_new_chance() {
        let now = Instant::now();
        let mut policy = Relisten::default();
        policy.ended(Ending::Refused, Duration::ZERO, now, 0.5);
        assert!(policy.is_hopeless() && !policy.is_due(now));
        policy.wish_changed();
        assert!(policy.is_due(now));
    }

    proptest::proptest! {
        #[test]
        fn every_wait_is_within_bounds(chances in proptest::collection::vec(0.0..=1.0_f64, 1..40)) {
            let now = Instant::now();
            let mut policy = Relisten::default();
            for chance in chances {
                policy.ended(Ending::Broken, Duration::ZERO, now, chance);
                let wait = policy.due_at(now).unwrap() - now;
                proptest::prop_assert!(wait >= FIRST_WAIT / 2 && wait <= LONGEST_WAIT);
            }
        }
    }
}
