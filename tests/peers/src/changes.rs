//! A tool that changes the motto and the tools, and how those hear of it who listen.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::ErrorData;
use rmcp::service::SubscriptionContext;
use tokio::sync::broadcast;

use crate::tools::internal;

pub(crate) const MOTTO: &str = "peer://motto";

/// The changes, as long as anybody listens. Requests are served by clones.
#[derive(Clone)]
pub(crate) struct Changes {
    sender: broadcast::Sender<()>,
    /// Of those whose subscription is about to be acknowledged: they hear from before that on.
    expected: Arc<Mutex<VecDeque<broadcast::Receiver<()>>>>,
}

impl Changes {
    pub(crate) fn new() -> Self {
        Self { sender: broadcast::Sender::new(16), expected: Arc::default() }
    }

    /// Tells all who listen.
    pub(crate) fn announce(&self) {
        // It fails when nobody listens.
        let _ = self.sender.send(());
    }

    pub(crate) fn expect_listener(&self) {
        let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        expected.push_back(self.sender.subscribe());
    }

    fn listener(&self) -> broadcast::Receiver<()> {
        let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        expected.pop_front().unwrap_or_else(|| self.sender.subscribe())
    }

    /// Tells one subscription what it asked for until it ends.
    pub(crate) async fn tell(&self, subscription: &SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.listener();
        let wanted = subscription.accepted();
        let motto = wanted.resource_subscriptions.as_ref();
        let motto = motto.is_some_and(|uris| uris.iter().any(|uri| uri == MOTTO));
        loop {
            tokio::select! {
                () = subscription.cancelled() => return Ok(()),
                change = changes.recv() => change.map_err(internal)?,
            }
            if wanted.tools_list_changed == Some(true) {
                subscription.sink().notify_tool_list_changed().await.map_err(internal)?;
            }
            if motto {
                subscription.sink().notify_resource_updated(MOTTO).await.map_err(internal)?;
            }
        }
    }
}
