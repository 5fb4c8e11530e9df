//! A transport inside one process: for tests, and for servers that are part of the program.

use std::{fmt, future::Future, io, sync::Arc};

use bytes::Bytes;
use mcp_protocol::jsonrpc::Message;
use tokio::{runtime::Handle, task::AbortHandle};

use crate::{
    BoxFuture, Connect, ConnectError, DeliveryError, Exchange, OutgoingMessage, OutgoingRequest,
    Transport, Unsolicited,
    error::ClosedReason,
    routing::{Connection, End, RoutedReplies},
    transport::Binding,
};

/// Makes both ends of a connection.
///
/// Messages are the same texts as on a child process's streams, with the same rules: order is kept,
/// and dropping an exchange sends `notifications/cancelled`.
pub fn pair() -> (MemoryTransport, MemoryPeer) {
    let connection = Arc::new(Connection::popped());
    (
        MemoryTransport { connection: Arc::clone(&connection), server: None },
        MemoryPeer { connection },
    )
}

/// The client's end. Dropping it ends the connection.
pub struct MemoryTransport {
    connection: Arc<Connection>,
    server: Option<AbortHandle>,
}

/// The server's end. Dropping it ends the connection.
pub struct MemoryPeer {
    connection: Arc<Connection>,
}

impl MemoryPeer {
    /// The client's next message; `None` when the client has closed the connection.
    ///
    /// # Cancel safety
    /// No message is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<Message> {
        loop {
            let text = self.recv_text().await?;
            match Message::parse(&text) {
                Ok(message) => return Some(message),
                Err(error) => tracing::warn!(%error, "the client sent something that is not MCP"),
            }
        }
    }

    /// [`recv`](Self::recv) as it was sent.
    ///
    /// # Cancel safety
    /// No message is lost when the future is dropped.
    pub async fn recv_text(&mut self) -> Option<Bytes> {
        self.connection.outbox.pop().await
    }

    /// The client, for giving it messages while another borrow waits for its own.
    pub(crate) fn client(&self) -> Arc<Connection> {
        Arc::clone(&self.connection)
    }

    /// Gives the client a message, or whatever else a server might write.
    pub fn send(&self, text: impl Into<Bytes>) {
        self.connection.receive(&text.into());
    }
}

impl Drop for MemoryPeer {
    fn drop(&mut self) {
        end(&self.connection, "the server has ended");
    }
}

impl fmt::Debug for MemoryPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryPeer").finish_non_exhaustive()
    }
}

impl Transport for MemoryTransport {
    fn exchange(&self, request: OutgoingRequest) -> Exchange {
        Exchange::new(RoutedReplies::new(Arc::clone(&self.connection), request))
    }

    fn send(&self, message: OutgoingMessage) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(self.connection.send(message.body))
    }

    fn unsolicited(&self) -> Option<Unsolicited> {
        self.connection.unsolicited()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { end(&self.connection, "it was closed from this side") })
    }

    fn is_closed(&self) -> bool {
        self.connection.routes.is_over()
    }
}

impl Drop for MemoryTransport {
    fn drop(&mut self) {
        end(&self.connection, "its owner let go of it");
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

impl fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTransport").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

fn end(connection: &Connection, note: &str) {
    connection.outbox.shut();
    connection
        .routes
        .end(End::Closed(ClosedReason { note: Some(note.to_owned()), ..ClosedReason::default() }));
}

/// A recipe for connections to a server in this process, a new one each time.
///
/// ```
/// use mcp_transport::memory::MemoryConnect;
///
/// let recipe = MemoryConnect::new(|mut peer| async move {
///     while let Some(message) = peer.recv().await {
///         println!("{message:?}");
///     }
/// });
/// ```
pub struct MemoryConnect {
    start: Box<Start>,
}

type Start = dyn Fn(MemoryPeer) -> BoxFuture<'static, ()> + Send + Sync;

impl MemoryConnect {
    /// A server that is the future made by `serve`. It ends with the connection.
    pub fn new<F>(serve: impl Fn(MemoryPeer) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self { start: Box::new(move |peer| Box::pin(serve(peer))) }
    }
}

impl Connect for MemoryConnect {
    fn connect(&self) -> BoxFuture<'_, Result<Arc<dyn Transport>, ConnectError>> {
        Box::pin(async {
            let (mut transport, peer) = pair();
            let runtime = Handle::try_current().map_err(|error| ConnectError::Spawn {
                program: self.endpoint(),
                source: io::Error::other(error),
            })?;
            let server = runtime.spawn((self.start)(peer));
            transport.server = Some(server.abort_handle());
            Ok(Arc::new(transport) as Arc<dyn Transport>)
        })
    }

    fn endpoint(&self) -> String {
        "in this process".to_owned()
    }

    fn binding(&self) -> Binding {
        Binding::Memory
    }
}

impl fmt::Debug for MemoryConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryConnect").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use mcp_protocol::version::Era;

    use super::*;
    use crate::{
        error::{DeliveryErrorKind, Sent},
        transport::Mirrored,
    };

    fn request(id: i64) -> OutgoingRequest {
        OutgoingRequest {
            id: id.into(),
            method: "tools/call".into(),
            body: format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call"}}"#).into(),
            era: Era::Modern,
            protocol_version: None,
            mirrored: Mirrored::default(),
        }
    }

    async fn method(peer: &mut MemoryPeer) -> String {
        match peer.recv().await {
            Some(Message::Request(request)) => format!("{} {}", request.method, request.id),
            Some(Message::Notification(notification)) => notification.method.into(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn carries_both_ways() {
        let (transport, mut peer) = pair();
        let mut exchange = transport.exchange(request(1));
        let serve = async {
            assert_eq!(method(&mut peer).await, "tools/call 1");
            peer.send(&br#"{"method":"notifications/progress","params":{"progressToken":1}}"#[..]);
            peer.send(&br#"{"method":"notifications/other"}"#[..]);
            peer.send(&br#"{"id":1,"result":5}"#[..]);
        };
        let (first, ()) = tokio::join!(exchange.next(), serve);
        assert!(matches!(first, Some(Ok(Message::Notification(_)))));
        assert!(matches!(exchange.next().await, Some(Ok(Message::Response(_)))));
        assert!(exchange.next().await.is_none());
        let other = transport.unsolicited().unwrap().next().await;
        assert!(matches!(other, Some(Message::Notification(_))));
    }

    #[tokio::test]
    async fn dropping_cancels_what_the_peer_has_and_withdraws_the_rest() {
        let (transport, mut peer) = pair();
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let mut seen = transport.exchange(request(1));
        assert!(seen.poll_next(&mut cx).is_pending());
        assert_eq!(method(&mut peer).await, "tools/call 1");
        let mut unseen = transport.exchange(request(2));
        assert!(unseen.poll_next(&mut cx).is_pending());
        drop((unseen, seen, transport.exchange(request(3))));
        assert_eq!(method(&mut peer).await, "notifications/cancelled");
        transport.close().await;
        assert!(peer.recv().await.is_none());
    }

    #[tokio::test]
    async fn a_peer_that_ends_fails_what_is_under_way() {
        let (transport, peer) = pair();
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let mut exchange = transport.exchange(request(1));
        assert!(exchange.poll_next(&mut cx).is_pending());
        drop(peer);
        assert!(transport.is_closed());
        let error = exchange.next().await.unwrap().unwrap_err();
        assert_eq!(error.sent, Sent::No);
        assert!(matches!(error.kind, DeliveryErrorKind::Closed(_)));
    }

    #[tokio::test]
    async fn a_recipe_makes_a_new_server_each_time() {
        let recipe = MemoryConnect::new(|mut peer| async move {
            while let Some(Message::Request(request)) = peer.recv().await {
                peer.send(format!(r#"{{"id":{},"result":0}}"#, request.id));
            }
        });
        for _ in 0..3 {
            let transport = recipe.connect().await.unwrap();
            let mut exchange = transport.exchange(request(1));
            assert!(matches!(exchange.next().await, Some(Ok(Message::Response(_)))));
        }
    }
}
