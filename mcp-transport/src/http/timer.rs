//! A limit of time that is set anew for every wait and almost never runs out.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// Keeps its place in the runtime's timer wheel from call to call: moving a deadline further away
/// costs one atomic store, where a new timer would take the wheel's lock.
#[derive(Debug, Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    running: bool,
}

impl Timer {
    /// The wait is over; the next poll begins another.
    pub(super) fn rewind(&mut self) {
        self.running = false;
    }

    /// Ready when `limit` has passed since the first poll after [`rewind`](Self::rewind).
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, limit: Option<Duration>) -> Poll<Duration> {
        let Some(limit) = limit else { return Poll::Pending };
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                if !self.running {
                    sleep.as_mut().reset(Instant::now() + limit);
                }
                sleep
            }
            None => self.sleep.insert(Box::pin(sleep_until(Instant::now() + limit))),
        };
        self.running = true;
        sleep.as_mut().poll(cx).map(|()| limit)
    }
}
