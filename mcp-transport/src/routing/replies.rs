//! The replies to one request on a shared channel.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use mcp_protocol::{
    jsonrpc::{Message, RequestId, encode_notification},
    version::Era,
};
use serde::Serialize;

use super::{
    connection::{Connection, one_line},
    outbox::{Place, Shut, Ticket},
    reading::Seat,
};
use crate::{
    DeliveryError, OutgoingRequest,
    error::{DeliveryErrorKind, Sent},
    exchange::Replies,
};

/// The reason that servers see when a caller loses interest.
const NO_LONGER_NEEDED: &str = "the caller no longer waits for the answer";

/// One request: queued when first polled, cancelled when dropped before its answer.
#[derive(Debug)]
pub(crate) struct RoutedReplies {
    connection: Arc<Connection>,
    id: RequestId,
    body: Bytes,
    era: Era,
    may_cancel: bool,
    stage: Stage,
    seat: Seat,
}

#[derive(Debug)]
enum Stage {
    /// Not polled yet.
    Fresh,
    /// Waiting for room in the outbox.
    Waiting(Place),
    /// In the outbox, or written.
    Put(Ticket),
    /// The outbox was shut before; the connection will say why it ended.
    Refused,
    Done,
}

impl RoutedReplies {
    pub(crate) fn new(connection: Arc<Connection>, request: OutgoingRequest) -> Self {
        Self {
            connection,
            id: request.id,
            body: one_line(request.body),
            era: request.era,
            may_cancel: request.method != "initialize",
            stage: Stage::Fresh,
            seat: Seat::default(),
        }
    }

    fn fail(&mut self, kind: DeliveryErrorKind) -> DeliveryError {
        let sent = match mem::replace(&mut self.stage, Stage::Done) {
            Stage::Put(ticket) if !self.connection.outbox.withdraw(ticket) => Sent::Maybe,
            Stage::Put(_) | Stage::Fresh | Stage::Waiting(_) | Stage::Refused | Stage::Done => {
                Sent::No
            }
        };
        DeliveryError { kind, sent }
    }
}

impl Replies for RoutedReplies {
    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, DeliveryError>>> {
        let this = &mut *self;
        match &this.stage {
            Stage::Fresh => {
                if let Err(kind) = this.connection.routes.open(&this.id, this.era) {
                    return Poll::Ready(Some(Err(this.fail(kind))));
                }
                this.stage = Stage::Waiting(Place::default());
            }
            Stage::Done => return Poll::Ready(None),
            Stage::Waiting(_) | Stage::Put(_) | Stage::Refused => {}
        }
        if let Stage::Waiting(place) = &mut this.stage {
            match ready!(this.connection.outbox.poll_put(place, &this.body, cx)) {
                Ok(put) => {
                    this.stage = Stage::Put(put.ticket());
                    this.body = Bytes::new();
                    this.connection.carry_out(put);
                }
                Err(Shut) => this.stage = Stage::Refused,
            }
        }
        let came = loop {
            match this.connection.routes.poll(&this.id, cx) {
                Poll::Ready(came) => break came,
                Poll::Pending => ready!(this.connection.poll_read(&mut this.seat, cx)),
            }
        };
        // Who knows when it will be polled again.
        this.connection.leave(&mut this.seat);
        Poll::Ready(match came {
            Some(Ok(message)) => {
                if matches!(message, Message::Response(_)) {
                    this.stage = Stage::Done;
                }
                Some(Ok(message))
            }
            Some(Err(kind)) => Some(Err(this.fail(kind))),
            None => {
                this.stage = Stage::Done;
                None
            }
        })
    }
}

impl Drop for RoutedReplies {
    fn drop(&mut self) {
        let this = &mut *self;
        let connection = &this.connection;
        connection.leave(&mut this.seat);
        match mem::replace(&mut this.stage, Stage::Done) {
            Stage::Fresh | Stage::Done => {}
            Stage::Waiting(mut place) => {
                connection.outbox.leave(&mut place);
                connection.routes.forget(&this.id);
            }
            Stage::Refused => {
                connection.routes.forget(&this.id);
            }
            Stage::Put(ticket) => {
                let unanswered = connection.routes.forget(&this.id);
                if unanswered && !connection.outbox.withdraw(ticket) && this.may_cancel {
                    connection.send_now(cancellation(&this.id));
                }
            }
        }
    }
}

fn cancellation(id: &RequestId) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Params<'a> {
        request_id: &'a RequestId,
        reason: &'static str,
    }
    let params = Params { request_id: id, reason: NO_LONGER_NEEDED };
    // An id and a constant always serialize.
    encode_notification("notifications/cancelled", &params, None).unwrap_or_default()
}
