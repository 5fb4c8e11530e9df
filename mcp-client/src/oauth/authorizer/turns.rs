//! One at a time renews; whoever waited meanwhile gets the same outcome.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::oauth::OAuthError;

type Outcome = Result<(), Arc<OAuthError>>;

/// A queue in which one works for all.
#[derive(Debug)]
pub(super) struct Turns {
    turn: Semaphore,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    /// How many turns ended with an outcome.
    count: u64,
    failure: Option<Arc<OAuthError>>,
}

/// The right to work, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    _permit: Option<SemaphorePermit<'a>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { turn: Semaphore::new(1), last: Mutex::default() }
    }
}

impl Turns {
    /// Marks when the wait began.
    pub(super) fn ticket(&self) -> u64 {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).count
    }

    /// Waits for a turn.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place in the queue.
    pub(super) async fn take(&self) -> Turn<'_> {
        // The semaphore is never closed.
        Turn { turns: self, _permit: self.turn.acquire().await.ok() }
    }
}

impl Turn<'_> {
    /// The outcome of a turn that ended since the ticket was taken.
    pub(super) fn missed(&self, ticket: u64) -> Option<Outcome> {
        let last = self.turns.last.lock().unwrap_or_else(PoisonError::into_inner);
        (last.count != ticket).then(|| last.failure.clone().map_or(Ok(()), Err))
    }

    /// Ends the turn; those who wait need not work.
    pub(super) fn succeed(self) {
        self.record(None);
    }

    /// Ends the turn with an outcome for all who wait. A turn that is merely dropped has none, and
    /// the next one works instead.
    pub(super) fn end(self, outcome: Outcome) -> Outcome {
        self.record(outcome.as_ref().err().cloned());
        outcome
    }

    fn record(&self, failure: Option<Arc<OAuthError>>) {
        let mut last = self.turns.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.count += 1;
        last.failure = failure;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waited_gets_the_outcome_and_who_comes_later_works() {
        let turns = Turns::default();
        let (early, other) = (turns.ticket(), turns.ticket());
        let turn = turns.take().await;
        assert!(turn.missed(early).is_none());
        turn.end(Err(OAuthError::NoRandomness.into())).unwrap_err();
        let turn = turns.take().await;
        assert!(matches!(&*turn.missed(other).unwrap().unwrap_err(), OAuthError::NoRandomness));
        drop(turn);
        let late = turns.ticket();
        let turn = turns.take().await;
        assert!(turn.missed(late).is_none());
        turn.end(Ok(())).unwrap();
        assert!(turns.take().await.missed(late).unwrap().is_ok());
    }

    #[tokio::test]
    async fn an_abandoned_turn_has_no_outcome() {
        let turns = Turns::default();
        let ticket = turns.ticket();
        drop(turns.take().await);
        assert!(turns.take().await.missed(ticket).is_none());
    }
}
