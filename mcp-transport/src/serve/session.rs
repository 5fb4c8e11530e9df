//! One client being served: its requests under way.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use mcp_protocol::{
    error_code,
    jsonrpc::{
        ErrorObject, Message, NotificationMessage, ParseError, Request, RequestId, encode_error,
        encode_result,
    },
};
use serde::Deserialize;
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinError, JoinSet},
    time::timeout,
};

use super::{Peer, Service, asking::Asking, outgoing::Outgoing};

/// How many requests run at the same time; more are refused.
const MAX_RUNNING: usize = 1024;

/// How many messages wait to be written, before requests that want to send more have to wait.
const QUEUED_MESSAGES: usize = 64;

/// How long requests may go on after the client has ended its side.
const FAREWELL: Duration = Duration::from_secs(1);

/// The state of one connection.
pub(super) struct Session {
    service: Arc<dyn Service>,
    peer: Peer,
    asking: Arc<Asking>,
    running: JoinSet<RequestId>,
    by_id: HashMap<RequestId, AbortHandle>,
}

impl Session {
    /// A session, and the messages that are to be sent, in order.
    pub(super) fn new(service: Arc<dyn Service>) -> (Self, mpsc::Receiver<Bytes>) {
        let (outgoing, messages) = mpsc::channel(QUEUED_MESSAGES);
        let asking = Arc::new(Asking::default());
        let peer = Peer::new(Outgoing::Queue(outgoing), Some(Arc::clone(&asking)));
        let service = service.open(&peer).unwrap_or(service);
        (Self { service, asking, peer, running: JoinSet::new(), by_id: HashMap::new() }, messages)
    }

    /// Takes in one message, or a batch of them.
    pub(super) async fn receive(&mut self, text: &Bytes) {
        if text.trim_ascii().is_empty() {
            return;
        }
        match Message::parse_batch(text) {
            Ok(messages) => {
                for message in messages {
                    self.handle(message).await;
                }
            }
            Err(error) => {
                let code = match error {
                    ParseError::NotJson { .. } => error_code::PARSE_ERROR,
                    _ => error_code::INVALID_REQUEST,
                };
                self.answer(encode_error(None, &ErrorObject::new(code, error.to_string()))).await;
            }
        }
    }

    async fn handle(&mut self, message: Message) {
        match message {
            Message::Request(request) => {
                if let Err((id, error)) = self.start(request) {
                    self.answer(encode_error(Some(&id), &error)).await;
                }
            }
            Message::Notification(notification) => {
                if &*notification.method == "notifications/cancelled" {
                    self.cancel(&notification);
                } else {
                    self.service.notification(notification, &self.peer);
                }
            }
            Message::Response(response) => {
                self.asking.answered(response);
            }
        }
    }

    fn start(&mut self, request: Request) -> Result<(), (RequestId, ErrorObject)> {
        let id = request.id.clone();
        let refuse = |code, message: &str| Err((id.clone(), ErrorObject::new(code, message)));
        if self.by_id.len() >= MAX_RUNNING {
            return refuse(error_code::INTERNAL_ERROR, "too many requests at the same time");
        }
        let Entry::Vacant(slot) = self.by_id.entry(id.clone()) else {
            return refuse(error_code::INVALID_REQUEST, "a request with this id is running");
        };
        let (service, peer) = (Arc::clone(&self.service), self.peer.clone());
        let task = async move {
            let id = request.id.clone();
            let outcome = service.request(request, &peer).await;
            let text = outcome.and_then(|result| {
                encode_result(&id, &result)
                    .map_err(|e| ErrorObject::new(error_code::INTERNAL_ERROR, e.to_string()))
            });
            let text = text.unwrap_or_else(|error| encode_error(Some(&id), &error));
            // Without a receiver the client is gone.
            let _ = peer.outgoing.send(text).await;
            id
        };
        slot.insert(self.running.spawn(task));
        Ok(())
    }

    fn cancel(&mut self, notification: &NotificationMessage) {
        #[derive(Deserialize)]
        struct Params {
            #[serde(rename = "requestId")]
            request_id: RequestId,
        }
        match serde_json::from_slice::<Params>(&notification.params) {
            Ok(Params { request_id }) => {
                if let Some(task) = self.by_id.remove(&request_id) {
                    task.abort();
                }
            }
            Err(error) => tracing::debug!(%error, "ignoring a malformed cancellation"),
        }
    }

    /// The next request that finishes; waits for ever when none runs.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn next_finished(&mut self) -> Result<RequestId, JoinError> {
        match self.running.join_next().await {
            Some(finished) => finished,
            None => std::future::pending().await,
        }
    }

    /// Notes that a request has finished.
    pub(super) async fn finished(&mut self, finished: Result<RequestId, JoinError>) {
        let error = match finished {
            Ok(id) => {
                self.by_id.remove(&id);
                return;
            }
            Err(error) => error,
        };
        // A cancelled request has left the table already, and gets no answer.
        if error.is_panic() {
            let found = self.by_id.iter().find(|(_, task)| task.id() == error.id());
            if let Some(id) = found.map(|(id, _)| id.clone()) {
                self.by_id.remove(&id);
                let error = ErrorObject::new(error_code::INTERNAL_ERROR, "the request panicked");
                self.answer(encode_error(Some(&id), &error)).await;
            }
        }
    }

    /// Lets the running requests finish, for a while. Then everything is dropped, which ends the
    /// stream of outgoing messages.
    pub(super) async fn finish(mut self) {
        // There is nobody to answer any more.
        self.asking.end();
        let all = async {
            while let Some(finished) = self.running.join_next().await {
                self.finished(finished).await;
            }
        };
        if timeout(FAREWELL, all).await.is_err() {
            tracing::debug!(count = self.by_id.len(), "dropping requests that do not end");
        }
    }

    async fn answer(&self, text: Bytes) {
        // Without a receiver the client is gone.
        let _ = self.peer.outgoing.send(text).await;
    }
}
