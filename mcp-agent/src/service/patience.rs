//! A connection whose client has a time for the head of a request, once it has begun.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

/// A connection. Between two requests it has no time of its own: hyper bounds that.
pub(super) struct Patient {
    stream: TcpStream,
    head: Duration,
    /// When the head must be there of which something is.
    deadline: Option<Pin<Box<Sleep>>>,
    answering: Answering,
}

/// Whether a request of the connection is being answered.
#[derive(Clone, Default)]
pub(super) struct Answering(Arc<AtomicBool>);

/// A request is being answered as long as this lives.
pub(super) struct Answered(Answering);

impl Answering {
    /// The head is there.
    pub(super) fn begin(&self) -> Answered {
        self.0.store(true, Ordering::Relaxed);
        Answered(self.clone())
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Relaxed);
    }
}

impl Patient {
    /// The first head is due from now on.
    pub(super) fn new(stream: TcpStream, head: Duration, answering: Answering) -> Self {
        Self { stream, head, deadline: Some(Box::pin(sleep(head))), answering }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.answering.0.load(Ordering::Relaxed) {
            this.deadline = None;
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let before = buf.filled().len();
        if let Poll::Ready(outcome) = Pin::new(&mut this.stream).poll_read(cx, buf) {
            if buf.filled().len() > before && this.deadline.is_none() {
                this.deadline = Some(Box::pin(sleep(this.head)));
            }
            return Poll::Ready(outcome);
        }
        let Some(deadline) = &mut this.deadline else { return Poll::Pending };
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the head did not come in time")))
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
