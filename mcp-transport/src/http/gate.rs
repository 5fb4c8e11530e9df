//! Keeps a connection from waking the task that is polling it.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Wake, Waker},
};

/// The waker that a connection gets in place of its task's.
///
/// hyper passes requests, responses and chunks through small channels between the two ends of a
/// connection. Here one task polls both ends, so most of their signals tell it what it is about to
/// see anyway; each would cost another turn of the runtime. Signals are withheld while the task
/// has the connection in hand. When it is about to wait, it lets later ones through, and hears
/// whether there was one since it last looked.
#[derive(Default)]
pub(super) struct Gate(Mutex<State>);

#[derive(Default)]
struct State {
    /// Who waits; `None` while the connection is in hand, or idle.
    waiting: Option<Waker>,
    /// Whether there was a signal while nobody waited.
    signalled: bool,
}

impl Gate {
    /// The task has the connection in hand and looks at everything from here on.
    pub(super) fn hold(&self) {
        let mut state = self.lock();
        state.waiting = None;
        state.signalled = false;
    }

    /// The task is about to wait, unless there was a signal since it last looked. Whether it may.
    pub(super) fn wait(&self, cx: &Context<'_>) -> bool {
        let mut state = self.lock();
        if state.signalled {
            state.signalled = false;
            return false;
        }
        state.waiting = Some(cx.waker().clone());
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Gate {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.lock();
        match state.waiting.take() {
            Some(waker) => {
                drop(state);
                waker.wake();
            }
            None => state.signalled = true,
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}
