//! How long to wait before a server is started again.

use std::time::Duration;

/// Waits that double from `first` to `longest`, each shortened by up to half at random, so that
/// many clients of a server that comes back do not arrive together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure in a row.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Default for Backoff {
    /// From 0.5 s to 1 min.
    fn default() -> Self {
        Self { first: Duration::from_millis(500), longest: Duration::from_secs(60) }
    }
}

impl Backoff {
    /// The wait after this many failures in a row, from 1. `random` is uniform in 0..=1.
    pub(super) fn wait(&self, failures: u32, random: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(32);
        let whole = self.first.saturating_mul(1 << doublings.min(31)).min(self.longest);
        whole.mul_f64(1.0 - random.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn doubles_up_to_the_longest() {
        let backoff = Backoff::default();
        let waits: Vec<_> =
            (1..=9).map(|failures| backoff.wait(failures, 0.0).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(backoff.wait(2, 1.0).as_millis(), 500);
    }

    proptest! {
        #[test]
        fn is_always_within_its_bounds(
            failures in any::<u32>(), random in any::<f64>(),
            first in 1u64..10_000, longest in 1u64..1_000_000,
        ) {
            let backoff = Backoff {
                first: Duration::from_millis(first),
                longest: Duration::from_millis(longest),
            };
            let wait = backoff.wait(failures, random);
            prop_assert!(wait <= backoff.longest);
            prop_assert!(wait >= backoff.first.min(backoff.longest) / 2);
        }
    }
}
