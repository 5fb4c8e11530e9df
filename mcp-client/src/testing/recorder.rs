//! Writes down what a client and a server say to each other.

use std::{
    fmt,
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use mcp_protocol::jsonrpc::Message;
use mcp_transport::{
    BoxFuture, Connect, ConnectError, DeliveryError, Exchange, OutgoingMessage, OutgoingRequest,
    Transport, Unsolicited, exchange::Replies, transport::Binding,
};
use serde_json::Value;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::recording::{BINDINGS, Entry, Outcome, Tape, told};

/// How many unasked messages wait for the client.
const QUEUED_MESSAGES: usize = 64;

/// Records all traffic with a server, for [`Replay`](super::Replay): it takes the place of the
/// recipe that it was made of.
///
/// The file has a line of JSON for each exchange. Headers and tokens of the connection are no part
/// of it. Texts of members that name secrets (`password`, `api_key`, `accessToken`), texts that
/// look like keys or tokens, and those that contain a secret that [`hiding`](Self::hiding) was given become
/// `[redacted]`. Other texts are kept as they are: look at a recording before you share it.
///
/// ```
/// use mcp_client::{
///     Client,
///     protocol::tools::Tool,
///     testing::{Recorder, Replay, TestServer},
/// };
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("recording-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let file = folder.join("weather.jsonl");
/// // In place of a real server, which would be `ChildCommand::new(..)` or `HttpConfig::new(..)`.
/// let tool = Tool::new("weather", json!({"type": "object"}));
/// let server = TestServer::new().tool(tool, |_| "Sunny".into());
///
/// let recorder = Recorder::to_file(server.recipe(), &file)?;
/// let tape = recorder.tape();
/// let client = Client::connect_with(recorder).connect().await?;
/// client.call_tool("weather", json!({"city": "Rome"})).await?;
/// client.close().await;
/// tape.finish()?;
///
/// let client = Client::connect_with(Replay::read(&file)?).connect().await?;
/// let result = client.call_tool("weather", json!({"city": "Rome"})).await?;
/// assert_eq!(result.joined_text(), "Sunny");
/// assert!(client.call_tool("weather", json!({"city": "Oslo"})).await.is_err());
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
pub struct Recorder<R> {
    inner: R,
    tape: Arc<Tape>,
}

/// What a [`Recorder`] writes to.
#[derive(Clone)]
pub struct RecordingTape(Arc<Tape>);

impl<R: Connect> Recorder<R> {
    /// Records into a file, in place of what it held.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn to_file(inner: R, path: &Path) -> io::Result<Self> {
        Ok(Self::new(inner, BufWriter::new(File::create(path)?)))
    }

    /// Records into anything.
    pub fn new(inner: R, output: impl Write + Send + 'static) -> Self {
        Self::hiding(inner, output, [])
    }

    /// As [`new`](Self::new), and hides every text that contains one of these secrets.
    pub fn hiding(
        inner: R,
        output: impl Write + Send + 'static,
        secrets: impl IntoIterator<Item = String>,
    ) -> Self {
        let secrets = secrets.into_iter().filter(|secret| !secret.is_empty()).collect();
        let tape = Arc::new(Tape::new(Box::new(output), secrets));
        let binding = BINDINGS.iter().find(|(_, binding)| *binding == inner.binding());
        tape.write(&Entry::Server {
            binding: binding.map_or("other", |(name, _)| *name).to_owned(),
            endpoint: inner.endpoint(),
        });
        Self { inner, tape }
    }

    /// The tape, to finish it when the client is done.
    pub fn tape(&self) -> RecordingTape {
        RecordingTape(Arc::clone(&self.tape))
    }
}

impl RecordingTape {
    /// Writes out what is buffered. Gives the number of exchanges that were recorded.
    ///
    /// # Errors
    /// Something could not be written, now or before.
    pub fn finish(&self) -> io::Result<usize> {
        self.0.finish()
    }
}

impl fmt::Debug for RecordingTape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingTape").finish_non_exhaustive()
    }
}

impl<R: fmt::Debug> fmt::Debug for Recorder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Recorder").field(&self.inner).finish()
    }
}

impl<R: Connect> Connect for Recorder<R> {
    fn connect(&self) -> BoxFuture<'_, Result<Arc<dyn Transport>, ConnectError>> {
        Box::pin(async {
            let inner = self.inner.connect().await?;
            let tape = Arc::clone(&self.tape);
            let forwarding = JoinSet::new().into();
            Ok(Arc::new(RecordedTransport { inner, tape, forwarding }) as Arc<dyn Transport>)
        })
    }

    fn endpoint(&self) -> String {
        self.inner.endpoint()
    }

    fn binding(&self) -> Binding {
        self.inner.binding()
    }

    fn server_key(&self) -> Option<u64> {
        self.inner.server_key()
    }

    fn earlier(&self) -> Option<Arc<dyn Connect>> {
        let inner = self.inner.earlier()?;
        Some(Arc::new(Recorder { inner, tape: Arc::clone(&self.tape) }))
    }
}

/// A transport whose traffic is written down.
#[derive(Debug)]
struct RecordedTransport {
    inner: Arc<dyn Transport>,
    tape: Arc<Tape>,
    /// Hands on what the server says unasked.
    forwarding: std::sync::Mutex<JoinSet<()>>,
}

impl Transport for RecordedTransport {
    fn exchange(&self, request: OutgoingRequest) -> Exchange {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let record = Record {
            tape: Arc::clone(&self.tape),
            method: request.method.clone().into_owned(),
            params: body["params"].clone(),
            messages: Vec::new(),
            is_open: false,
        };
        Exchange::new(RecordedReplies {
            inner: self.inner.exchange(request),
            record,
            is_sent: false,
        })
    }

    fn send(&self, message: OutgoingMessage) -> BoxFuture<'_, Result<(), DeliveryError>> {
        self.inner.send(message)
    }

    fn unsolicited(&self) -> Option<Unsolicited> {
        let mut inner = self.inner.unsolicited()?;
        let (sender, messages) = mpsc::channel(QUEUED_MESSAGES);
        let (opened, is_open) = oneshot::channel();
        let tape = Arc::clone(&self.tape);
        let forward = async move {
            inner.ready().await;
            drop(opened);
            while let Some(message) = inner.next().await {
                if let Some(told) = told(&message) {
                    tape.write(&Entry::Unsolicited(told));
                }
                if sender.send(message).await.is_err() {
                    return;
                }
            }
        };
        self.forwarding.lock().unwrap_or_else(std::sync::PoisonError::into_inner).spawn(forward);
        Some(Unsolicited::opening(messages, is_open))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    fn is_asking(&self) -> bool {
        self.inner.is_asking()
    }

    fn authorization(&self) -> u64 {
        self.inner.authorization()
    }

    fn stderr_tail(&self) -> Vec<String> {
        self.inner.stderr_tail()
    }
}

/// One exchange that is written down when it ends.
struct Record {
    tape: Arc<Tape>,
    method: String,
    params: Value,
    messages: Vec<Value>,
    /// Sent, and not yet ended. What was never polled was never sent.
    is_open: bool,
}

impl Record {
    fn end(&mut self, outcome: Outcome) {
        if std::mem::take(&mut self.is_open) {
            self.tape.write(&Entry::Exchange {
                method: std::mem::take(&mut self.method),
                params: self.params.take(),
                messages: std::mem::take(&mut self.messages),
                outcome,
            });
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.end(Outcome::Abandoned);
    }
}

struct RecordedReplies {
    inner: Exchange,
    record: Record,
    is_sent: bool,
}

impl Replies for RecordedReplies {
    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, DeliveryError>>> {
        if !std::mem::replace(&mut self.is_sent, true) {
            self.record.is_open = true;
        }
        let polled = self.inner.poll_next(cx);
        match &polled {
            Poll::Ready(Some(Ok(Message::Response(response)))) => {
                let outcome = match &response.outcome {
                    Ok(result) => {
                        Outcome::Result(serde_json::from_slice(result).unwrap_or_default())
                    }
                    Err(error) => Outcome::Error(error.clone()),
                };
                self.record.end(outcome);
            }
            Poll::Ready(Some(Ok(message))) => self.record.messages.extend(told(message)),
            Poll::Ready(Some(Err(error))) => self.record.end(Outcome::failure(error)),
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }
}
