//! Who reads a channel: its task, or in brisk traffic the caller that waits.
//!
//! A reading task costs every answer a hop: it is woken, reads, and wakes the caller. So a caller
//! that waits anyway may read itself. The protocol is short, because a channel wakes only whoever
//! polled it last:
//!
//! - Reading needs the source, which is in the hands of one party at a time. Nobody waits for it:
//!   whoever holds it passes on all that it reads, and the others are woken by their own answers.
//! - Whoever has held the source is woken next time, or has had the task woken. A caller that leaves,
//!   with its answer or without, polls the source in the name of the task. A task that is woken
//!   before the source is given back is woken again then.
//!
//! Thus the last to poll is always somebody who will read when woken, with one exception: a caller
//! whose future is kept but not polled. Therefore callers read only within a window that the task
//! opens for a [`TICK`] when answers follow each other closely; at each tick it takes the reading
//! back.

use std::{
    future::{Future, poll_fn},
    mem,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use super::sync::{Mutex, MutexGuard, PoisonError};

/// How long others may be kept waiting by a caller that reads and then is not polled any more.
const TICK: Duration = Duration::from_millis(5);

/// Where messages come from.
pub(crate) trait Source {
    /// Who gets them.
    type Sink: ?Sized;

    /// Reads something and passes it on. `Pending` when there is nothing, and then `cx` and nobody
    /// else is woken when that changes.
    fn poll_read(&mut self, sink: &Self::Sink, cx: &mut Context<'_>) -> Poll<Progress>;

    /// Whether there is anything to read; as [`poll_read`](Self::poll_read) otherwise.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Little comes at the moment: lets go of what can be had again.
    fn rest(&mut self);
}

/// What came of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Something was passed on, among it this many answers.
    Read {
        /// How many requests were answered.
        answers: usize,
    },
    /// There is nothing more to come. Said again when asked again.
    Over,
}

/// A source, shared by the callers and the task.
#[derive(Debug)]
pub(crate) struct Reading<S> {
    state: Mutex<State<S>>,
}

#[derive(Debug)]
struct State<S> {
    source: Place<S>,
    task: Option<Waker>,
    /// Whether the task found the source held. It may have been woken by what the holder has not
    /// seen, between the holder's last look and now, so it must look again.
    missed: bool,
    window: Window,
    /// Whether a caller polled the source last.
    led_by_caller: bool,
}

/// Where the source is. In a box, since it changes hands several times per call.
#[derive(Debug)]
enum Place<S> {
    Here(Box<S>),
    /// Somebody holds it.
    Held,
    /// Whoever holds it is to drop it.
    Closed,
}

impl<S> Place<S> {
    fn take(&mut self) -> Option<Box<S>> {
        match mem::replace(self, Self::Held) {
            Self::Here(source) => Some(source),
            Self::Held => None,
            Self::Closed => {
                *self = Self::Closed;
                None
            }
        }
    }
}

/// Whether callers may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Window {
    Shut,
    Open,
    /// Open, and a caller has read since the last tick.
    Used,
}

/// What a caller must remember about its reading.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    /// Whether the source may wake this caller.
    leads: bool,
}

impl<S: Source> Reading<S> {
    pub(crate) fn new(source: S) -> Self {
        Self {
            state: Mutex::new(State {
                source: Place::Here(Box::new(source)),
                task: None,
                missed: false,
                window: Window::Shut,
                led_by_caller: false,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a caller that waits, after it has left its waker where its answer will come. `Ready`
    /// when something was read, perhaps for this caller; it then looks, and asks again.
    pub(crate) fn poll_caller(
        &self,
        seat: &mut Seat,
        sink: &S::Sink,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let mut held = {
            let mut state = self.lock();
            if !seat.leads && (state.window == Window::Shut || state.led_by_caller) {
                return Poll::Pending;
            }
            let Some(source) = state.source.take() else { return Poll::Pending };
            if state.window == Window::Open {
                state.window = Window::Used;
            }
            state.led_by_caller = true;
            seat.leads = true;
            Held { reading: self, source: Some(source) }
        };
        let progress = held.poll_read(sink, cx);
        drop(held);
        match progress {
            Poll::Ready(Progress::Read { .. }) => Poll::Ready(()),
            Poll::Ready(Progress::Over) => {
                // The task tells everybody, this caller too.
                let task = self.lock().task.clone();
                wake(task);
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// For a caller that will not ask again.
    pub(crate) fn leave(&self, seat: &mut Seat) {
        if !mem::take(&mut seat.leads) {
            return;
        }
        let (mut held, task) = {
            let mut state = self.lock();
            state.led_by_caller = false;
            // Before its first poll the task needs no waking.
            let Some(task) = state.task.clone() else { return };
            let Some(source) = state.source.take() else { return };
            (Held { reading: self, source: Some(source) }, task)
        };
        let ready = held.poll_ready(&mut Context::from_waker(&task)).is_ready();
        drop(held);
        if ready {
            task.wake();
        }
    }

    /// For the task, always the same one: reads all there is, and counts the answers. `Ready` with
    /// the source when it is over.
    pub(crate) fn poll_task(
        &self,
        sink: &S::Sink,
        answers: &mut usize,
        cx: &mut Context<'_>,
    ) -> Poll<S> {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        let old = state.task.replace(waker);
        let source = state.source.take();
        state.missed = source.is_none();
        state.led_by_caller = false;
        drop(state);
        drop(old);
        let Some(source) = source else { return Poll::Pending };
        let mut held = Held { reading: self, source: Some(source) };
        loop {
            match held.poll_read(sink, cx) {
                Poll::Ready(Progress::Read { answers: more }) => *answers += more,
                Poll::Ready(Progress::Over) => {
                    return held.source.take().map_or(Poll::Pending, |source| Poll::Ready(*source));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Lets callers read until the next tick.
    pub(super) fn open_window(&self) {
        self.lock().window = Window::Open;
    }

    /// At a tick: keeps the window open if it was used. Returns whether it is open.
    fn keep_window_if_used(&self) -> bool {
        let mut state = self.lock();
        state.window = if state.window == Window::Used { Window::Open } else { Window::Shut };
        state.window == Window::Open
    }

    /// Lets go of the source.
    pub(crate) fn close(&self) {
        let source = mem::replace(&mut self.lock().source, Place::Closed);
        drop(source);
    }

    /// The task: reads until the source is over.
    pub(crate) async fn run(&self, sink: &S::Sink) -> S {
        let mut last_answer = None;
        loop {
            if let Some(source) = self.until_brisk(sink, &mut last_answer).await {
                return source;
            }
            self.open_window();
            loop {
                let tick = sleep_until(Instant::now() + TICK);
                if let Some(source) = self.until(sink, tick).await {
                    return source;
                }
                if !self.keep_window_if_used() {
                    break;
                }
            }
            self.rest();
        }
    }

    fn rest(&self) {
        if let Place::Here(source) = &mut self.lock().source {
            source.rest();
        }
    }

    /// Reads until answers follow each other closely, or the source is over.
    async fn until_brisk(&self, sink: &S::Sink, last: &mut Option<Instant>) -> Option<S> {
        poll_fn(|cx| {
            let mut answers = 0;
            let read = self.poll_task(sink, &mut answers, cx);
            if read.is_pending() && answers > 0 {
                let now = Instant::now();
                if last.replace(now).is_some_and(|last| now - last < TICK) {
                    return Poll::Ready(None);
                }
            }
            if read.is_pending() {
                self.rest();
            }
            read.map(Some)
        })
        .await
    }

    /// Reads until the tick, or the source is over.
    async fn until(&self, sink: &S::Sink, tick: impl Future<Output = ()>) -> Option<S> {
        let mut tick = pin!(tick);
        poll_fn(|cx| {
            if let Poll::Ready(source) = self.poll_task(sink, &mut 0, cx) {
                return Poll::Ready(Some(source));
            }
            tick.as_mut().poll(cx).map(|()| None)
        })
        .await
    }
}

/// The source while it is held. Given back by its drop, so that no panic can lose it.
struct Held<'a, S> {
    reading: &'a Reading<S>,
    source: Option<Box<S>>,
}

impl<S: Source> Held<'_, S> {
    fn poll_read(&mut self, sink: &S::Sink, cx: &mut Context<'_>) -> Poll<Progress> {
        self.source.as_mut().map_or(Poll::Pending, |source| source.poll_read(sink, cx))
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.source.as_mut().map_or(Poll::Pending, |source| source.poll_ready(cx))
    }
}

impl<S> Drop for Held<'_, S> {
    fn drop(&mut self) {
        let mut state = self.reading.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Place::Held, Some(source)) = (&state.source, self.source.take()) {
            state.source = Place::Here(source);
        }
        let task = if mem::take(&mut state.missed) { state.task.clone() } else { None };
        drop(state);
        wake(task);
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
