//! The seam between the client and whatever carries its messages.

use std::{
    borrow::Cow,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
};

use bytes::Bytes;
use mcp_protocol::{
    jsonrpc::{Message, RequestId},
    version::{Era, ProtocolVersion},
};

use tokio::sync::{mpsc, oneshot};

use crate::{ConnectError, DeliveryError, Exchange, routing::OwnMessages};

/// A future in a box, so that traits with async methods can be trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Carries messages to one server and back.
pub trait Transport: Send + Sync + fmt::Debug + 'static {
    /// Starts one request. Nothing is sent before the exchange is first polled.
    ///
    /// What the server sends because of the request comes back on the exchange, the response last.
    /// Dropping the exchange abandons the request in this binding's own way: stdio and legacy HTTP
    /// send `notifications/cancelled` (never for `initialize`), modern HTTP closes the response
    /// stream. A request that was never written is withdrawn without a trace.
    fn exchange(&self, request: OutgoingRequest) -> Exchange;

    /// Sends a notification, or the answer to a server's request.
    ///
    /// Messages of one caller reach the wire in the order of their calls, also between requests
    /// and notifications.
    fn send(&self, message: OutgoingMessage) -> BoxFuture<'_, Result<(), DeliveryError>>;

    /// What the server sends on its own account. `None` where the binding has no such thing, and
    /// from the second call on.
    fn unsolicited(&self) -> Option<Unsolicited>;

    /// Ends the connection in order. Every wait inside is bounded; calling again does nothing.
    fn close(&self) -> BoxFuture<'_, ()>;

    /// Whether the server is gone or [`close`](Self::close) was called.
    fn is_closed(&self) -> bool;

    /// Whether a person is being asked for consent right now, so that callers' clocks should stand
    /// still.
    fn is_asking(&self) -> bool {
        false
    }

    /// A number that changes whenever the requests show other credentials than before. What was
    /// told in private under one number must not be used under another.
    fn authorization(&self) -> u64 {
        0
    }

    /// The last lines that a child process wrote to its standard error; none for other bindings.
    fn stderr_tail(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A recipe that opens transports to one server; kept so that a dead connection can be made anew.
pub trait Connect: Send + Sync + fmt::Debug + 'static {
    /// Opens a transport. Speaks no MCP yet.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind: a child process that was started is killed.
    fn connect(&self) -> BoxFuture<'_, Result<Arc<dyn Transport>, ConnectError>>;

    /// Whether there is something to open, as far as that can be seen without opening it: the
    /// program of a child process can be found and started. Elsewhere nothing is looked at.
    ///
    /// # Errors
    /// [`connect`](Self::connect) would fail, as things are.
    fn check(&self) -> Result<(), ConnectError> {
        Ok(())
    }

    /// Where it leads, for people: a command line or a URL, without secrets.
    fn endpoint(&self) -> String;

    /// The kind of binding.
    fn binding(&self) -> Binding;

    /// The same number for recipes that lead to the same server in the same way, credentials
    /// aside: what the server tells one of them as public holds for all. `None` when recipes cannot
    /// be compared. It means nothing outside this process.
    fn server_key(&self) -> Option<u64> {
        None
    }

    /// The binding of an earlier revision at the same address, for servers that do not know this
    /// one. None but Streamable HTTP has such.
    fn earlier(&self) -> Option<Arc<dyn Connect>> {
        None
    }
}

impl<T: Connect + ?Sized> Connect for Arc<T> {
    fn connect(&self) -> BoxFuture<'_, Result<Arc<dyn Transport>, ConnectError>> {
        (**self).connect()
    }

    fn check(&self) -> Result<(), ConnectError> {
        (**self).check()
    }

    fn endpoint(&self) -> String {
        (**self).endpoint()
    }

    fn binding(&self) -> Binding {
        (**self).binding()
    }

    fn server_key(&self) -> Option<u64> {
        (**self).server_key()
    }

    fn earlier(&self) -> Option<Arc<dyn Connect>> {
        (**self).earlier()
    }
}

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Binding {
    /// Lines over the standard streams of a child process.
    Stdio,
    /// Streamable HTTP.
    Http,
    /// HTTP+SSE, of revision 2024-11-05.
    HttpSse,
    /// Lines over a Unix or TCP socket.
    Socket,
    /// WebSocket.
    WebSocket,
    /// In the same process.
    Memory,
}

/// A request, serialized, with what a binding must know about it.
#[derive(Clone, Debug)]
pub struct OutgoingRequest {
    /// As in the body.
    pub id: RequestId,
    /// As in the body.
    pub method: Cow<'static, str>,
    /// The whole JSON-RPC message, one line, without its line end.
    pub body: Bytes,
    /// Which lifecycle the request belongs to.
    pub era: Era,
    /// For the `MCP-Protocol-Version` header; `None` before a legacy version is negotiated.
    pub protocol_version: Option<ProtocolVersion>,
    /// Header values that mirror the body; see [`Mirrored`].
    pub mirrored: Mirrored,
}

/// Values of the body that modern Streamable HTTP repeats as headers, already encoded.
#[derive(Clone, Debug, Default)]
pub struct Mirrored {
    /// For `Mcp-Name`.
    pub name: Option<String>,
    /// `Mcp-Param-*` headers: their whole names, and the values.
    pub params: Vec<(String, String)>,
}

/// A notification or an answer, serialized.
#[derive(Clone, Debug)]
pub struct OutgoingMessage {
    /// The method of a notification; `None` for an answer.
    pub method: Option<Cow<'static, str>>,
    /// The whole JSON-RPC message, one line, without its line end.
    pub body: Bytes,
    /// Which lifecycle the message belongs to.
    pub era: Era,
    /// For the `MCP-Protocol-Version` header.
    pub protocol_version: Option<ProtocolVersion>,
}

/// What a server sends on its own account: legacy notifications and requests.
pub struct Unsolicited {
    messages: Messages,
    /// Dropped or fired when the stream is open, or will not be.
    opened: Option<oneshot::Receiver<()>>,
}

enum Messages {
    Queue(mpsc::Receiver<Message>),
    Own(OwnMessages),
}

impl Unsolicited {
    /// Wraps the receiving end of a queue that the transport fills.
    pub fn new(messages: mpsc::Receiver<Message>) -> Self {
        Self { messages: Messages::Queue(messages), opened: None }
    }

    pub(crate) fn own(messages: OwnMessages) -> Self {
        Self { messages: Messages::Own(messages), opened: None }
    }

    /// As [`new`](Self::new), for a stream that is still being opened; `opened` tells when.
    pub fn opening(messages: mpsc::Receiver<Message>, opened: oneshot::Receiver<()>) -> Self {
        Self { messages: Messages::Queue(messages), opened: Some(opened) }
    }

    /// Waits until the stream is open, or it is clear that the server offers none. What a server
    /// sends before that may be lost.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn ready(&mut self) {
        if let Some(opened) = &mut self.opened {
            // A sender that is gone means the same.
            let _ = opened.await;
            self.opened = None;
        }
    }

    /// The next message; `None` when the connection is over.
    ///
    /// # Cancel safety
    /// No message is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Message> {
        match &mut self.messages {
            Messages::Queue(messages) => messages.recv().await,
            Messages::Own(messages) => poll_fn(|cx| messages.poll_next(cx)).await,
        }
    }
}

impl fmt::Debug for Unsolicited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsolicited").finish_non_exhaustive()
    }
}
