//! The serving side: answering a client's requests.
//!
//! A [`Service`] answers; [`stdio()`], [`lines`] and [`in_memory`] connect it to a client, and with the
//! feature `serve-http` `http` to any number of them.

mod asking;
mod beside;
#[cfg(feature = "serve-http")]
mod http;
mod outgoing;
mod session;
mod stdio;

use std::sync::Arc;

use mcp_protocol::{
    jsonrpc::{ErrorObject, NotificationMessage, Request, encode_notification},
    raw::RawJson,
};
use serde::Serialize;

#[cfg(feature = "serve-http")]
pub use self::http::{
    Guard, HttpEndpoint, HttpServeConfig, Principal, ReplyBody, SessionKeyError, SessionKeys,
    accept, http,
};
pub use self::{
    asking::AskError,
    beside::Beside,
    stdio::{in_memory, lines, stdio},
};
use self::{asking::Asking, outgoing::Outgoing};
use crate::BoxFuture;

/// Answers requests.
pub trait Service: Send + Sync + 'static {
    /// Begins to serve one client: a connection, or a session of Streamable HTTP. Whatever is given
    /// serves it in place of this one, and may keep what it learns of the client and tell it things
    /// unasked. Modern requests over HTTP belong to no session and come to this one.
    fn open(&self, client: &Peer) -> Option<Arc<dyn Service>> {
        let _ = client;
        None
    }

    /// What another process needs to [`reopen`](Self::reopen) a session that this serves, in at most
    /// `room` bytes. It becomes part of the session's sealed id. `None` where the session can only
    /// go on in this process, as by default.
    fn carried(&self, room: usize) -> Option<String> {
        let _ = room;
        None
    }

    /// Begins to serve a client whose session was opened elsewhere, by what was carried from there.
    fn reopen(&self, client: &Peer, carried: &str) -> Option<Arc<dyn Service>> {
        let _ = (client, carried);
        None
    }

    /// Whether this keeps something of its client that is not carried, such as a subscription. What
    /// keeps nothing is dropped while its client is silent, and made anew from what was carried.
    fn keeps_more(&self) -> bool {
        true
    }

    /// The client has ended its session, and will not come again.
    fn ended(&self) {}

    /// Answers one request. Requests run side by side; one that the client cancels is dropped at
    /// its next await.
    fn request<'a>(
        &'a self,
        request: Request,
        peer: &'a Peer,
    ) -> BoxFuture<'a, Result<RawJson, ErrorObject>>;

    /// Takes note of a notification, in the order of arrival. Cancellations are handled already.
    fn notification(&self, notification: NotificationMessage, peer: &Peer) {
        let _ = (notification, peer);
    }
}

/// The client, for telling and asking it things.
#[derive(Clone, Debug)]
pub struct Peer {
    outgoing: Outgoing,
    /// `None` for clients that cannot be asked anything.
    asking: Option<Arc<Asking>>,
    beside: Option<Beside>,
}

/// A notification could not be sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// The parameters cannot be JSON.
    #[error("the parameters cannot be written as JSON")]
    Encode(#[from] serde_json::Error),
    /// The client is gone.
    #[error("the client is gone")]
    Gone,
}

impl Peer {
    /// What came with the HTTP request in a [`Beside`], if it is of this type.
    pub fn beside<T: std::any::Any>(&self) -> Option<&T> {
        self.beside.as_ref()?.get()
    }

    /// Sends a notification, such as progress. What is sent from a request's future goes out before
    /// its answer.
    ///
    /// # Errors
    /// The parameters cannot be JSON, or the client is gone.
    ///
    /// # Cancel safety
    /// A dropped future may have sent the notification, whole, or not.
    pub async fn notify<P: Serialize + Sync + ?Sized>(
        &self,
        method: &str,
        params: &P,
    ) -> Result<(), NotifyError> {
        let text = encode_notification(method, params, None)?;
        if self.outgoing.send(text).await { Ok(()) } else { Err(NotifyError::Gone) }
    }
}

#[cfg(test)]
mod tests;
