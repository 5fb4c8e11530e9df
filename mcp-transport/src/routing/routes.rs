//! The table of requests under way, and where each message that comes in goes.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasherDefault, Hasher},
    mem,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use mcp_protocol::{
    jsonrpc::{Message, NotificationMessage, ParseError, Request, RequestId, Response},
    version::Era,
};

use super::{
    correlation::{self, Names},
    sync::{AtomicBool, Mutex, MutexGuard, Ordering, PoisonError},
};
use crate::error::{ClosedReason, DeliveryErrorKind};

/// How many messages of the server's own account wait for the client to look at them.
const UNSOLICITED_MESSAGES: usize = 1024;

/// How much text those messages may hold, roughly; one alone may hold more.
const UNSOLICITED_BYTES: usize = 16 << 20;

/// How many of them there is room for while none wait.
const IDLE_MESSAGES: usize = 8;

/// How many notifications wait for one exchange; beyond it the oldest is dropped.
const WAITING_NOTIFICATIONS: usize = 1024;

/// The table. Its lock is held for lookups only.
#[derive(Debug)]
pub(crate) struct Routes {
    state: Mutex<State>,
    over: AtomicBool,
}

#[derive(Debug)]
struct State {
    slots: HashMap<RequestId, Slot, BuildHasherDefault<IdHasher>>,
    own: Own,
    /// Notifications that nobody had room for.
    dropped: u64,
    end: Option<End>,
}

/// What the server sends on its own account, until the client looks at it.
#[derive(Debug, Default)]
struct Own {
    messages: VecDeque<Message>,
    waker: Option<Waker>,
    taken: bool,
    /// Nobody will look any more.
    abandoned: bool,
}

/// One request under way.
#[derive(Debug)]
struct Slot {
    era: Era,
    arrived: VecDeque<Message>,
    outcome: Option<Result<Response, DeliveryErrorKind>>,
    waker: Option<Waker>,
}

/// Why no more answers will come.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// The connection is closed.
    Closed(ClosedReason),
    /// The server sent a message above the limit.
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
}

impl End {
    /// The connection is closed, and this is why.
    pub(crate) fn closed(note: impl Into<String>) -> Self {
        Self::Closed(ClosedReason { note: Some(note.into()), ..ClosedReason::default() })
    }

    pub(crate) fn kind(&self) -> DeliveryErrorKind {
        match self {
            Self::Closed(reason) => DeliveryErrorKind::Closed(reason.clone()),
            Self::TooLarge { limit_bytes } => {
                DeliveryErrorKind::TooLarge { limit_bytes: *limit_bytes }
            }
        }
    }
}

/// What happened to a message that came in.
#[derive(Debug)]
pub(super) enum Routed {
    /// It is the answer to a request under way.
    Answer,
    /// It was passed on.
    Passed,
    /// There was no room for this request of the server.
    Refused(RequestId),
    /// It was dropped.
    Dropped,
}

impl Routes {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                slots: HashMap::default(),
                own: Own::default(),
                dropped: 0,
                end: None,
            }),
            over: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for the answer to a request.
    ///
    /// # Errors
    /// Nothing will answer, or the id is in use.
    pub(super) fn open(&self, id: &RequestId, era: Era) -> Result<(), DeliveryErrorKind> {
        let mut state = self.lock();
        if let Some(end) = &state.end {
            return Err(end.kind());
        }
        if state.slots.contains_key(id) {
            let reason = format!("the request id {id} is already in use");
            return Err(DeliveryErrorKind::Broken(reason.into()));
        }
        let slot = Slot { era, arrived: VecDeque::new(), outcome: None, waker: None };
        state.slots.insert(id.clone(), slot);
        Ok(())
    }

    /// What came for a request. After the outcome, `None`.
    pub(super) fn poll(
        &self,
        id: &RequestId,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, DeliveryErrorKind>>> {
        let mut state = self.lock();
        let state = &mut *state;
        let Some(slot) = state.slots.get_mut(id) else { return Poll::Ready(None) };
        if let Some(message) = slot.arrived.pop_front() {
            return Poll::Ready(Some(Ok(message)));
        }
        let outcome = match (slot.outcome.take(), &state.end) {
            (Some(outcome), _) => outcome.map(Message::Response),
            (None, Some(end)) => Err(end.kind()),
            (None, None) => {
                match &mut slot.waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
                return Poll::Pending;
            }
        };
        state.slots.remove(id);
        Poll::Ready(Some(outcome))
    }

    /// Forgets a request. Returns whether its answer had not come yet and might have.
    pub(super) fn forget(&self, id: &RequestId) -> bool {
        let mut state = self.lock();
        let slot = state.slots.remove(id);
        let open = state.end.is_none();
        drop(state);
        slot.is_some_and(|slot| slot.outcome.is_none()) && open
    }

    /// Gives a message to whom it belongs.
    pub(super) fn deliver(&self, message: Message) -> Routed {
        match message {
            Message::Response(response) => self.answer(response),
            Message::Notification(notification) => self.notify(notification),
            Message::Request(request) => self.pass_on(Message::Request(request)),
        }
    }

    fn answer(&self, response: Response) -> Routed {
        let Some(id) = &response.id else {
            tracing::warn!(?response.outcome, "the server answered without saying what");
            return Routed::Dropped;
        };
        let mut state = self.lock();
        let slot = match state.slots.get_mut(id) {
            Some(slot) => Some(slot),
            None => as_number(id).and_then(|id| state.slots.get_mut(&id)),
        };
        let Some(slot) = slot.filter(|slot| slot.outcome.is_none()) else {
            drop(state);
            let id = response.id.as_ref().map(ToString::to_string);
            tracing::debug!(id, "dropping an answer that nobody waits for");
            return Routed::Dropped;
        };
        slot.outcome = Some(Ok(response));
        let waker = slot.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Routed::Answer
    }

    fn notify(&self, notification: NotificationMessage) -> Routed {
        let (id, modern_only) =
            match correlation::of_notification(&notification.method, &notification.params) {
                Names::Progress(id) | Names::Subscription(id) => (id, false),
                Names::Cancelled(id) => (id, true),
                Names::Nothing => return self.pass_on(Message::Notification(notification)),
            };
        let mut state = self.lock();
        let slot = state.slots.get_mut(&id);
        let Some(slot) = slot.filter(|slot| !modern_only || slot.era == Era::Modern) else {
            drop(state);
            return self.pass_on(Message::Notification(notification));
        };
        slot.arrived.push_back(Message::Notification(notification));
        let full = slot.arrived.len() > WAITING_NOTIFICATIONS;
        let oldest = if full { slot.arrived.pop_front() } else { None };
        let waker = slot.waker.take();
        if full {
            state.dropped += 1;
        }
        drop(state);
        drop(oldest);
        if let Some(waker) = waker {
            waker.wake();
        }
        Routed::Passed
    }

    /// Puts a message into the queue of the client's general attention.
    ///
    /// Never waits: a client that does not look must not keep the answers to its calls from coming
    /// in. When the queue is full, a notification is dropped and a request is refused.
    fn pass_on(&self, message: Message) -> Routed {
        let mut state = self.lock();
        if state.end.is_some() {
            return Routed::Dropped;
        }
        let waiting = state.own.messages.len();
        let small = waiting == 0 || text_len(&message) <= UNSOLICITED_BYTES / (waiting + 1);
        if small && waiting < UNSOLICITED_MESSAGES && !state.own.abandoned {
            state.own.messages.push_back(message);
            let waker = state.own.waker.take();
            drop(state);
            if let Some(waker) = waker {
                waker.wake();
            }
            return Routed::Passed;
        }
        state.dropped += 1;
        let dropped = state.dropped;
        drop(state);
        match message {
            Message::Request(Request { id, method, .. }) => {
                tracing::warn!(%method, "refusing a request of the server: too many wait");
                Routed::Refused(id)
            }
            Message::Notification(NotificationMessage { method, .. }) => {
                if dropped.is_power_of_two() {
                    tracing::warn!(%method, dropped, "dropping a notification: too many wait");
                }
                Routed::Dropped
            }
            Message::Response(_) => Routed::Dropped,
        }
    }

    /// Fails the request that a malformed message was meant to answer. Returns whether there was
    /// one.
    pub(super) fn reject(&self, text: &[u8], error: &ParseError) -> bool {
        let Some(id) = correlation::of_malformed(text) else { return false };
        let mut state = self.lock();
        let slot = state.slots.get_mut(&id).filter(|slot| slot.outcome.is_none());
        let Some(slot) = slot else { return false };
        slot.outcome = Some(Err(DeliveryErrorKind::NotMcp(error.clone())));
        let waker = slot.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Whether this is the first to ask for the server's own messages.
    pub(super) fn take_own(&self) -> bool {
        !mem::replace(&mut self.lock().own.taken, true)
    }

    /// The next of the server's own messages; `None` when there will be no more.
    pub(super) fn poll_own(&self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let mut state = self.lock();
        let message = state.own.messages.pop_front();
        if message.is_some() || state.end.is_some() {
            return Poll::Ready(message);
        }
        // What a flood needed is not kept for ever.
        state.own.messages.shrink_to(IDLE_MESSAGES);
        state.own.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Drops the server's own messages from now on.
    pub(super) fn abandon_own(&self) {
        let mut state = self.lock();
        state.own.abandoned = true;
        let messages = mem::take(&mut state.own.messages);
        drop(state);
        drop(messages);
    }

    /// Marks the connection as over, although the reason is not complete yet.
    pub(crate) fn set_over(&self) {
        self.over.store(true, Ordering::Release);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Fails every request under way. The first end counts.
    pub(crate) fn end(&self, end: End) {
        self.set_over();
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        state.end = Some(end);
        let own = state.own.waker.take();
        let slots = state.slots.values_mut().filter_map(|slot| slot.waker.take());
        let wakers: Vec<Waker> = slots.chain(own).collect();
        drop(state);
        for waker in wakers {
            waker.wake();
        }
    }

    /// Why it ended, once it has.
    pub(crate) fn ended(&self) -> Option<End> {
        self.lock().end.clone()
    }
}

/// Some servers answer the request `7` with the id `"7"`.
fn as_number(id: &RequestId) -> Option<RequestId> {
    match id {
        RequestId::Number(_) => None,
        RequestId::String(text) => text.parse().ok().map(RequestId::Number),
    }
}

fn text_len(message: &Message) -> usize {
    match message {
        Message::Request(request) => request.params.len(),
        Message::Notification(notification) => notification.params.len(),
        Message::Response(response) => response.outcome.as_ref().map_or(0, Bytes::len),
    }
}

/// A multiplicative hash. All keys are ids that this program chose, so nobody can aim at it.
#[derive(Debug, Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write_i64(&mut self, word: i64) {
        self.write_u64(word.cast_unsigned());
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word.cast_unsigned() as u64);
    }
}
