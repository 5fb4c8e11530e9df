//! An exchange written as one async function that hands out messages on its way.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use mcp_protocol::jsonrpc::Message;
use pin_project_lite::pin_project;

use crate::{DeliveryError, exchange::Replies};

/// Where the function puts a message for the reader of the exchange. Holds one at a time, so the
/// server is read no faster than the reader reads.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox(Arc<Mutex<Option<Message>>>);

impl Outbox {
    /// Hands out a message and goes on when it was taken.
    pub(super) async fn put(&self, message: Message) {
        self.slot().replace(message);
        // No waker is kept: the reader polls again when it wants more.
        poll_fn(|_| if self.slot().is_some() { Poll::Pending } else { Poll::Ready(()) }).await;
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Message>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pin_project! {
    /// Runs the function; its result is the last message.
    pub(super) struct Script<F> {
        #[pin]
        run: F,
        outbox: Outbox,
        ended: bool,
    }
}

impl<F> Script<F> {
    /// `run` must have a clone of `outbox`.
    pub(super) fn new(outbox: Outbox, run: F) -> Self {
        Self { run, outbox, ended: false }
    }
}

impl<F> Replies for Script<F>
where
    F: Future<Output = Result<Message, DeliveryError>> + Send,
{
    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, DeliveryError>>> {
        let this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        match this.run.poll(cx) {
            Poll::Ready(last) => {
                *this.ended = true;
                Poll::Ready(Some(last))
            }
            Poll::Pending => match this.outbox.slot().take() {
                Some(message) => Poll::Ready(Some(Ok(message))),
                None => Poll::Pending,
            },
        }
    }
}
