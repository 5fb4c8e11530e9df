//! One HTTP connection, driven by whoever waits for it.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};
use hyper_util::rt::TokioIo;

use super::{gate::Gate, stream::Stream, timer::Timer};

/// The most that is read at once. Larger reads save few system calls, but each needs fresh memory
/// while the one before is still in use, and no head of an answer needs as much.
const READ_BYTES: usize = 64 * 1024;

/// How often a connection is looked at before other tasks have their turn.
const MAX_ROUNDS: u32 = 4;

/// A request with its whole body.
pub(super) type OutRequest = Request<Full<Bytes>>;

/// A connection that a request can be sent on.
pub(super) enum Connection {
    /// Carries one exchange at a time.
    Http1(Box<Http1>),
    /// A share of a connection that carries many; a task of the transport drives it.
    Http2(Box<Http2>),
}

/// An HTTP/1.1 connection. No task runs it: the exchange that has it polls it.
pub(super) struct Http1 {
    sender: http1::SendRequest<Full<Bytes>>,
    io: http1::Connection<TokioIo<Stream>, Full<Bytes>>,
    ended: bool,
    gate: Arc<Gate>,
    /// Leads to the gate.
    waker: Waker,
    timer: Timer,
}

/// A share of an HTTP/2 connection.
pub(super) struct Http2 {
    pub(super) sender: http2::SendRequest<Full<Bytes>>,
    timer: Timer,
}

/// Why there is no response.
pub(super) enum SendFailure {
    /// The connection was found closed before the request left; here it is back.
    NotSent(Box<OutRequest>, hyper::Error),
    /// The connection broke afterwards.
    Broken(hyper::Error),
    /// Nothing came within this time.
    TimedOut(Duration),
}

impl Http1 {
    /// Prepares a fresh connection. Nothing is exchanged yet.
    pub(super) async fn open(stream: Stream) -> hyper::Result<Box<Self>> {
        let mut settings = http1::Builder::new();
        settings.max_buf_size(READ_BYTES);
        let (sender, io) = settings.handshake(TokioIo::new(stream)).await?;
        let gate = Arc::<Gate>::default();
        let waker = Waker::from(Arc::clone(&gate));
        Ok(Box::new(Self { sender, io, ended: false, gate, waker, timer: Timer::default() }))
    }

    /// Moves bytes in both directions.
    fn drive(&mut self) {
        if !self.ended
            && let Poll::Ready(outcome) =
                Pin::new(&mut self.io).poll(&mut Context::from_waker(&self.waker))
        {
            self.ended = true;
            // The exchange, if there is one, got the same error in place of its response.
            if let Err(error) = outcome {
                tracing::debug!(%error, "connection ended");
            }
        }
    }

    /// Whether another request can be sent, after a look at what the server did meanwhile.
    pub(super) fn is_usable(&mut self) -> bool {
        self.gate.hold();
        self.drive();
        !self.ended && self.sender.is_ready()
    }
}

impl Http2 {
    /// A share of a connection.
    pub(super) fn new(sender: http2::SendRequest<Full<Bytes>>) -> Self {
        Self { sender, timer: Timer::default() }
    }
}

impl Connection {
    /// Sends a request and waits for the head of its response.
    pub(super) async fn send(
        &mut self,
        request: OutRequest,
        limit: Option<Duration>,
    ) -> Result<Response<Incoming>, SendFailure> {
        self.timer().rewind();
        let outcome = match self {
            Self::Http1(line) => {
                let mut response = pin!(line.sender.try_send_request(request));
                poll_fn(|cx| self.poll_beside(cx, limit, |cx| response.as_mut().poll(cx))).await
            }
            Self::Http2(share) => {
                let mut response = pin!(share.sender.try_send_request(request));
                poll_fn(|cx| self.poll_beside(cx, limit, |cx| response.as_mut().poll(cx))).await
            }
        };
        outcome.map_err(SendFailure::TimedOut)?.map_err(SendFailure::from)
    }

    /// Polls what a connection is to deliver, and drives the connection where that is not the
    /// work of a task. The error is the limit that ran out.
    pub(super) fn poll_beside<T>(
        &mut self,
        cx: &mut Context<'_>,
        limit: Option<Duration>,
        mut delivered: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, Duration>> {
        let line = match self {
            Self::Http1(line) => line,
            Self::Http2(share) => {
                return match delivered(cx) {
                    Poll::Ready(delivered) => Poll::Ready(Ok(delivered)),
                    Poll::Pending => share.timer.poll(cx, limit).map(Err),
                };
            }
        };
        line.gate.hold();
        for _ in 0..MAX_ROUNDS {
            let ready = delivered(&mut Context::from_waker(&line.waker));
            if let Poll::Ready(delivered) = ready {
                return Poll::Ready(Ok(delivered));
            }
            line.drive();
            let ready = delivered(&mut Context::from_waker(&line.waker));
            if let Poll::Ready(delivered) = ready {
                return Poll::Ready(Ok(delivered));
            }
            if line.gate.wait(cx) {
                return line.timer.poll(cx, limit).map(Err);
            }
        }
        // Always something new: let others have their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The clock of this exchange.
    pub(super) fn timer(&mut self) -> &mut Timer {
        match self {
            Self::Http1(line) => &mut line.timer,
            Self::Http2(share) => &mut share.timer,
        }
    }
}

impl From<TrySendError<OutRequest>> for SendFailure {
    fn from(mut failure: TrySendError<OutRequest>) -> Self {
        match failure.take_message() {
            Some(request) => Self::NotSent(Box::new(request), failure.into_error()),
            None => Self::Broken(failure.into_error()),
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1(_) => "HTTP/1.1",
            Self::Http2(_) => "HTTP/2",
        })
    }
}
