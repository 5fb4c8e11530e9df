//! One request whose sending is somebody else's business.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use mcp_protocol::{
    jsonrpc::{Message, RequestId},
    version::Era,
};

use super::connection::Connection;
use crate::error::DeliveryErrorKind;

/// A place in the table of requests under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct Awaited {
    connection: Arc<Connection>,
    id: RequestId,
}

impl Awaited {
    /// Takes the place. To be done before the request is sent.
    ///
    /// # Errors
    /// Nothing will answer, or the id is in use.
    pub(crate) fn open(
        connection: &Arc<Connection>,
        id: &RequestId,
        era: Era,
    ) -> Result<Self, DeliveryErrorKind> {
        connection.routes.open(id, era)?;
        Ok(Self { connection: Arc::clone(connection), id: id.clone() })
    }

    /// The next message for the request; after the response or an error, `None`.
    ///
    /// # Cancel safety
    /// No message is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Option<Result<Message, DeliveryErrorKind>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, DeliveryErrorKind>>> {
        self.connection.routes.poll(&self.id, cx)
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.connection.routes.forget(&self.id);
    }
}
