//! When to ask a model again.

use std::time::Duration;

use crate::model::ModelError;

/// When to ask a model again after its provider failed. An answer that breaks off is asked for again
/// unless somebody who takes the events of the run heard words of it: they cannot be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// How often the model is asked in all; 1 means never again.
    pub max_attempts: u32,
    /// The first wait; it doubles with each attempt.
    pub first_wait: Duration,
    /// The longest wait. A provider that asks for a longer one is not asked again.
    pub max_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            first_wait: Duration::from_millis(500),
            max_wait: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// No second attempt.
    pub fn never() -> Self {
        Self { max_attempts: 1, ..Self::default() }
    }

    /// How long to wait after this attempt, counted from 1; `None` to give up. `chance`, from 0 to
    /// 1, spreads the waits of many that failed together.
    pub fn wait(&self, attempt: u32, error: &ModelError, chance: f64) -> Option<Duration> {
        if attempt >= self.max_attempts || !error.is_retryable() {
            return None;
        }
        if let Some(asked) = error.retry_after() {
            return (asked <= self.max_wait).then_some(asked);
        }
        let doubled = self.first_wait.saturating_mul(1_u32 << attempt.saturating_sub(1).min(16));
        Some(doubled.min(self.max_wait).mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, StatusCode, header::RETRY_AFTER};

    use super::*;
    use crate::model::openai_chat::failure;

    fn failed(status: u16, retry_after: Option<&'static str>) -> ModelError {
        let mut headers = HeaderMap::new();
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        failure::decode(StatusCode::from_u16(status).unwrap(), &headers, b"")
    }

    #[track_caller]
    fn check(attempt: u32, error: &ModelError, milliseconds: Option<u64>) {
        let wait = RetryPolicy::default().wait(attempt, error, 1.0);
        assert_eq!(wait, milliseconds.map(Duration::from_millis));
    }

    #[test]
    fn waits() {
        let busy = failed(503, None);
        check(1, &busy, Some(500));
        check(2, &busy, Some(1000));
        check(3, &busy, None);
        check(1, &failed(429, Some("7")), Some(7000));
        check(1, &failed(429, Some("3600")), None);
        check(1, &failed(400, None), None);
        let half = RetryPolicy::default().wait(1, &busy, 0.0);
        assert_eq!(half, Some(Duration::from_millis(250)));
        assert_eq!(RetryPolicy::never().wait(1, &busy, 1.0), None);
    }
}
