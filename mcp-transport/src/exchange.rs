//! One request and everything that comes back because of it.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use mcp_protocol::jsonrpc::Message;

use crate::DeliveryError;

/// What a binding implements to answer one request.
pub trait Replies: Send {
    /// The next message. The response comes last; after it, or after an error, `None`.
    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, DeliveryError>>>;
}

/// One request under way. Dropping it before the response abandons the request.
pub struct Exchange(Pin<Box<dyn Replies>>);

impl Exchange {
    /// Wraps a binding's replies.
    pub fn new(replies: impl Replies + 'static) -> Self {
        Self(Box::pin(replies))
    }

    /// The next notification or request of the server, at last the response; then `None`.
    ///
    /// # Errors
    /// The request could not be delivered or its answer did not arrive; nothing follows.
    ///
    /// # Cancel safety
    /// No message is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Result<Message, DeliveryError>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`next`](Self::next) for hand-written futures.
    pub fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, DeliveryError>>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").finish_non_exhaustive()
    }
}
