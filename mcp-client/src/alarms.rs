//! Timers that outlive the calls they watch, so that a call seldom has to make one.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use tokio::{
    runtime,
    time::{Instant, Sleep, sleep_until},
};

/// How many timers are kept for later calls.
const MAX_KEPT: usize = 256;

/// The timers of one connection that no call uses.
///
/// They keep their places in the runtime's timer wheel: to move a deadline further away takes one
/// atomic store, where a new timer takes the wheel's lock twice and a system call to wake the
/// runtime's driver. Calls mostly have the same limit, so their deadlines do move away. What goes
/// off while nobody uses it wakes nobody, or the task of a call that is over.
#[derive(Default)]
pub(crate) struct Alarms(Mutex<Vec<Timer>>);

struct Timer {
    /// Where the timer runs. It is of no use to another runtime, and breaks with its own.
    runtime: runtime::Id,
    sleep: Pin<Box<Sleep>>,
}

impl Alarms {
    /// An alarm that goes off at `time` on the current runtime, or never.
    pub(crate) fn set(&self, time: Option<Instant>) -> Alarm<'_> {
        Alarm { timer: time.map(|time| self.timer(time)), kept: self }
    }

    fn timer(&self, time: Instant) -> Timer {
        let runtime = runtime::Handle::current().id();
        let kept = self.lock().pop();
        match kept {
            Some(mut timer) if timer.runtime == runtime => {
                timer.sleep.as_mut().reset(time);
                timer
            }
            _ => Timer { runtime, sleep: Box::pin(sleep_until(time)) },
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Timer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Is ready from its time on, also when polled again.
pub(crate) struct Alarm<'a> {
    timer: Option<Timer>,
    kept: &'a Alarms,
}

impl Alarm<'_> {
    /// Changes the time. An alarm that never goes off stays one.
    pub(crate) fn reset(&mut self, time: Option<Instant>) {
        if let (Some(timer), Some(time)) = (&mut self.timer, time) {
            timer.sleep.as_mut().reset(time);
        }
    }
}

impl Future for Alarm<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.timer {
            Some(timer) => timer.sleep.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            let mut kept = self.kept.lock();
            if kept.len() < MAX_KEPT {
                kept.push(timer);
            }
        }
    }
}

impl fmt::Debug for Alarms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarms").field("kept", &self.lock().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_kept_timer_goes_off_at_the_time_of_its_new_call() {
        let alarms = Alarms::default();
        let start = Instant::now();
        let mut first = alarms.set(Some(start + 60 * SECOND));
        assert!((&mut first).now_or_never().is_none());
        drop(first);
        for seconds in [90, 2, 30] {
            let start = Instant::now();
            alarms.set(Some(start + seconds * SECOND)).await;
            assert_eq!(start.elapsed(), seconds * SECOND);
            assert_eq!(alarms.lock().len(), 1, "one timer did for all");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn alarms_side_by_side_have_timers_of_their_own() {
        let alarms = Alarms::default();
        let start = Instant::now();
        let (mut late, early) =
            (alarms.set(Some(start + 5 * SECOND)), alarms.set(Some(start + SECOND)));
        early.await;
        assert_eq!(start.elapsed(), SECOND);
        late.reset(Some(start + 9 * SECOND));
        late.await;
        assert_eq!(start.elapsed(), 9 * SECOND);
        assert_eq!(alarms.lock().len(), 2);
    }

    #[test]
    fn a_timer_is_not_used_after_its_runtime() {
        let runtime = || {
            let mut builder = runtime::Builder::new_current_thread();
            builder.enable_time().start_paused(true).build().unwrap()
        };
        let alarms = Alarms::default();
        for _ in 0..2 {
            runtime().block_on(async { alarms.set(Some(Instant::now() + SECOND)).await });
            assert_eq!(alarms.lock().len(), 1);
        }
    }
}
