//! How many calls are under way, for those who wait for their end.

use std::sync::{
    Arc,
    atomic::{AtomicIsize, Ordering},
};

use tokio::sync::Notify;

/// Counts what is under way. Clones count together.
#[derive(Clone, Debug, Default)]
pub(super) struct Running(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    under_way: AtomicIsize,
    is_idle: Notify,
}

/// Something is under way as long as this lives.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Count>);

/// Something that is under way waits for a client, and counts for nothing as long as this lives.
#[derive(Debug)]
pub(super) struct Aside(Arc<Count>);

impl Count {
    fn one_more(&self) {
        self.under_way.fetch_add(1, Ordering::Relaxed);
    }

    fn one_less(&self) {
        // Nobody is told of each: this is done for every call.
        if self.under_way.fetch_sub(1, Ordering::AcqRel) <= 1 {
            self.is_idle.notify_waiters();
        }
    }
}

impl Running {
    pub(super) fn begin(&self) -> UnderWay {
        self.0.one_more();
        UnderWay(Arc::clone(&self.0))
    }

    /// For something that is under way and waits for a client, perhaps for ever.
    pub(super) fn aside(&self) -> Aside {
        self.0.one_less();
        Aside(Arc::clone(&self.0))
    }

    /// Waits until nothing is under way. What ends while it is aside is taken off twice, for as
    /// long as nobody notices.
    pub(super) async fn idle(&self) {
        loop {
            // Hears of what ends from here on.
            let told = self.0.is_idle.notified();
            if self.0.under_way.load(Ordering::Acquire) <= 0 {
                return;
            }
            told.await;
        }
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.0.one_more();
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.one_less();
    }
}
