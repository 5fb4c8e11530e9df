//! Tasks that belong to one transport and end with it.

use std::{
    fmt,
    future::Future,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{runtime::Handle, task::JoinSet, time::timeout};

/// What a transport does while no caller waits: drivers of HTTP/2 connections, the legacy event
/// stream, cancellations on their way.
#[derive(Default)]
pub(super) struct Tasks(Mutex<State>);

#[derive(Default)]
struct State {
    closed: bool,
    /// End on their own soon; an orderly close waits for them.
    brief: JoinSet<()>,
    /// End only when told.
    lasting: JoinSet<()>,
}

impl Tasks {
    /// Starts work that ends on its own soon. Does nothing after the end, or outside a runtime.
    pub(super) fn spawn_brief(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.spawn(work, |state| &mut state.brief);
    }

    /// Starts work that goes on until the transport ends.
    pub(super) fn spawn_lasting(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.spawn(work, |state| &mut state.lasting);
    }

    fn spawn(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
        set: fn(&mut State) -> &mut JoinSet<()>,
    ) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut state = self.lock();
        if state.closed {
            return;
        }
        let set = set(&mut state);
        while set.try_join_next().is_some() {}
        set.spawn_on(work, &runtime);
    }

    /// Waits at most `limit` for brief work, then ends it.
    pub(super) async fn finish_brief(&self, limit: Duration) {
        let mut brief = std::mem::take(&mut self.lock().brief);
        // What is late is aborted when the set is dropped.
        let _ = timeout(limit, async { while brief.join_next().await.is_some() {} }).await;
    }

    /// Ends everything at once.
    pub(super) fn abort(&self) {
        let mut state = self.lock();
        state.closed = true;
        let sets = (std::mem::take(&mut state.brief), std::mem::take(&mut state.lasting));
        drop(state);
        drop(sets);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").finish_non_exhaustive()
    }
}
