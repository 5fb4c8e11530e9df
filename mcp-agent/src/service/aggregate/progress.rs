//! Progress of a server's tool, told to whoever called it.

use std::{future::Future, pin::pin};

use mcp_client::CallTool;
use mcp_protocol::{jsonrpc::RequestId, notifications::ProgressParams};
use mcp_transport::serve::Peer;
use tokio::sync::mpsc;

/// Hears of a call's progress.
pub(super) struct Ear(mpsc::UnboundedSender<ProgressParams>);

/// Tells of it.
pub(super) struct Mouth {
    token: RequestId,
    peer: Peer,
    heard: mpsc::UnboundedReceiver<ProgressParams>,
}

/// From one to the other. A server is read no faster than its call is polled, so little waits
/// between them.
pub(super) fn relay(token: RequestId, peer: &Peer) -> (Ear, Mouth) {
    let (sender, heard) = mpsc::unbounded_channel();
    (Ear(sender), Mouth { token, peer: peer.clone(), heard })
}

impl Ear {
    /// Has a call tell of its progress.
    pub(super) fn listen_to<'a>(&self, request: CallTool<'a>) -> CallTool<'a> {
        let heard = self.0.clone();
        request.on_progress(move |progress| {
            // The receiver is gone only if nobody waits for the call any more.
            let _ = heard.send(progress);
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

    async fn tell(&self, progress: ProgressParams) {
        let progress = ProgressParams { progress_token: self.token.clone(), ..progress };
        if let Err(error) = self.peer.notify("notifications/progress", &progress).await {
            tracing::debug!(%error, "progress is not told");
        }
    }
}
