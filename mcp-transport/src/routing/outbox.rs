//! Messages on their way out, kept in the order in which they were put.

use std::{
    collections::VecDeque,
    future::poll_fn,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;

/// Above this many queued bytes new messages wait. A single message may be larger.
const CAPACITY_BYTES: usize = 1 << 20;

/// A queue with one consumer at a time.
///
/// The consumer is either the caller that has just put a message and finds nobody writing (so that
/// a lone message needs no other task), or the connection's writer task. Whoever it is takes
/// messages out, writes them without holding the lock, and gives back what could not be written.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Entry>,
    queued_bytes: usize,
    last_ticket: u64,
    last_place: u64,
    /// Callers that wait for room, first come first served.
    waiting: VecDeque<(u64, Waker)>,
    charge: Charge,
    /// The writer task, while it has nothing to do.
    task: Option<Waker>,
    /// Whoever waits for the queue to become empty.
    flushed: Option<Waker>,
    /// How many more callers are about to put something, because their answers came together.
    expected: usize,
    /// Whether a caller may be told to write.
    callers_write: bool,
    shut: bool,
    broken: bool,
}

/// Who writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Charge {
    #[default]
    Nobody,
    Caller,
    Task,
    /// The channel was full or there is more than a caller should write: the task goes on.
    OfferedToTask,
}

/// One message and how much of its line is written.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) ticket: Ticket,
    pub(crate) body: Bytes,
    pub(crate) written: usize,
}

impl Entry {
    /// The length of the line, its end included.
    pub(crate) fn line_len(&self) -> usize {
        self.body.len() + 1
    }

    pub(crate) fn is_unfinished(&self) -> bool {
        self.written < self.line_len()
    }
}

/// Names a message that was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// A place in the line of those who wait for room.
#[derive(Debug, Default)]
pub(crate) struct Place(Option<u64>);

/// What became of a message that was put.
#[derive(Debug)]
pub(crate) enum Put {
    /// The caller is to write it now, and then to call [`Outbox::written`].
    WriteNow(Ticket, Entry),
    /// Somebody else will write it.
    Queued(Ticket),
}

impl Put {
    pub(crate) fn ticket(&self) -> Ticket {
        match self {
            Self::WriteNow(ticket, _) | Self::Queued(ticket) => *ticket,
        }
    }
}

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// Everything went out.
    All,
    /// The channel is full.
    Blocked,
    /// The channel is broken; nothing more can be written.
    Broken,
}

/// Nothing can be put any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shut;

impl Outbox {
    /// A queue whose callers write when nobody else does.
    pub(crate) fn written_by_callers() -> Self {
        Self { state: Mutex::new(State { callers_write: true, ..State::default() }) }
    }

    /// A queue that somebody empties with [`pop`](Self::pop).
    pub(crate) fn popped() -> Self {
        Self { state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a message behind all others as soon as there is room.
    pub(crate) fn poll_put(
        &self,
        place: &mut Place,
        body: &Bytes,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Put, Shut>> {
        let mut state = self.lock();
        if state.shut {
            return Poll::Ready(Err(Shut));
        }
        let first = match place.0 {
            None => state.waiting.is_empty(),
            Some(mine) => state.waiting.front().is_some_and(|(number, _)| *number == mine),
        };
        if first && state.queued_bytes < CAPACITY_BYTES {
            if place.0.take().is_some() {
                state.waiting.pop_front();
            }
            let (put, task) = state.put(body.clone());
            let next = state.next_with_room();
            drop(state);
            wake(task);
            wake(next);
            return Poll::Ready(Ok(put));
        }
        let waker = cx.waker().clone();
        if let Some(mine) = place.0 {
            if let Some(entry) = state.waiting.iter_mut().find(|(number, _)| *number == mine) {
                entry.1 = waker;
            }
        } else {
            state.last_place += 1;
            place.0 = Some(state.last_place);
            let number = state.last_place;
            state.waiting.push_back((number, waker));
        }
        Poll::Pending
    }

    /// Puts a message behind all others, whether or not there is room. For messages whose number
    /// is bounded otherwise, such as one cancellation per request.
    pub(crate) fn put(&self, body: Bytes) -> Result<Put, Shut> {
        let mut state = self.lock();
        if state.shut {
            return Err(Shut);
        }
        let (put, task) = state.put(body);
        drop(state);
        wake(task);
        Ok(put)
    }

    /// Whether a message would be taken at once.
    pub(crate) fn has_room(&self) -> bool {
        self.lock().queued_bytes < CAPACITY_BYTES
    }

    /// Gives up waiting for room.
    pub(crate) fn leave(&self, place: &mut Place) {
        let Some(mine) = place.0.take() else { return };
        let mut state = self.lock();
        state.waiting.retain(|(number, _)| *number != mine);
        let next = state.next_with_room();
        drop(state);
        wake(next);
    }

    /// Takes a message back. Returns whether it was still here and no byte of it was written.
    pub(crate) fn withdraw(&self, ticket: Ticket) -> bool {
        let mut state = self.lock();
        let Ok(index) = state.queue.binary_search_by_key(&ticket, |entry| entry.ticket) else {
            return false;
        };
        if state.queue[index].written > 0 {
            return false;
        }
        let Some(entry) = state.queue.remove(index) else { return false };
        state.queued_bytes -= entry.line_len();
        let next = state.next_with_room();
        let flushed = state.flushed_if_idle();
        drop(state);
        drop(entry);
        wake(next);
        wake(flushed);
        true
    }

    /// Announces that this many callers have just got answers and may put the next message soon.
    /// Theirs are then left to the writer task, which writes what has gathered in one go.
    pub(crate) fn expect(&self, callers: usize) {
        self.lock().expected = callers;
    }

    /// For the writer task: waits until there is something for it to write, and then is in charge
    /// of writing. [`Shut`] when there is nothing and never will be.
    pub(crate) fn poll_work(&self, cx: &mut Context<'_>) -> Poll<Result<(), Shut>> {
        let mut state = self.lock();
        if state.broken {
            return Poll::Ready(Err(Shut));
        }
        let mine = match state.charge {
            Charge::OfferedToTask => true,
            Charge::Nobody => !state.queue.is_empty(),
            Charge::Caller | Charge::Task => false,
        };
        if mine {
            state.charge = Charge::Task;
            return Poll::Ready(Ok(()));
        }
        if state.shut && state.charge == Charge::Nobody {
            return Poll::Ready(Err(Shut));
        }
        state.task = Some(cx.waker().clone());
        Poll::Pending
    }

    /// For whoever is in charge: takes messages out of the front, at most as many as asked for.
    pub(crate) fn take(&self, at_most: usize) -> Vec<Entry> {
        let mut state = self.lock();
        let count = state.queue.len().min(at_most);
        state.queue.drain(..count).collect()
    }

    /// For a consumer that needs no charge, since it takes whole messages: waits for the first one.
    /// `None` when there is none and never will be.
    ///
    /// # Cancel safety
    /// No message is lost when the future is dropped.
    pub(crate) async fn pop(&self) -> Option<Bytes> {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.queue.is_empty() && !state.shut {
                state.task = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(pop_front(state))
        })
        .await
    }

    /// As [`pop`](Self::pop), without waiting.
    pub(crate) fn pop_waiting(&self) -> Option<Bytes> {
        pop_front(self.lock())
    }

    /// For whoever is in charge: reports a write and gives back what is left of it. Returns whether
    /// there is more to write, and the reporter still in charge.
    pub(crate) fn written(
        &self,
        written_bytes: usize,
        rest: impl DoubleEndedIterator<Item = Entry>,
        how: Written,
    ) -> bool {
        let mut state = self.lock();
        state.queued_bytes -= written_bytes;
        for entry in rest.rev() {
            state.queue.push_front(entry);
        }
        let mut task = None;
        let again = match how {
            Written::Broken => {
                state.charge = Charge::Nobody;
                state.shut = true;
                state.broken = true;
                task = state.task.take();
                false
            }
            Written::All | Written::Blocked if state.queue.is_empty() => {
                state.charge = Charge::Nobody;
                // After `shut` the task has waited only for this.
                if state.shut {
                    task = state.task.take();
                }
                false
            }
            Written::All | Written::Blocked if state.charge == Charge::Task => true,
            Written::All | Written::Blocked => {
                state.charge = Charge::OfferedToTask;
                task = state.task.take();
                false
            }
        };
        let next = state.next_with_room();
        let flushed = state.flushed_if_idle();
        drop(state);
        wake(task);
        wake(next);
        wake(flushed);
        again
    }

    /// Waits until all is written, or nothing more can be.
    pub(crate) fn poll_flushed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.is_idle() {
            return Poll::Ready(());
        }
        state.flushed = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Refuses further messages. What is queued stays, to be written or to be withdrawn.
    pub(crate) fn shut(&self) {
        let mut state = self.lock();
        state.shut = true;
        let waiting = mem::take(&mut state.waiting);
        let task = state.task.take();
        drop(state);
        for (_, waker) in waiting {
            waker.wake();
        }
        wake(task);
    }
}

impl State {
    /// Puts a message, and says whom to wake for it.
    fn put(&mut self, body: Bytes) -> (Put, Option<Waker>) {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        let entry = Entry { ticket, body, written: 0 };
        self.queued_bytes += entry.line_len();
        let one_of_many = self.expected > 0;
        self.expected = self.expected.saturating_sub(1);
        let idle = self.charge == Charge::Nobody && self.queue.is_empty();
        if idle && self.callers_write && !one_of_many {
            self.charge = Charge::Caller;
            return (Put::WriteNow(ticket, entry), None);
        }
        self.queue.push_back(entry);
        let task = if self.charge == Charge::Nobody { self.task.take() } else { None };
        (Put::Queued(ticket), task)
    }

    /// The first of those who wait, if there is room for it now.
    fn next_with_room(&self) -> Option<Waker> {
        let first = self.waiting.front().filter(|_| self.queued_bytes < CAPACITY_BYTES)?;
        Some(first.1.clone())
    }

    /// Whether all is written, or nothing more can be.
    fn is_idle(&self) -> bool {
        self.broken || (self.queue.is_empty() && self.charge == Charge::Nobody)
    }

    fn flushed_if_idle(&mut self) -> Option<Waker> {
        if self.is_idle() { self.flushed.take() } else { None }
    }
}

fn pop_front(mut state: MutexGuard<'_, State>) -> Option<Bytes> {
    let entry = state.queue.pop_front()?;
    state.queued_bytes -= entry.line_len();
    let next = state.next_with_room();
    drop(state);
    wake(next);
    Some(entry.body)
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
