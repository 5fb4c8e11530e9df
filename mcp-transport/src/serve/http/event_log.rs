//! The events of one stream: those that were not sent yet, and the latest that were.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use tokio::time::Instant;

/// How many events wait for their reader before the writer has to, and how many are kept for a
/// reader that comes again.
const MAX_EVENTS: usize = 64;

/// How much text is kept; the newest event is kept whatever its size.
const MAX_BYTES: usize = 256 << 10;

/// One message on its way to the client.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// Counts from 1 within its stream.
    pub(super) number: u64,
    pub(super) text: Bytes,
    /// Of an answer: whether it is a success, or the code of its error.
    pub(super) answer: Option<Result<(), i64>>,
}

/// The events of one stream, with one reader at a time.
#[derive(Debug)]
pub(in crate::serve) struct EventLog(Mutex<State>);

#[derive(Debug)]
struct State {
    events: VecDeque<Event>,
    bytes: usize,
    last_number: u64,
    /// The number up to which the reader has taken.
    read: u64,
    /// How many answers are still to come; `None` for a stream that ends only when told.
    open_answers: Option<usize>,
    closed: bool,
    /// Which reader is the current one.
    generation: u64,
    attached: bool,
    left: Option<Instant>,
    reader: Option<Waker>,
    /// Writers that wait for room.
    writers: Vec<Waker>,
}

impl EventLog {
    /// A stream that ends after so many answers, or only when told.
    pub(super) fn new(answers: Option<usize>) -> Arc<Self> {
        Self::after(0, answers)
    }

    /// A stream whose events are counted from after this number.
    pub(super) fn after(number: u64, answers: Option<usize>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            events: VecDeque::new(),
            bytes: 0,
            last_number: number,
            read: number,
            open_answers: answers,
            closed: false,
            generation: 0,
            attached: false,
            left: None,
            reader: None,
            writers: Vec::new(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message. While a reader is there, waits until it is not too far behind; without one
    /// the oldest messages go. False where the stream is over.
    pub(in crate::serve) async fn push(&self, text: Bytes) -> bool {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.is_full() {
                state.writers.push(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
        self.lock().add(text, None)
    }

    /// Adds a message, unless the reader is too far behind.
    pub(in crate::serve) fn try_push(&self, text: Bytes) {
        let mut state = self.lock();
        if !state.is_full() {
            state.add(text, None);
        }
    }

    /// Adds an answer, without waiting.
    pub(super) fn answer(&self, text: Bytes, outcome: Result<(), i64>) {
        self.lock().add(text, Some(outcome));
    }

    /// One answer less will come: its request was cancelled.
    pub(super) fn give_up_one(&self) {
        let mut state = self.lock();
        state.count_answer();
        state.wake_reader();
    }

    /// Ends the stream after what is in it.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.wake_reader();
        state.wake_writers();
    }

    /// Whether all is said.
    pub(super) fn is_finished(&self) -> bool {
        self.lock().closed
    }

    /// Whether somebody reads.
    pub(super) fn is_attached(&self) -> bool {
        self.lock().attached
    }

    /// When the last reader went away.
    pub(super) fn left(&self) -> Option<Instant> {
        self.lock().left
    }

    /// Whether a reader was here, went away, and has not heard all.
    pub(super) fn is_missed(&self) -> bool {
        let state = self.lock();
        !state.attached && state.generation > 0 && state.unread() > 0
    }

    /// Becomes the reader, if there is none.
    pub(super) fn attach_alone(self: &Arc<Self>) -> Option<Reader> {
        let mut state = self.lock();
        (!state.attached).then(|| self.take_over(&mut state, None))
    }

    /// Becomes the reader, from the event after this number on, or from where the last reader was.
    /// A former reader sees its end. A number that this stream has not come to is another's.
    pub(super) fn attach(self: &Arc<Self>, after: Option<u64>) -> Reader {
        self.take_over(&mut self.lock(), after)
    }

    fn take_over(self: &Arc<Self>, state: &mut State, after: Option<u64>) -> Reader {
        state.generation += 1;
        state.attached = true;
        let known = after.filter(|number| *number <= state.last_number);
        state.read = known.unwrap_or(state.read);
        state.wake_reader();
        Reader { log: Arc::clone(self), generation: state.generation }
    }
}

impl State {
    /// How many events wait for the reader. Numbers do not tell: some may have gone unread, and a
    /// reader may come with one from before this log began.
    fn unread(&self) -> usize {
        let read = self.events.partition_point(|event| event.number <= self.read);
        self.events.len() - read
    }

    /// Whether a reader is there, and so far behind that it has to be waited for.
    fn is_full(&self) -> bool {
        let unread = self.unread();
        let much = unread >= MAX_EVENTS || (unread > 0 && self.bytes >= MAX_BYTES);
        self.attached && !self.closed && much
    }

    /// Adds an event, if the stream is not over.
    fn add(&mut self, text: Bytes, answer: Option<Result<(), i64>>) -> bool {
        if self.closed {
            return false;
        }
        self.last_number += 1;
        self.bytes += text.len();
        self.events.push_back(Event { number: self.last_number, text, answer });
        if answer.is_some() {
            self.count_answer();
        }
        self.forget_old();
        self.wake_reader();
        true
    }

    fn count_answer(&mut self) {
        if let Some(open) = &mut self.open_answers {
            *open = open.saturating_sub(1);
            self.closed |= *open == 0;
        }
    }

    /// Lets old events go: those that were read first of all, and without a reader others too, but
    /// never an answer that was not read.
    fn forget_old(&mut self) {
        while self.events.len() > 1 && (self.events.len() > MAX_EVENTS || self.bytes > MAX_BYTES) {
            let (read, attached) = (self.read, self.attached);
            let may_go =
                |event: &Event| event.number <= read || (!attached && event.answer.is_none());
            let Some(index) = self.events.iter().position(may_go) else { return };
            if let Some(event) = self.events.remove(index) {
                self.bytes -= event.text.len();
            }
        }
    }

    fn wake_reader(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    fn wake_writers(&mut self) {
        self.writers.drain(..).for_each(Waker::wake);
    }
}

/// The right to read a stream, until it is dropped or another reader comes.
#[derive(Debug)]
pub(super) struct Reader {
    log: Arc<EventLog>,
    generation: u64,
}

impl Reader {
    /// The next event; `None` at the end.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut state = self.log.lock();
        match self.look(&mut state, cx) {
            Poll::Ready(Some(event)) => {
                state.read = event.number;
                state.forget_old();
                state.wake_writers();
                Poll::Ready(Some(event))
            }
            other => other,
        }
    }

    /// Waits for the next event without taking it; `None` at the end.
    pub(super) async fn peek(&mut self) -> Option<Event> {
        poll_fn(|cx| {
            let mut state = self.log.lock();
            self.look(&mut state, cx)
        })
        .await
    }

    fn look(&self, state: &mut State, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if state.generation != self.generation {
            return Poll::Ready(None);
        }
        let read = state.read;
        if let Some(event) = state.events.iter().find(|event| event.number > read) {
            return Poll::Ready(Some(event.clone()));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.log.lock();
        if state.generation == self.generation {
            state.attached = false;
            state.left = Some(Instant::now());
            state.wake_writers();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(reader: &mut Reader) -> Poll<Option<u64>> {
        let mut cx = Context::from_waker(Waker::noop());
        reader.poll_next(&mut cx).map(|event| event.map(|event| event.number))
    }

    const fn number(number: u64) -> Poll<Option<u64>> {
        Poll::Ready(Some(number))
    }

    #[tokio::test]
    async fn a_reader_that_comes_again_goes_on_where_it_was() {
        let log = EventLog::new(Some(1));
        let mut first = log.attach(None);
        log.push("a".into()).await;
        log.push("b".into()).await;
        assert_eq!((take(&mut first), take(&mut first)), (number(1), number(2)));
        assert_eq!(take(&mut first), Poll::Pending);
        let mut second = log.attach(Some(1));
        assert_eq!(take(&mut first), Poll::Ready(None));
        drop(first);
        assert!(log.is_attached());
        log.answer("c".into(), Ok(()));
        assert!(log.is_finished());
        assert_eq!((take(&mut second), take(&mut second)), (number(2), number(3)));
        assert_eq!(take(&mut second), Poll::Ready(None));
    }

    #[tokio::test]
    async fn without_a_reader_messages_go_but_answers_stay() {
        let log = EventLog::new(Some(2));
        log.answer("answer".into(), Ok(()));
        for _ in 0..3 * MAX_EVENTS {
            log.push("note".into()).await;
        }
        assert_eq!(log.lock().events.len(), MAX_EVENTS);
        let mut reader = log.attach(None);
        assert_eq!(take(&mut reader), number(1));
    }

    #[tokio::test]
    async fn a_writer_waits_for_a_slow_reader() {
        let log = EventLog::new(None);
        let mut reader = log.attach(None);
        for _ in 0..MAX_EVENTS {
            log.push("x".into()).await;
        }
        let mut more = Box::pin(log.push("y".into()));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(more.as_mut().poll(&mut cx).is_pending());
        assert_eq!(take(&mut reader), number(1));
        assert!(more.as_mut().poll(&mut cx).is_ready());
        drop(reader);
        assert!(!log.is_attached());
    }

    #[test]
    fn one_reader_of_those_who_want_to_be_alone_is() {
        let log = EventLog::new(None);
        let reader = log.attach_alone().unwrap();
        assert!(log.attach_alone().is_none());
        drop(reader);
        assert!(log.attach_alone().is_some());
    }

    #[tokio::test]
    async fn a_number_from_before_the_log_began_is_no_backlog() {
        let log = EventLog::after(1 << 16, None);
        let mut reader = log.attach(Some(3));
        assert!(!log.lock().is_full());
        log.try_push("a".into());
        log.push("b".into()).await;
        assert_eq!((take(&mut reader), take(&mut reader)), (number(65_537), number(65_538)));
        drop(reader);
        assert!(!log.is_missed());
    }

    #[tokio::test]
    async fn what_went_unread_is_no_backlog() {
        let log = EventLog::new(None);
        log.answer(vec![b'x'; MAX_BYTES + 1].into(), Ok(()));
        for _ in 0..2 * MAX_EVENTS {
            log.push("note".into()).await;
        }
        let mut reader = log.attach(None);
        assert_eq!(take(&mut reader), number(1));
        while take(&mut reader).is_ready() {}
        log.try_push("a".into());
        assert_eq!(take(&mut reader), number(2 * MAX_EVENTS as u64 + 2));
    }

    #[tokio::test]
    async fn a_slow_reader_is_waited_for_by_bytes_too() {
        let log = EventLog::new(None);
        let mut reader = log.attach(None);
        log.push(vec![b'x'; MAX_BYTES].into()).await;
        let mut more = Box::pin(log.push("y".into()));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(more.as_mut().poll(&mut cx).is_pending());
        assert_eq!(take(&mut reader), number(1));
        assert!(more.as_mut().poll(&mut cx).is_ready());
    }
}
