//! One request on one connection, and the head of its answer.

use std::{sync::Arc, time::Duration};

use http::header;

use super::{
    answer::Answer,
    body::Body,
    connection::{Connection, OutRequest, SendFailure},
    content_coding::Coding,
    endpoint::Endpoint,
    pool::{Lane, Pool},
};
use crate::{DeliveryError, error::DeliveryErrorKind};

/// How often a connection may turn out to be closed just when a request is to be sent.
const MAX_STALE: u32 = 5;

/// How a request is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) lane: Lane,
    /// From the end of the request to the head of the answer.
    pub(super) first_byte: Option<Duration>,
    /// Between two chunks of the answer.
    pub(super) idle: Option<Duration>,
}

impl Pool {
    /// Sends a request to `endpoint`, which must be of the pool's origin. A connection that turns
    /// out to be closed before the request left is replaced without notice. `sent` is set from the
    /// moment when the server may see the request.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection that was in use.
    pub(super) async fn send(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        mut request: OutRequest,
        manner: Manner,
        sent: &mut bool,
    ) -> Result<Answer, DeliveryError> {
        let mut stale = 0;
        loop {
            let mut lease = self.lease(manner.lane).await?;
            self.address(&mut request, endpoint, &lease.connection);
            *sent = true;
            match lease.connection.send(request, manner.first_byte).await {
                Ok(response) => {
                    let (head, incoming) = response.into_parts();
                    let coding = Coding::of(&head.headers);
                    let body = Body::new(incoming, lease, manner.idle, coding);
                    return Ok(Answer { status: head.status, headers: head.headers, body });
                }
                Err(SendFailure::NotSent(back, error)) => {
                    *sent = false;
                    stale += 1;
                    if stale > MAX_STALE {
                        let kind = DeliveryErrorKind::Broken(error.into());
                        return Err(DeliveryError::not_sent(kind));
                    }
                    request = *back;
                }
                Err(SendFailure::Broken(error)) => {
                    return Err(DeliveryError::maybe_sent(DeliveryErrorKind::Broken(error.into())));
                }
                Err(SendFailure::TimedOut(after)) => {
                    let kind = DeliveryErrorKind::TimedOut { phase: "first byte", after };
                    return Err(DeliveryError::maybe_sent(kind));
                }
            }
        }
    }

    /// Writes the target in the form that the connection wants.
    fn address(&self, request: &mut OutRequest, endpoint: &Endpoint, connection: &Connection) {
        *request.uri_mut() = match connection {
            Connection::Http1(_) if !self.wants_absolute_form() => endpoint.origin_form.clone(),
            Connection::Http1(_) => endpoint.absolute_form.clone(),
            Connection::Http2(_) => {
                // HTTP/2 has `:authority` in its place.
                request.headers_mut().remove(header::HOST);
                endpoint.absolute_form.clone()
            }
        };
    }
}
