//! One HTTP connection, driven by whoever waits for it.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
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

use super::{stream::Stream, timer::Timer};

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
        let (sender, io) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Box::new(Self { sender, io, ended: false, timer: Timer::default() }))
    }

    /// Moves bytes in both directions.
    fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.ended
            && let Poll::Ready(outcome) = Pin::new(&mut self.io).poll(cx)
        {
            self.ended = true;
            // The exchange, if there is one, got the same error in place of its response.
            if let Err(error) = outcome {
                tracing::debug!(%error, "connection ended");
            }
        }
    }

    /// Whether another request can be sent, after a look at what the server did meanwhile.
    pub(super) fn is_usable(&mut self, cx: &mut Context<'_>) -> bool {
        self.drive(cx);
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
        let outcome = match self {
            Self::Http1(line) => {
                let mut response = pin!(line.sender.try_send_request(request));
                line.timer.rewind();
                poll_fn(|cx| {
                    line.drive(cx);
                    match response.as_mut().poll(cx) {
                        Poll::Ready(outcome) => Poll::Ready(Ok(outcome)),
                        Poll::Pending => line.timer.poll(cx, limit).map(Err),
                    }
                })
                .await
            }
            Self::Http2(share) => {
                let mut response = pin!(share.sender.try_send_request(request));
                share.timer.rewind();
                poll_fn(|cx| match response.as_mut().poll(cx) {
                    Poll::Ready(outcome) => Poll::Ready(Ok(outcome)),
                    Poll::Pending => share.timer.poll(cx, limit).map(Err),
                })
                .await
            }
        };
        outcome.map_err(SendFailure::TimedOut)?.map_err(SendFailure::from)
    }

    /// Moves bytes, where that is not the work of a task.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        match self {
            Self::Http1(line) => line.drive(cx),
            Self::Http2(_) => (),
        }
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
