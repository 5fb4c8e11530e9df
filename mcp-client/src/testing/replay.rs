//! A server that says again what was recorded.

use std::{
    collections::VecDeque,
    fmt, io,
    path::Path,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use mcp_protocol::{
    error_code,
    jsonrpc::{ErrorObject, Message, RequestId},
};
use mcp_transport::{
    BoxFuture, Connect, ConnectError, DeliveryError, Exchange, OutgoingMessage, OutgoingRequest,
    Transport, Unsolicited,
    error::{ClosedReason, DeliveryErrorKind, HttpFailure},
    exchange::Replies,
    transport::Binding,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    recording::{self, BINDINGS, Entry, Outcome},
    redaction,
};

/// How many unasked messages wait for the client; more are left out.
const QUEUED_MESSAGES: usize = 1024;

/// Answers as a server did while a [`Recorder`](super::Recorder) listened.
///
/// A request is answered by what was recorded for the same method and parameters, `_meta` aside; of
/// several such exchanges each is used once, in order, and the last one again and again. What the
/// server said unasked follows the exchange that it followed then. A request that was not recorded
/// is refused with an error that says so. Nothing is sent anywhere.
#[derive(Clone)]
pub struct Replay {
    stage: Arc<Stage>,
    binding: Binding,
    endpoint: String,
}

struct Stage {
    scenes: Mutex<Vec<Scene>>,
    unanswered: Mutex<Vec<(String, Value)>>,
}

struct Scene {
    method: String,
    params: Value,
    messages: Vec<Value>,
    outcome: Outcome,
    /// What was said unasked right after it.
    after: Vec<Value>,
    is_used: bool,
}

impl Replay {
    /// Reads a recording.
    ///
    /// # Errors
    /// The file cannot be read, or a line of it is none of a recording.
    pub fn read(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut scenes: Vec<Scene> = Vec::new();
        let (mut binding, mut endpoint) = (Binding::Memory, String::new());
        for entry in recording::read(path.as_ref())? {
            match entry {
                Entry::Server { binding: name, endpoint: place } => {
                    let known = BINDINGS.iter().find(|(known, _)| *known == name);
                    binding = known.map_or(Binding::Memory, |(_, binding)| *binding);
                    endpoint = place;
                }
                Entry::Exchange { method, params, messages, outcome } => scenes.push(Scene {
                    method,
                    params: without_meta(params),
                    messages,
                    outcome,
                    after: Vec::new(),
                    is_used: false,
                }),
                // Before the first exchange there is nobody to hear it.
                Entry::Unsolicited(message) => {
                    if let Some(scene) = scenes.last_mut() {
                        scene.after.push(message);
                    }
                }
            }
        }
        let stage = Stage { scenes: Mutex::new(scenes), unanswered: Mutex::default() };
        Ok(Self { stage: Arc::new(stage), binding, endpoint })
    }

    /// The requests that the recording had no answer to: methods and parameters, in order.
    pub fn unanswered(&self) -> Vec<(String, Value)> {
        self.stage.unanswered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Stage {
    /// What comes back for a request, and what is said unasked after it.
    fn play(&self, request: &OutgoingRequest) -> (VecDeque<Reply>, Vec<Value>) {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let token = body["params"]["_meta"]["progressToken"].clone();
        let params = without_meta(body["params"].clone());
        let mut scenes = self.scenes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = None;
        for (place, scene) in scenes.iter().enumerate() {
            if scene.method == request.method && redaction::matches(&scene.params, &params) {
                found = Some(place);
                if !scene.is_used {
                    break;
                }
            }
        }
        let Some(scene) = found.and_then(|place| scenes.get_mut(place)) else {
            let is_known = scenes.iter().any(|scene| scene.method == request.method);
            drop(scenes);
            return (VecDeque::from([self.refuse(request, params, is_known)]), Vec::new());
        };
        scene.is_used = true;
        let mut replies: VecDeque<_> = scene
            .messages
            .iter()
            .map(|message| Reply::Text(with_token(message.clone(), &token)))
            .collect();
        replies.push_back(match &scene.outcome {
            Outcome::Result(result) => Reply::Text(response(&request.id, "result", result)),
            Outcome::Error(error) => Reply::Text(response(&request.id, "error", &json!(error))),
            Outcome::Failure { reason, http_status } => {
                Reply::Failure(failure(reason, *http_status))
            }
            Outcome::Abandoned => Reply::Silence,
        });
        (replies, scene.after.clone())
    }

    fn refuse(&self, request: &OutgoingRequest, params: Value, is_known: bool) -> Reply {
        let code = if is_known { error_code::INVALID_PARAMS } else { error_code::METHOD_NOT_FOUND };
        let method = request.method.clone().into_owned();
        let reason = format!("the recording holds no answer to `{method}` with these parameters");
        let unanswered = &mut *self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
        unanswered.push((method, params));
        Reply::Text(response(&request.id, "error", &json!(ErrorObject::new(code, reason))))
    }
}

fn without_meta(mut params: Value) -> Value {
    if let Value::Object(params) = &mut params {
        params.remove("_meta");
    }
    params
}

/// Progress belongs to the request that asks for it now.
fn with_token(mut message: Value, token: &Value) -> Bytes {
    if !token.is_null() && message["method"] == "notifications/progress" {
        message["params"]["progressToken"] = token.clone();
    }
    message.to_string().into()
}

fn response(id: &RequestId, kind: &str, value: &Value) -> Bytes {
    json!({"jsonrpc": "2.0", "id": id, kind: value}).to_string().into()
}

fn failure(reason: &str, http_status: Option<u16>) -> DeliveryError {
    let status = http_status.and_then(|status| http::StatusCode::from_u16(status).ok());
    DeliveryError::maybe_sent(match status {
        Some(status) => DeliveryErrorKind::Http(Box::new(HttpFailure::new(status))),
        None => DeliveryErrorKind::Broken(reason.into()),
    })
}

impl Connect for Replay {
    fn connect(&self) -> BoxFuture<'_, Result<Arc<dyn Transport>, ConnectError>> {
        Box::pin(async {
            let (unasked, messages) = mpsc::channel(QUEUED_MESSAGES);
            Ok(Arc::new(ReplayTransport {
                stage: Arc::clone(&self.stage),
                unasked,
                messages: Mutex::new(Some(messages)),
                is_closed: AtomicBool::new(false),
            }) as Arc<dyn Transport>)
        })
    }

    fn endpoint(&self) -> String {
        format!("a recording of {}", self.endpoint)
    }

    fn binding(&self) -> Binding {
        self.binding
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

struct ReplayTransport {
    stage: Arc<Stage>,
    unasked: mpsc::Sender<Message>,
    messages: Mutex<Option<mpsc::Receiver<Message>>>,
    is_closed: AtomicBool,
}

impl Transport for ReplayTransport {
    fn exchange(&self, request: OutgoingRequest) -> Exchange {
        if self.is_closed() {
            return Exchange::new(Played::failing(closed()));
        }
        let (replies, after) = self.stage.play(&request);
        let after = after.iter().filter_map(|told| Message::parse(&told.to_string().into()).ok());
        Exchange::new(Played {
            replies,
            after: after.collect(),
            unasked: Some(self.unasked.clone()),
        })
    }

    fn send(&self, _: OutgoingMessage) -> BoxFuture<'_, Result<(), DeliveryError>> {
        let outcome = if self.is_closed() { Err(closed()) } else { Ok(()) };
        Box::pin(async move { outcome })
    }

    fn unsolicited(&self) -> Option<Unsolicited> {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner).take();
        messages.map(Unsolicited::new)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.is_closed.store(true, Ordering::Relaxed);
        Box::pin(async {})
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for ReplayTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayTransport").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

fn closed() -> DeliveryError {
    DeliveryError::not_sent(DeliveryErrorKind::Closed(ClosedReason::default()))
}

enum Reply {
    Text(Bytes),
    Failure(DeliveryError),
    /// The client let go of the exchange then, and is to do so again.
    Silence,
}

/// One exchange that is played again.
struct Played {
    replies: VecDeque<Reply>,
    after: Vec<Message>,
    unasked: Option<mpsc::Sender<Message>>,
}

impl Played {
    fn failing(error: DeliveryError) -> Self {
        Self { replies: VecDeque::from([Reply::Failure(error)]), after: Vec::new(), unasked: None }
    }
}

impl Replies for Played {
    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, DeliveryError>>> {
        match self.replies.pop_front() {
            Some(Reply::Text(text)) => {
                let message = Message::parse(&text)
                    .map_err(|error| DeliveryError::maybe_sent(DeliveryErrorKind::NotMcp(error)));
                if self.replies.is_empty() {
                    self.say_unasked();
                }
                Poll::Ready(Some(message))
            }
            Some(Reply::Failure(error)) => Poll::Ready(Some(Err(error))),
            Some(Reply::Silence) => {
                self.replies.push_back(Reply::Silence);
                Poll::Pending
            }
            None => Poll::Ready(None),
        }
    }
}

impl Played {
    /// Says what was said unasked after this exchange.
    fn say_unasked(&mut self) {
        let Some(unasked) = self.unasked.take() else { return };
        for message in self.after.drain(..) {
            // A client that hears nothing unasked, or too slowly, misses it as it would have then.
            if let Err(error) = unasked.try_send(message) {
                tracing::debug!(%error, "an unasked message of a recording was left out");
            }
        }
    }
}
