//! One connection: what goes out, and who waits for what comes in.

use std::{
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use mcp_protocol::{
    error_code,
    jsonrpc::{ErrorObject, Message, encode_error},
};

use super::{
    outbox::{Outbox, Place, Put},
    reading::{Reading, Seat, Source},
    routes::{End, Routed, Routes},
};
use crate::{DeliveryError, Unsolicited, error::ClosedReason};

/// Writes a message at once, when the outbox hands it to the caller.
pub(crate) trait Outlet: Send + Sync + fmt::Debug + 'static {
    /// Does what a [`Put`] asks for.
    fn carry_out(&self, put: Put, outbox: &Outbox);
}

/// The outlet of a queue that hands nothing to callers.
#[derive(Debug)]
struct LeftToTask;

impl Outlet for LeftToTask {
    fn carry_out(&self, _: Put, _: &Outbox) {}
}

/// Reads in the task of a caller; see [`Reading`].
pub(crate) trait Inlet: Send + Sync + fmt::Debug + 'static {
    /// As [`Reading::poll_caller`].
    fn poll_caller(
        &self,
        seat: &mut Seat,
        connection: &Connection,
        cx: &mut Context<'_>,
    ) -> Poll<()>;

    /// As [`Reading::leave`].
    fn leave(&self, seat: &mut Seat);
}

impl<S> Inlet for Reading<S>
where
    S: Source<Sink = Connection> + Send + fmt::Debug + 'static,
{
    fn poll_caller(
        &self,
        seat: &mut Seat,
        connection: &Connection,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        Self::poll_caller(self, seat, connection, cx)
    }

    fn leave(&self, seat: &mut Seat) {
        Self::leave(self, seat);
    }
}

/// What exchanges, the reader and the writer of a connection share.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) routes: Routes,
    pub(crate) outbox: Outbox,
    outlet: Box<dyn Outlet>,
    /// Where callers may read; missing where messages come without reading.
    inlet: Option<Arc<dyn Inlet>>,
    note: Mutex<Option<String>>,
}

impl Connection {
    pub(crate) fn new(outbox: Outbox, outlet: impl Outlet, inlet: Option<Arc<dyn Inlet>>) -> Self {
        Self {
            routes: Routes::new(),
            outbox,
            outlet: Box::new(outlet),
            inlet,
            note: Mutex::new(None),
        }
    }

    /// For a caller that waits and has looked into the routes: reads in its stead.
    pub(super) fn poll_read(&self, seat: &mut Seat, cx: &mut Context<'_>) -> Poll<()> {
        self.inlet.as_ref().map_or(Poll::Pending, |inlet| inlet.poll_caller(seat, self, cx))
    }

    /// For a caller that waits no longer.
    pub(super) fn leave(&self, seat: &mut Seat) {
        if let Some(inlet) = &self.inlet {
            inlet.leave(seat);
        }
    }

    /// A connection of which a task takes the messages out, with [`Outbox::pop`].
    pub(crate) fn popped() -> Self {
        Self::new(Outbox::popped(), LeftToTask, None)
    }

    /// The server's own messages, once.
    pub(crate) fn unsolicited(self: &Arc<Self>) -> Option<Unsolicited> {
        self.routes.take_own().then(|| Unsolicited::own(OwnMessages(Arc::clone(self))))
    }

    pub(super) fn carry_out(&self, put: Put) {
        self.outlet.carry_out(put, &self.outbox);
    }

    /// Sends a message as soon as there is room.
    pub(crate) async fn send(&self, body: Bytes) -> Result<(), DeliveryError> {
        let body = one_line(body);
        let mut waiting = Waiting { outbox: &self.outbox, place: Place::default() };
        let put = poll_fn(|cx| waiting.outbox.poll_put(&mut waiting.place, &body, cx)).await;
        if let Ok(put) = put {
            self.carry_out(put);
            return Ok(());
        }
        let end = self.routes.ended();
        let end = end.unwrap_or_else(|| End::Closed(self.reason_so_far()));
        Err(DeliveryError::not_sent(end.kind()))
    }

    /// Sends a message without waiting for room; see [`Outbox::put`].
    pub(crate) fn send_now(&self, body: Bytes) {
        // A connection that is shut has nobody left to tell.
        if let Ok(put) = self.outbox.put(body) {
            self.carry_out(put);
        }
    }

    /// Takes in one message, or a batch of them. Returns how many requests it answered.
    pub(crate) fn receive(&self, text: &Bytes) -> usize {
        let parsed = match text.trim_ascii_start().first() {
            None => return 0,
            Some(b'[') => Message::parse_batch(text),
            Some(_) => match Message::parse(text) {
                Ok(message) => return self.route(message),
                Err(error) => Err(error),
            },
        };
        match parsed {
            Ok(messages) => messages.into_iter().map(|message| self.route(message)).sum(),
            Err(error) => {
                if self.routes.reject(text, &error) {
                    return 1;
                }
                tracing::warn!(%error, "ignoring a line that is not MCP");
                self.note(format!("the server wrote a line that is not MCP: {error}"));
                0
            }
        }
    }

    fn route(&self, message: Message) -> usize {
        match self.routes.deliver(message) {
            Routed::Answer => return 1,
            // A server that asks without end and reads nothing is not owed every answer.
            Routed::Refused(_) if !self.outbox.has_room() => {}
            Routed::Refused(id) => {
                let error = ErrorObject::new(
                    error_code::INTERNAL_ERROR,
                    "the client has too many requests of this server waiting",
                );
                self.send_now(encode_error(Some(&id), &error));
            }
            Routed::Passed | Routed::Dropped => {}
        }
        0
    }

    /// Remembers something that may explain a later failure.
    pub(crate) fn note(&self, note: String) {
        *self.note.lock().unwrap_or_else(PoisonError::into_inner) = Some(note);
    }

    /// What is known so far about why the connection ends.
    pub(crate) fn reason_so_far(&self) -> ClosedReason {
        let note = self.note.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ClosedReason { note, ..ClosedReason::default() }
    }
}

/// The server's own messages. Dropping it drops those that come later.
#[derive(Debug)]
pub(crate) struct OwnMessages(Arc<Connection>);

impl OwnMessages {
    /// The next one; `None` when there will be no more.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.0.routes.poll_own(cx)
    }
}

impl Drop for OwnMessages {
    fn drop(&mut self) {
        self.0.routes.abandon_own();
    }
}

/// Leaves the line of those who wait for room when the sender is dropped.
struct Waiting<'a> {
    outbox: &'a Outbox,
    place: Place,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.outbox.leave(&mut self.place);
    }
}

/// A message must not contain line ends. In JSON they can only stand between values, where a space
/// means the same.
pub(super) fn one_line(body: Bytes) -> Bytes {
    if memchr::memchr2(b'\n', b'\r', &body).is_none() {
        return body;
    }
    body.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect()
}
