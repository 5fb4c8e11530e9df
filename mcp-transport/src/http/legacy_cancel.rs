//! In the legacy lifecycle a dropped connection means nothing, so giving up is said in words.

use std::{sync::Arc, time::Duration};

use mcp_protocol::{jsonrpc, jsonrpc::RequestId, version::Era};
use serde_json::json;
use tokio::time::timeout;

use super::{headers::Kind, pool::Lane, shared::Shared, tasks::Tasks};
use crate::OutgoingRequest;

/// How long the cancellation may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Sends `notifications/cancelled` when an exchange is dropped between request and response.
pub(super) struct CancelOnDrop {
    sent: bool,
    /// `None` where a cancellation is not sent.
    order: Option<Order>,
}

struct Order {
    shared: Arc<Shared>,
    tasks: Arc<Tasks>,
    id: RequestId,
    kind: Kind,
}

impl CancelOnDrop {
    /// Watches over one request. `initialize` must not be cancelled.
    pub(super) fn new(shared: &Arc<Shared>, tasks: &Arc<Tasks>, request: &OutgoingRequest) -> Self {
        let cancellable = request.era == Era::Legacy && request.method != "initialize";
        let order = cancellable.then(|| Order {
            shared: Arc::clone(shared),
            tasks: Arc::clone(tasks),
            id: request.id.clone(),
            kind: Kind {
                era: Era::Legacy,
                version: request.protocol_version.clone(),
                method: None,
                named: false,
                session: None,
            },
        });
        Self { sent: false, order }
    }

    /// To be set from the moment when the server may see the request.
    pub(super) fn sent(&mut self) -> &mut bool {
        &mut self.sent
    }

    /// The exchange is over.
    pub(super) fn disarm(&mut self) {
        self.order = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(order) = self.order.take()
            && self.sent
        {
            order.give();
        }
    }
}

impl Order {
    fn give(self) {
        let Self { shared, tasks, id, mut kind } = self;
        let params = json!({ "requestId": id, "reason": "the caller gave up" });
        let body = match jsonrpc::encode_notification("notifications/cancelled", &params, None) {
            Ok(body) => body,
            Err(error) => return tracing::warn!(%error, "cannot write a cancellation"),
        };
        kind.session = shared.session.id();
        tasks.spawn_brief(async move {
            match timeout(LIMIT, shared.tell(kind, &body, Lane::Side, &mut false)).await {
                Ok(Ok(())) => (),
                Ok(Err(error)) => tracing::debug!(%error, "cancellation not delivered"),
                Err(_) => tracing::debug!("cancellation not delivered in time"),
            }
        });
    }
}
