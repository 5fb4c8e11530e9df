//! Progress of a server's tool, told to whoever called it.

use std::{future::Future, pin::pin, sync::Arc};

use mcp_protocol::{jsonrpc::RequestId, notifications::ProgressParams};
use mcp_transport::serve::Peer;
use tokio::sync::mpsc;

use crate::toolbox::{ProgressSink, ToolProgress};

/// Hears of a call's progress.
pub(super) struct Ear(mpsc::UnboundedSender<ToolProgress>);

/// Tells of it.
pub(super) struct Mouth {
    token: RequestId,
    peer: Peer,
    heard: mpsc::UnboundedReceiver<ToolProgress>,
}

/// From one to the other. A server is read no faster than its call is polled, so little waits
/// between them.
pub(super) fn relay(token: RequestId, peer: &Peer) -> (Ear, Mouth) {
    let (sender, heard) = mpsc::unbounded_channel();
    (Ear(sender), Mouth { token, peer: peer.clone(), heard })
}

impl Ear {
    /// What a call tells of its progress.
    pub(super) fn into_sink(self) -> ProgressSink {
        Arc::new(move |progress| {
            // The receiver is gone only if nobody waits for the call any more.
            let _ = self.0.send(progress);
        })
    }
}

impl Mouth {
    /// Tells of progress until the call has ended.
    pub(super) async fn until<T>(mut self, calling: impl Future<Output = T>) -> T {
        let mut calling = pin!(calling);
        loop {
            tokio::select! {
                biased;
                Some(progress) = self.heard.recv() => self.tell(progress).await,
                outcome = &mut calling => {
                    while let Ok(progress) = self.heard.try_recv() {
                        self.tell(progress).await;
                    }
                    return outcome;
                }
            }
        }
    }

    async fn tell(&self, told: ToolProgress) {
        let progress = ProgressParams {
            progress_token: self.token.clone(),
            progress: told.progress,
            total: told.total,
            message: told.message,
            meta: None,
        };
        if let Err(error) = self.peer.notify("notifications/progress", &progress).await {
            tracing::debug!(%error, "progress is not told");
        }
    }
}
