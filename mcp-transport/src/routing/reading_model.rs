//! Every interleaving of callers, task and server, tried by a model checker.
//!
//! A message that nobody is woken for ends a run in a deadlock, which the checker reports.

use std::{
    collections::VecDeque,
    future::poll_fn,
    task::{Context, Poll, Waker},
};

use loom::{
    future::block_on,
    sync::{Arc, Mutex},
    thread,
};

use self::reading::{Progress, Reading, Seat, Source};

/// What the protocol locks with here.
mod sync {
    pub(super) use std::sync::PoisonError;

    pub(super) use loom::sync::{Mutex, MutexGuard};
}

#[path = "reading.rs"]
#[expect(clippy::duplicate_mod, reason = "the same code with the checker's lock")]
#[expect(dead_code, reason = "the task's clock is not part of the model")]
mod reading;

/// A channel that, like a pipe, wakes whoever polled it last.
#[derive(Debug, Default)]
struct Channel(Mutex<Content>);

#[derive(Debug, Default)]
struct Content {
    answers: VecDeque<usize>,
    over: bool,
    waker: Option<Waker>,
}

impl Channel {
    fn change(&self, change: impl FnOnce(&mut Content)) {
        let waker = {
            let mut content = self.0.lock().unwrap();
            change(&mut content);
            content.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The reading end.
#[derive(Debug)]
struct Reader(Arc<Channel>);

/// Where answers go.
type Slots = [Mutex<Slot>; 2];

#[derive(Debug, Default)]
struct Slot {
    answered: bool,
    waker: Option<Waker>,
}

impl Source for Reader {
    type Sink = Slots;

    fn poll_read(&mut self, slots: &Slots, cx: &mut Context<'_>) -> Poll<Progress> {
        let answer = {
            let mut content = self.0.0.lock().unwrap();
            match content.answers.pop_front() {
                Some(answer) => answer,
                None if content.over => return Poll::Ready(Progress::Over),
                None => {
                    content.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        };
        let waker = {
            let mut slot = slots[answer].lock().unwrap();
            slot.answered = true;
            slot.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Poll::Ready(Progress::Read { answers: 1 })
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut content = self.0.0.lock().unwrap();
        if content.over || !content.answers.is_empty() {
            return Poll::Ready(());
        }
        content.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn rest(&mut self) {}
}

#[derive(Debug)]
struct Connection {
    reading: Reading<Reader>,
    slots: Slots,
}

impl Connection {
    /// As `RoutedReplies` does it.
    fn poll(&self, id: usize, seat: &mut Seat, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            {
                let mut slot = self.slots[id].lock().unwrap();
                if slot.answered {
                    break;
                }
                slot.waker = Some(cx.waker().clone());
            }
            if self.reading.poll_caller(seat, &self.slots, cx).is_pending() {
                return Poll::Pending;
            }
        }
        self.reading.leave(seat);
        Poll::Ready(())
    }

    fn call(&self, id: usize) {
        let mut seat = Seat::default();
        block_on(poll_fn(|cx| self.poll(id, &mut seat, cx)));
    }

    /// A caller that is polled once and dropped some time later.
    fn drop_early(&self, id: usize) {
        let mut seat = Seat::default();
        block_on(poll_fn(|cx| {
            let _ = self.poll(id, &mut seat, cx);
            Poll::Ready(())
        }));
        self.reading.leave(&mut seat);
    }

    /// A caller that is dropped when it was woken, but has not been polled since.
    fn drop_woken(&self, id: usize) {
        let mut seat = Seat::default();
        let mut first = true;
        block_on(poll_fn(|cx| {
            if std::mem::take(&mut first) { self.poll(id, &mut seat, cx) } else { Poll::Ready(()) }
        }));
        self.reading.leave(&mut seat);
    }
}

/// Runs the task, these callers and a server that answers both and then ends.
fn check(first: fn(&Connection), second: fn(&Connection)) {
    let mut model = loom::model::Builder::new();
    // Enough to find a task that is woken while the source is held. `LOOM_MAX_PREEMPTIONS=2` takes
    // minutes.
    model.preemption_bound = model.preemption_bound.or(Some(1));
    model.check(move || {
        let channel = Arc::new(Channel::default());
        let reading = Reading::new(Reader(Arc::clone(&channel)));
        reading.open_window();
        let connection = Arc::new(Connection { reading, slots: Default::default() });
        let task = thread::spawn({
            let connection = Arc::clone(&connection);
            move || {
                let (reading, slots) = (&connection.reading, &connection.slots);
                block_on(poll_fn(|cx| reading.poll_task(slots, &mut 0, cx)))
            }
        });
        let callers = [first, second].map(|call| {
            let connection = Arc::clone(&connection);
            thread::spawn(move || call(&connection))
        });
        channel.change(|content| content.answers.push_back(0));
        channel.change(|content| content.answers.push_back(1));
        for caller in callers {
            caller.join().unwrap();
        }
        // The end comes when nobody waits, so the task must hear of it.
        channel.change(|content| content.over = true);
        task.join().unwrap();
    });
}

#[test]
fn every_caller_gets_its_answer_and_the_task_sees_the_end() {
    check(|connection| connection.call(0), |connection| connection.call(1));
}

#[test]
fn a_caller_that_is_dropped_leaves_the_reading_to_others() {
    check(|connection| connection.drop_early(0), |connection| connection.call(1));
    check(|connection| connection.drop_early(1), |connection| connection.call(0));
}

#[test]
fn a_caller_that_is_dropped_when_woken_leaves_the_reading_to_others() {
    check(|connection| connection.drop_woken(0), |connection| connection.call(1));
    check(|connection| connection.drop_woken(1), |connection| connection.call(0));
}
