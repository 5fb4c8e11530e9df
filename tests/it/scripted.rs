//! A server in the same process whose part the test itself plays.

#![expect(clippy::unwrap_used, reason = "a test's words are right or the test fails")]
#![expect(clippy::needless_pass_by_value, reason = "so that tests can write `json!` in place")]

use std::sync::Mutex;

use mcp_client::{
    Client, ClientBuilder, EraChoice,
    protocol::jsonrpc::{ErrorObject, Message, Request},
    transport::memory::{MemoryConnect, MemoryPeer},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// The server's end of one connection.
pub(crate) struct Server {
    heard: mpsc::UnboundedReceiver<Message>,
    said: mpsc::UnboundedSender<String>,
}

/// A client that is to be connected, and its server.
pub(crate) fn server(era: EraChoice) -> (ClientBuilder<MemoryConnect>, Server) {
    let (to_test, heard) = mpsc::unbounded_channel();
    let (said, from_test) = mpsc::unbounded_channel();
    let ends = Mutex::new(Some((to_test, from_test)));
    let recipe = MemoryConnect::new(move |peer| {
        let ends = ends.lock().unwrap().take();
        async move {
            let (to_test, from_test) = ends.expect("it is connected to once");
            relay(peer, to_test, from_test).await;
        }
    });
    (Client::connect_with(recipe).era(era), Server { heard, said })
}

async fn relay(
    mut peer: MemoryPeer,
    to_test: mpsc::UnboundedSender<Message>,
    mut from_test: mpsc::UnboundedReceiver<String>,
) {
    loop {
        tokio::select! {
            message = peer.recv() => match message {
                Some(message) => if to_test.send(message).is_err() { return },
                None => return,
            },
            text = from_test.recv() => match text {
                Some(text) => peer.send(text),
                None => return,
            },
        }
    }
}

/// Connects to a modern server with these capabilities.
pub(crate) async fn modern(capabilities: Value) -> (Client, Server) {
    let (client, server) = server(EraChoice::Modern);
    connect_modern(client, server, capabilities).await
}

/// As [`modern`], with settings.
pub(crate) async fn connect_modern(
    client: ClientBuilder<MemoryConnect>,
    mut server: Server,
    capabilities: Value,
) -> (Client, Server) {
    let (client, ()) = tokio::join!(client.connect(), async {
        let discover = server.request("server/discover").await;
        let result = json!({
            "supportedVersions": ["2026-07-28"], "capabilities": capabilities,
            "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
        });
        server.answer(&discover, result);
    });
    (client.unwrap(), server)
}

/// Connects to a modern server whose tools may become tasks.
pub(crate) async fn modern_with_tasks() -> (Client, Server) {
    let capabilities = json!({"tools": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}});
    let (client, server) = server(EraChoice::Modern);
    connect_modern(client.tasks(), server, capabilities).await
}

/// Connects to a legacy server with these capabilities.
pub(crate) async fn legacy(capabilities: Value) -> (Client, Server) {
    let (client, mut server) = server(EraChoice::Legacy);
    let client = connect_legacy(client, &mut server, capabilities, async |_| {}).await;
    (client, server)
}

/// As [`legacy`], with settings, and with more to do before the client is ready.
pub(crate) async fn connect_legacy(
    client: ClientBuilder<MemoryConnect>,
    server: &mut Server,
    capabilities: Value,
    then: impl AsyncFnOnce(&mut Server),
) -> Client {
    let (client, ()) = tokio::join!(client.connect(), async {
        let initialize = server.request("initialize").await;
        let result = json!({
            "protocolVersion": "2025-11-25", "capabilities": capabilities,
            "serverInfo": {"name": "scripted", "version": "1"},
        });
        server.answer(&initialize, result);
        server.notified("notifications/initialized").await;
        then(server).await;
    });
    client.unwrap()
}

impl Server {
    async fn next(&mut self) -> Message {
        self.heard.recv().await.expect("the client has gone")
    }

    /// The client's next message, which must be this request.
    pub(crate) async fn request(&mut self, method: &str) -> Request {
        match self.next().await {
            Message::Request(request) if &*request.method == method => request,
            other => panic!("{other:?} in place of `{method}`"),
        }
    }

    /// The client's next message, which must be this notification; gives its parameters.
    pub(crate) async fn notified(&mut self, method: &str) -> Value {
        match self.next().await {
            Message::Notification(notification) if &*notification.method == method => {
                serde_json::from_slice(&notification.params).unwrap()
            }
            other => panic!("{other:?} in place of `{method}`"),
        }
    }

    /// Whether the client has said nothing more.
    pub(crate) fn is_left_alone(&mut self) -> bool {
        self.heard.try_recv().is_err()
    }

    pub(crate) fn answer(&self, request: &Request, result: Value) {
        self.say(json!({"jsonrpc": "2.0", "id": request.id, "result": result}));
    }

    pub(crate) fn refuse(&self, request: &Request, code: i64) {
        let error = json!({"code": code, "message": "no"});
        self.say(json!({"jsonrpc": "2.0", "id": request.id, "error": error}));
    }

    pub(crate) fn notify(&self, method: &str, params: Value) {
        self.say(json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Sends a request to the client; gives the result or the error of its answer, which must be
    /// the client's next message.
    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> Result<Value, ErrorObject> {
        self.request_unanswered(method, params);
        match self.next().await {
            Message::Response(response) => {
                response.outcome.map(|result| serde_json::from_slice(&result).unwrap())
            }
            other => panic!("{other:?} in place of an answer to `{method}`"),
        }
    }

    /// Sends a request to the client and waits for nothing.
    pub(crate) fn request_unanswered(&self, method: &str, params: Value) {
        self.say(json!({"jsonrpc": "2.0", "id": method, "method": method, "params": params}));
    }

    fn say(&self, message: Value) {
        self.said.send(message.to_string()).expect("the connection is over");
    }

    /// Ends the connection.
    pub(crate) fn hang_up(self) {
        drop(self.said);
    }
}

/// The parameters of a request.
pub(crate) fn params(request: &Request) -> Value {
    serde_json::from_slice(&request.params).unwrap()
}
