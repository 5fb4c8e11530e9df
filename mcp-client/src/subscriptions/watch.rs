//! The handle of who wants to hear of changes.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;
use mcp_protocol::subscriptions::SubscriptionFilter;

use super::{
    change::Change,
    coverage::WatchState,
    inbox::Inbox,
    watchers::{WatcherId, Watchers},
};

/// Hears of changes; dropped, its interest is gone. It does not keep the connection open.
///
/// Changes that are not read yet are told once, however often they happened, in the order in which
/// they happened first. More than 256 different ones unread become one [`Change::Gap`]. So a slow
/// reader costs a bounded amount of memory, holds up nobody, and still asks for everything that
/// changed.
#[must_use = "dropping it ends the interest"]
pub struct Watch {
    pub(super) id: WatcherId,
    pub(super) inbox: Arc<Inbox>,
    pub(super) watchers: Arc<Watchers>,
}

impl Watch {
    /// The next change; `None` when the connection is over.
    ///
    /// # Cancel safety
    /// No change is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Change> {
        poll_fn(|cx| self.inbox.poll_next(cx)).await
    }

    /// What is watched.
    pub fn wanted(&self) -> &SubscriptionFilter {
        &self.inbox.wanted
    }

    /// How it is served now.
    pub fn state(&self) -> WatchState {
        self.watchers.coverage().borrow().state_of(&self.inbox.wanted)
    }

    /// Waits until it is clear how it is served. What changes after that will be told, save in the
    /// states [`WatchState::Unavailable`] and [`WatchState::Ended`].
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn ready(&self) -> WatchState {
        let mut state = self.state();
        let mut coverage = self.watchers.coverage();
        let settled = coverage.wait_for(|coverage| {
            state = coverage.state_of(&self.inbox.wanted);
            !matches!(state, WatchState::Opening | WatchState::Interrupted)
        });
        // The sending side lives in `self`, so waiting cannot fail.
        drop(settled.await);
        state
    }
}

impl Stream for Watch {
    type Item = Change;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        self.inbox.poll_next(cx)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watchers.remove(self.id);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("wanted", &self.inbox.wanted)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
