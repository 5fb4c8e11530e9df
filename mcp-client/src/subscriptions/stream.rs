//! One `subscriptions/listen` request and its stream.

use std::{sync::Arc, time::Duration};

use mcp_protocol::{
    error_code,
    jsonrpc::{Message, NotificationMessage, RequestId},
    meta::Meta,
    method::{Method, Notification},
    notifications::{Cancelled, CancelledParams},
    subscriptions::{
        SubscriptionFilter, SubscriptionsAcknowledged, SubscriptionsAcknowledgedParams,
        SubscriptionsListen, SubscriptionsListenParams,
    },
};
use mcp_transport::Exchange;
use serde::Deserialize;
use tokio::time::{Instant, timeout};

use super::backoff::Ending;
use crate::{CallError, CallErrorKind, link::Link};

/// How long the acknowledgement may take, which is the first thing that a server must send.
const ACK_LIMIT: Duration = Duration::from_secs(10);

/// A stream of notifications. Dropping it ends the subscription in the way of the binding.
pub(super) struct ChangeStream {
    id: RequestId,
    exchange: Exchange,
    /// What was asked for.
    pub(super) asked: SubscriptionFilter,
    /// The part of it that the server tells.
    pub(super) granted: SubscriptionFilter,
    since: Instant,
}

/// What comes out of a stream.
pub(super) enum Heard {
    Acknowledged(SubscriptionFilter),
    Notification(NotificationMessage),
    Ended(Ending),
}

impl ChangeStream {
    /// Asks, and waits for the acknowledgement. What comes before it goes to `early`.
    pub(super) async fn open(
        link: &Arc<Link>,
        asked: SubscriptionFilter,
        early: impl Fn(NotificationMessage),
    ) -> Result<Self, Ending> {
        let params = SubscriptionsListenParams::new(asked.clone());
        let (id, exchange) = link.start(SubscriptionsListen::NAME, &params).map_err(|error| {
            tracing::warn!(endpoint = %link.endpoint, %error, "cannot listen for changes");
            Ending::Refused
        })?;
        let granted = SubscriptionFilter::default();
        let mut stream = Self { id, exchange, asked, granted, since: Instant::now() };
        let acknowledged = timeout(ACK_LIMIT, async {
            loop {
                match stream.next(link).await {
                    Heard::Acknowledged(filter) => return Ok(filter),
                    Heard::Notification(notification) => early(notification),
                    Heard::Ended(ending) => return Err(ending),
                }
            }
        });
        let honoured = acknowledged.await.unwrap_or_else(|_| {
            tracing::warn!(endpoint = %link.endpoint, "no acknowledgement within {ACK_LIMIT:?}");
            Err(Ending::Broken)
        })?;
        let refused = stream.asked.missing_from(&honoured);
        stream.granted = stream.asked.missing_from(&refused);
        stream.since = Instant::now();
        Ok(stream)
    }

    /// The next thing that belongs to this stream.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self, link: &Link) -> Heard {
        loop {
            match self.exchange.next().await {
                Some(Ok(Message::Notification(notification))) => {
                    if let Some(heard) = self.sort(notification, link) {
                        return heard;
                    }
                }
                Some(Ok(Message::Request(request))) => {
                    let method = &request.method;
                    tracing::warn!(endpoint = %link.endpoint, %method, "ignored a request");
                }
                Some(Ok(Message::Response(response))) => match response.outcome {
                    Ok(_) => return Heard::Ended(Ending::Broken),
                    Err(object) => {
                        let kind = CallErrorKind::Rejected(object);
                        return ended(&link.error(kind, SubscriptionsListen::NAME));
                    }
                },
                Some(Err(error)) => {
                    let endpoint = Arc::clone(&link.endpoint);
                    let method = SubscriptionsListen::NAME;
                    return ended(&CallError::delivery(error, method, endpoint));
                }
                None => return Heard::Ended(Ending::Broken),
            }
        }
    }

    fn sort(&self, notification: NotificationMessage, link: &Link) -> Option<Heard> {
        let NotificationMessage { method, params } = &notification;
        if **method == *Cancelled::NAME {
            // Servers may end a subscription this way as well.
            let ours = serde_json::from_slice::<CancelledParams>(params)
                .is_ok_and(|cancelled| cancelled.request_id.is_some_and(|id| self.is(&id)));
            return ours.then_some(Heard::Ended(Ending::Broken));
        }
        // Over HTTP the stream itself says whose it is, so a missing id is forgiven.
        if subscription_id(params).is_some_and(|id| !self.is(&id)) {
            tracing::debug!(endpoint = %link.endpoint, %method, "ignored: of another subscription");
            return None;
        }
        if **method != *SubscriptionsAcknowledged::NAME {
            return Some(Heard::Notification(notification));
        }
        match serde_json::from_slice::<SubscriptionsAcknowledgedParams>(params) {
            Ok(acknowledged) => Some(Heard::Acknowledged(acknowledged.notifications)),
            Err(error) => {
                tracing::warn!(endpoint = %link.endpoint, %error, "unreadable acknowledgement");
                Some(Heard::Ended(Ending::Broken))
            }
        }
    }

    /// Some servers write the number of the request as a string.
    fn is(&self, id: &RequestId) -> bool {
        *id == self.id || id.to_string() == self.id.to_string()
    }

    /// How long it has been acknowledged.
    pub(super) fn age(&self) -> Duration {
        self.since.elapsed()
    }
}

fn subscription_id(params: &[u8]) -> Option<RequestId> {
    #[derive(Deserialize)]
    struct Params {
        #[serde(rename = "_meta")]
        meta: Meta,
    }
    serde_json::from_slice::<Params>(params).ok()?.meta.subscription_id()
}

fn ended(error: &CallError) -> Heard {
    tracing::debug!(endpoint = error.endpoint(), %error, "the stream of changes ended");
    Heard::Ended(ending_of(error))
}

/// What an error of `subscriptions/listen` says of the server.
fn ending_of(error: &CallError) -> Ending {
    match error.kind() {
        CallErrorKind::Rejected(object) if object.code == error_code::METHOD_NOT_FOUND => {
            Ending::NotOffered
        }
        CallErrorKind::Rejected(_) => Ending::Refused,
        CallErrorKind::Http(failure) => match failure.status.as_u16() {
            404 | 405 | 501 => Ending::NotOffered,
            408 | 429 | 500.. => Ending::Broken,
            _ => Ending::Refused,
        },
        _ => Ending::Broken,
    }
}
