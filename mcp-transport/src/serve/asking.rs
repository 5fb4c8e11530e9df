//! A service's questions to its client, and the answers on their way.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use mcp_protocol::{
    jsonrpc::{ErrorObject, RequestId, Response, encode_notification, encode_request},
    raw::RawJson,
};
use serde::Serialize;
use tokio::sync::oneshot;

use super::{Peer, outgoing::Outgoing};

type Answer = Result<Bytes, ErrorObject>;

/// A question was not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The parameters cannot be JSON.
    #[error("the parameters cannot be written as JSON")]
    Encode(#[from] serde_json::Error),
    /// The client speaks a revision in which servers send no requests.
    #[error("the client speaks a revision in which servers send no requests")]
    Unaskable,
    /// The client is gone.
    #[error("the client is gone")]
    Gone,
    /// The client's answer is not JSON.
    #[error("the client's answer cannot be read")]
    Unreadable(#[source] serde_json::Error),
    /// The client answered with an error.
    #[error("the client refuses: {} ({})", .0.message, .0.code)]
    Refused(ErrorObject),
}

/// The questions of one connection or session that wait for their answers.
#[derive(Debug, Default)]
pub(super) struct Asking(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: i64,
    /// A handful at most, and none of a silent client.
    waiting: BTreeMap<i64, oneshot::Sender<Answer>>,
}

impl Asking {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) -> (i64, oneshot::Receiver<Answer>) {
        let (sender, answer) = oneshot::channel();
        let mut state = self.lock();
        state.last += 1;
        let id = state.last;
        state.waiting.insert(id, sender);
        (id, answer)
    }

    /// Hands an answer to whoever waits for it. False when nobody does.
    pub(super) fn answered(&self, response: Response) -> bool {
        let waiting = match response.id {
            Some(RequestId::Number(id)) => self.lock().waiting.remove(&id),
            _ => None,
        };
        // Without a receiver nobody wants to know any more.
        let is_wanted = waiting.is_some_and(|waiting| waiting.send(response.outcome).is_ok());
        if !is_wanted {
            tracing::debug!("ignoring an answer that nobody waits for");
        }
        is_wanted
    }

    /// Nobody will answer any more.
    pub(super) fn end(&self) {
        self.lock().waiting.clear();
    }
}

impl Peer {
    /// Asks the client something, such as `elicitation/create`, and waits for the answer. What is
    /// asked from a request's future goes out on the stream of that request. Only clients of
    /// revisions up to 2025-11-25 can be asked, and only for what they declared.
    ///
    /// # Errors
    /// The client cannot be asked, refuses, or is gone.
    ///
    /// # Cancel safety
    /// Dropping the future takes the question back: the client is told that it is cancelled.
    pub async fn ask<P: Serialize + Sync + ?Sized>(
        &self,
        method: &str,
        params: &P,
    ) -> Result<RawJson, AskError> {
        let asking = self.asking.as_ref().ok_or(AskError::Unaskable)?;
        let (id, answer) = asking.begin();
        let open = Open { asking, id, outgoing: &self.outgoing };
        let text = encode_request(&RequestId::Number(id), method, params, None)?;
        if !self.outgoing.send(text).await {
            return Err(AskError::Gone);
        }
        let answer = answer.await.map_err(|_| AskError::Gone)?;
        drop(open);
        RawJson::parse_bytes(&answer.map_err(AskError::Refused)?).map_err(AskError::Unreadable)
    }

    pub(super) fn new(outgoing: Outgoing, asking: Option<Arc<Asking>>) -> Self {
        Self { outgoing, asking, beside: None }
    }

    /// The same client, with what came with its request.
    #[cfg(feature = "serve-http")]
    pub(super) fn with(self, beside: Option<super::Beside>) -> Self {
        Self { beside, ..self }
    }
}

/// A question that is taken back when this is dropped before the answer.
struct Open<'a> {
    asking: &'a Asking,
    id: i64,
    outgoing: &'a Outgoing,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if self.asking.lock().waiting.remove(&self.id).is_none() {
            return;
        }
        let params = serde_json::json!({"requestId": self.id});
        // A client that does not read, or is gone, is not told.
        if let Ok(text) = encode_notification("notifications/cancelled", &params, None) {
            self.outgoing.try_send(text);
        }
    }
}
