//! Where messages for a client go.

#[cfg(feature = "serve-http")]
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

#[cfg(feature = "serve-http")]
use super::http::EventLog;

/// The way to a client.
#[derive(Clone, Debug)]
pub(super) enum Outgoing {
    /// The one queue of a connection.
    Queue(mpsc::Sender<Bytes>),
    /// A stream of Streamable HTTP. It has no queue before it: sessions are many, and most silent.
    #[cfg(feature = "serve-http")]
    Stream(Arc<EventLog>),
}

impl Outgoing {
    /// Sends a message, once there is room for it. False where nobody can hear it any more.
    pub(super) async fn send(&self, text: Bytes) -> bool {
        match self {
            Self::Queue(queue) => queue.send(text).await.is_ok(),
            #[cfg(feature = "serve-http")]
            Self::Stream(stream) => stream.push(text).await,
        }
    }

    /// Sends a message, if there is room for it now.
    pub(super) fn try_send(&self, text: Bytes) {
        match self {
            // Whoever does not read, or is gone, is not told.
            Self::Queue(queue) => drop(queue.try_send(text)),
            #[cfg(feature = "serve-http")]
            Self::Stream(stream) => stream.try_push(text),
        }
    }
}
