//! How long people were asked something on behalf of a server.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The server's open questions on one connection.
#[derive(Debug, Default)]
pub(crate) struct Asking(Mutex<Asked>);

#[derive(Debug, Default)]
struct Asked {
    open: usize,
    /// When the first of the open questions was asked.
    since: Option<Instant>,
    /// The time in which a question was open, without that of the open ones.
    closed: Duration,
}

impl Asking {
    pub(crate) fn is_open(&self) -> bool {
        self.with(|asked| asked.open > 0)
    }

    /// How long at least one question was open, all such times together.
    pub(crate) fn time(&self, now: Instant) -> Duration {
        self.with(|asked| {
            let open = asked.since.map(|since| now.saturating_duration_since(since));
            asked.closed + open.unwrap_or_default()
        })
    }

    /// Counts a question until the returned value is dropped.
    pub(crate) fn question(&self) -> Question<'_> {
        self.with(|asked| {
            asked.open += 1;
            asked.since.get_or_insert_with(Instant::now);
        });
        Question(self)
    }

    fn with<T>(&self, look: impl FnOnce(&mut Asked) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An open question of the server.
#[derive(Debug)]
pub(crate) struct Question<'a>(&'a Asking);

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.0.with(|asked| {
            asked.open -= 1;
            if asked.open == 0
                && let Some(since) = asked.since.take()
            {
                asked.closed += since.elapsed();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn counts_overlapping_questions_once() {
        const SECOND: Duration = Duration::from_secs(1);
        let asking = Asking::default();
        let first = asking.question();
        tokio::time::advance(SECOND).await;
        let second = asking.question();
        tokio::time::advance(SECOND).await;
        drop(first);
        assert!(asking.is_open());
        tokio::time::advance(SECOND).await;
        assert_eq!(asking.time(Instant::now()), 3 * SECOND);
        drop(second);
        tokio::time::advance(SECOND).await;
        assert_eq!((asking.is_open(), asking.time(Instant::now())), (false, 3 * SECOND));
    }
}
