//! What one watcher has to be told.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;
use mcp_protocol::subscriptions::SubscriptionFilter;

use super::change::Change;

/// More than this unread, and all of it becomes one [`Change::Gap`].
const MAX_UNREAD: usize = 256;

/// A queue in which nothing stands twice, in the order in which things happened first.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) wanted: SubscriptionFilter,
    state: Mutex<State>,
    reader: AtomicWaker,
}

#[derive(Debug, Default)]
struct State {
    unread: VecDeque<Change>,
    closed: bool,
}

impl State {
    /// A change says only that something must be asked for anew, so one word of it is enough.
    fn add(&mut self, change: &Change) {
        match change {
            Change::Gap => {
                self.unread.retain(|one| matches!(one, Change::Task(_) | Change::LegacyTask(_)));
            }
            // A task carries its state: the newest counts.
            Change::Task(new) => self.unread.retain(
                |one| !matches!(one, Change::Task(old) if old.task.task_id == new.task.task_id),
            ),
            Change::LegacyTask(new) => self.unread.retain(
                |one| !matches!(one, Change::LegacyTask(old) if old.task_id == new.task_id),
            ),
            // A gap covers what comes before it is read.
            _ if self.unread.iter().any(|one| one == change || *one == Change::Gap) => return,
            _ => {}
        }
        if self.unread.len() >= MAX_UNREAD {
            self.unread.clear();
            self.unread.push_back(Change::Gap);
        } else {
            self.unread.push_back(change.clone());
        }
    }
}

impl Inbox {
    pub(super) fn new(wanted: SubscriptionFilter) -> Self {
        Self { wanted, state: Mutex::default(), reader: AtomicWaker::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never waits, and never grows without bound.
    pub(super) fn put(&self, change: &Change) {
        self.lock().add(change);
        self.reader.wake();
    }

    /// Nothing more will come; what is there can still be read.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.reader.wake();
    }

    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        // Before looking, or a change in between would wake nobody.
        self.reader.register(cx.waker());
        let mut state = self.lock();
        match state.unread.pop_front() {
            Some(change) => Poll::Ready(Some(change)),
            None if state.closed => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(number: usize) -> Change {
        Change::Resource(format!("x:{number}").into())
    }

    fn unread(changes: impl IntoIterator<Item = Change>) -> Vec<Change> {
        let mut state = State::default();
        changes.into_iter().for_each(|change| state.add(&change));
        state.unread.into()
    }

    #[test]
    fn says_everything_once_and_in_order() {
        let (a, b) = (resource(1), resource(2));
        let told = unread([a.clone(), Change::Tools, a.clone(), b.clone(), Change::Tools]);
        assert_eq!(told, [a, Change::Tools, b]);
    }

    #[test]
    fn a_gap_stands_for_everything() {
        assert_eq!(unread([Change::Tools, Change::Gap, resource(1), Change::Gap]), [Change::Gap]);
    }

    #[test]
    fn too_much_is_a_gap() {
        assert_eq!(unread((0..MAX_UNREAD).map(resource)).len(), MAX_UNREAD);
        assert_eq!(unread((0..=MAX_UNREAD + 1).map(resource)), [Change::Gap]);
    }
}
