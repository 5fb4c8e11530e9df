//! One client of a scripted server, over memory or lines.

use std::{collections::HashSet, future::Future, io};

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use mcp_protocol::jsonrpc::{Message, RequestId};
use mcp_transport::memory::MemoryPeer;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    sync::broadcast::error::RecvError,
    time::sleep,
};

use super::{Answer, server::Shared};

/// The server's end of a connection.
pub(super) trait Ends {
    /// The client's next message; `None` when it is gone. Nothing is lost when it is dropped.
    fn hear(&mut self) -> impl Future<Output = Option<Message>> + Send;
    /// Gives the client a text. False when it is gone.
    fn say(&mut self, text: Bytes) -> impl Future<Output = bool> + Send;
}

/// What comes of an answer for now.
enum Next {
    /// It is given.
    Done,
    /// The connection is over.
    Ended,
    /// There is more to it, after a wait.
    Later(std::time::Duration, Answer),
}

/// Answers a client until it is gone or the script ends the connection.
pub(super) async fn hold(server: &Shared, ends: &mut impl Ends) {
    let mut unasked = server.unasked();
    let mut later = FuturesUnordered::new();
    let mut cancelled = HashSet::new();
    loop {
        let (id, answer) = tokio::select! {
            message = ends.hear() => {
                let Some(message) = message else { return };
                if let Some(id) = cancellation(&message) {
                    cancelled.insert(id);
                }
                let Some(act) = server.take(message) else { continue };
                act
            }
            Some((id, answer)) = later.next() => {
                if Option::as_ref(&id).is_some_and(|id| cancelled.remove(id)) {
                    continue;
                }
                (id, answer)
            }
            text = unasked.recv() => {
                match text {
                    Ok(text) => if !ends.say(text.into()).await { return },
                    Err(RecvError::Lagged(count)) => {
                        tracing::warn!(count, "a client missed unasked messages");
                    }
                    // The sender lives as long as the server.
                    Err(RecvError::Closed) => return,
                }
                continue;
            }
        };
        match give(answer, id.as_ref(), ends).await {
            Next::Done => {}
            Next::Ended => return,
            Next::Later(wait, answer) => later.push(async move {
                sleep(wait).await;
                (id, answer)
            }),
        }
    }
}

/// Does what an answer says, up to its first wait.
async fn give(mut answer: Answer, id: Option<&RequestId>, ends: &mut impl Ends) -> Next {
    loop {
        let text = match answer {
            Answer::After(wait, then) => return Next::Later(wait, *then),
            Answer::End => return Next::Ended,
            Answer::Send(message, then) => {
                if !ends.say(message.to_string().into()).await {
                    return Next::Ended;
                }
                answer = *then;
                continue;
            }
            Answer::Silence | Answer::Usual => return Next::Done,
            Answer::Raw(text) => text,
            // Notifications have no answer.
            Answer::Result(_) | Answer::Error(_) if id.is_none() => return Next::Done,
            Answer::Result(result) => response(id, "result", &result),
            Answer::Error(error) => response(id, "error", &json!(error)),
        };
        return if ends.say(text).await { Next::Done } else { Next::Ended };
    }
}

fn response(id: Option<&RequestId>, kind: &str, value: &Value) -> Bytes {
    json!({"jsonrpc": "2.0", "id": id, kind: value}).to_string().into()
}

/// The request that a message cancels.
fn cancellation(message: &Message) -> Option<RequestId> {
    let Message::Notification(note) = message else { return None };
    if &*note.method != "notifications/cancelled" {
        return None;
    }
    let params: Value = serde_json::from_slice(&note.params).ok()?;
    serde_json::from_value(params["requestId"].clone()).ok()
}

impl Ends for MemoryPeer {
    fn hear(&mut self) -> impl Future<Output = Option<Message>> + Send {
        self.recv()
    }

    async fn say(&mut self, text: Bytes) -> bool {
        self.send(text);
        true
    }
}

/// A byte stream with a message on every line.
pub(super) struct Lines<R, W> {
    input: tokio::io::Lines<BufReader<R>>,
    output: W,
    outcome: io::Result<()>,
}

impl<R: AsyncRead + Unpin, W> Lines<R, W> {
    pub(super) fn new(input: R, output: W) -> Self {
        Self { input: BufReader::new(input).lines(), output, outcome: Ok(()) }
    }

    /// Why it ended.
    pub(super) fn outcome(self) -> io::Result<()> {
        self.outcome
    }
}

impl<R: AsyncRead + Unpin + Send, W: AsyncWrite + Unpin + Send> Ends for Lines<R, W> {
    async fn hear(&mut self) -> Option<Message> {
        loop {
            match self.input.next_line().await {
                Ok(Some(line)) => match Message::parse(&Bytes::from(line)) {
                    Ok(message) => return Some(message),
                    Err(error) => tracing::warn!(%error, "a client's line is not MCP"),
                },
                Ok(None) => return None,
                Err(error) => {
                    self.outcome = Err(error);
                    return None;
                }
            }
        }
    }

    async fn say(&mut self, text: Bytes) -> bool {
        let written = async {
            self.output.write_all(&text).await?;
            self.output.write_all(b"\n").await?;
            self.output.flush().await
        };
        match written.await {
            Ok(()) => true,
            Err(error) => {
                self.outcome = Err(error);
                false
            }
        }
    }
}
