//! A server in this process whose part the test itself plays.

#![expect(clippy::missing_panics_doc, reason = "said once, at the type")]
#![expect(clippy::needless_pass_by_value, reason = "so that tests can write `json!` in place")]

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use mcp_protocol::jsonrpc::{ErrorObject, Message, Request};
use mcp_transport::memory::{MemoryConnect, MemoryPeer};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{Client, ClientBuilder, EraChoice};

/// The server's end of one connection, in the hands of the test: it waits for a certain message and
/// says what comes next, so that the order of events is the test's.
///
/// # Panics
/// Every method panics, which fails the test, when the client sends something else or is gone.
///
/// ```
/// use std::future::IntoFuture;
///
/// use mcp_client::testing::PlayedServer;
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (client, mut server) = PlayedServer::legacy(json!({"tools": {}})).await;
/// let (result, ()) = tokio::join!(client.call_tool("add", json!({"a": 1})).into_future(), async {
///     let call = server.request("tools/call").await;
///     assert_eq!(PlayedServer::params(&call)["arguments"], json!({"a": 1}));
///     server.notify("notifications/message", json!({"level": "info", "data": "adding"}));
///     server.answer(&call, json!({"content": [{"type": "text", "text": "1"}]}));
/// });
/// assert_eq!(result?.joined_text(), "1");
/// # Ok(())
/// # }
/// ```
pub struct PlayedServer {
    heard: mpsc::UnboundedReceiver<Message>,
    said: mpsc::UnboundedSender<String>,
}

const CONNECTS: &str = "the client connects";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
const JSON: &str = "parameters and results are JSON";

impl PlayedServer {
    /// A client that is to be connected, once, and its server.
    pub fn new(era: EraChoice) -> (ClientBuilder<MemoryConnect>, Self) {
        let (to_test, heard) = mpsc::unbounded_channel();
        let (said, from_test) = mpsc::unbounded_channel();
        let ends = Mutex::new(Some((to_test, from_test)));
        let recipe = MemoryConnect::new(move |peer| {
            let ends = ends.lock().unwrap_or_else(PoisonError::into_inner).take();
            async move {
                let (to_test, from_test) = ends.expect("it is connected to once");
                relay(peer, to_test, from_test).await;
            }
        });
        (Client::connect_with(recipe).era(era), Self { heard, said })
    }

    /// Connects to a modern server with these capabilities.
    pub async fn modern(capabilities: Value) -> (Client, Self) {
        let (client, server) = Self::new(EraChoice::Modern);
        Self::connect_modern(client, server, capabilities).await
    }

    /// As [`modern`](Self::modern), with settings.
    pub async fn connect_modern(
        client: ClientBuilder<MemoryConnect>,
        mut server: Self,
        capabilities: Value,
    ) -> (Client, Self) {
        let (client, ()) = tokio::join!(client.connect(), async {
            let discover = server.request("server/discover").await;
            let result = json!({
                "supportedVersions": ["2026-07-28"], "capabilities": capabilities,
                "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
            });
            server.answer(&discover, result);
        });
        (client.expect(CONNECTS), server)
    }

    /// Connects to a legacy server with these capabilities.
    pub async fn legacy(capabilities: Value) -> (Client, Self) {
        let (client, mut server) = Self::new(EraChoice::Legacy);
        let client = Self::connect_legacy(client, &mut server, capabilities, async |_| {}).await;
        (client, server)
    }

    /// As [`legacy`](Self::legacy), with settings, and with more to do before the client is ready.
    pub async fn connect_legacy(
        client: ClientBuilder<MemoryConnect>,
        server: &mut Self,
        capabilities: Value,
        then: impl AsyncFnOnce(&mut Self),
    ) -> Client {
        let (client, ()) = tokio::join!(client.connect(), async {
            let initialize = server.request("initialize").await;
            let result = json!({
                "protocolVersion": "2025-11-25", "capabilities": capabilities,
                "serverInfo": {"name": "played", "version": "1"},
            });
            server.answer(&initialize, result);
            server.notified("notifications/initialized").await;
            then(server).await;
        });
        client.expect(CONNECTS)
    }

    async fn next(&mut self) -> Message {
        self.heard.recv().await.expect("the client has gone")
    }

    /// The client's next message, which must be this request.
    pub async fn request(&mut self, method: &str) -> Request {
        match self.next().await {
            Message::Request(request) if &*request.method == method => request,
            other => panic!("{other:?} in place of `{method}`"),
        }
    }

    /// The client's next message, which must be this notification; gives its parameters.
    pub async fn notified(&mut self, method: &str) -> Value {
        match self.next().await {
            Message::Notification(notification) if &*notification.method == method => {
                serde_json::from_slice(&notification.params).expect(JSON)
            }
            other => panic!("{other:?} in place of `{method}`"),
        }
    }

    /// Whether the client has said nothing more.
    pub fn is_left_alone(&mut self) -> bool {
        self.heard.try_recv().is_err()
    }

    /// Answers with a result.
    pub fn answer(&self, request: &Request, result: Value) {
        self.say(json!({"jsonrpc": "2.0", "id": request.id, "result": result}));
    }

    /// Answers with an error of this code.
    pub fn refuse(&self, request: &Request, code: i64) {
        let error = json!({"code": code, "message": "no"});
        self.say(json!({"jsonrpc": "2.0", "id": request.id, "error": error}));
    }

    /// Sends a notification.
    pub fn notify(&self, method: &str, params: Value) {
        self.say(json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Grants these kinds of a `subscriptions/listen` request, as in its own `notifications`.
    pub fn acknowledge(&self, listen: &Request, granted: &Value) {
        let params = json!({"_meta": {SUBSCRIPTION: listen.id}, "notifications": granted});
        self.notify("notifications/subscriptions/acknowledged", params);
    }

    /// Grants all that a `subscriptions/listen` request asks for.
    pub fn acknowledge_all(&self, listen: &Request) {
        self.acknowledge(listen, &Self::params(listen)["notifications"]);
    }

    /// Tells a subscription that a list has changed: `tools`, `resources` or `prompts`.
    pub fn tell_changed(&self, listen: &Request, list: &str) {
        let method = format!("notifications/{list}/list_changed");
        self.notify(&method, json!({"_meta": {SUBSCRIPTION: listen.id}}));
    }

    /// Tells a subscription that a resource has changed.
    pub fn tell_updated(&self, listen: &Request, uri: &str) {
        let params = json!({"_meta": {SUBSCRIPTION: listen.id}, "uri": uri});
        self.notify("notifications/resources/updated", params);
    }

    /// Sends a request to the client; gives the result or the error of its answer, which must be
    /// the client's next message.
    pub async fn ask(&mut self, method: &str, params: Value) -> Result<Value, ErrorObject> {
        self.request_unanswered(method, params);
        match self.next().await {
            Message::Response(response) => {
                response.outcome.map(|result| serde_json::from_slice(&result).expect(JSON))
            }
            other => panic!("{other:?} in place of an answer to `{method}`"),
        }
    }

    /// Sends a request to the client and waits for nothing.
    pub fn request_unanswered(&self, method: &str, params: Value) {
        self.say(json!({"jsonrpc": "2.0", "id": method, "method": method, "params": params}));
    }

    fn say(&self, message: Value) {
        self.said.send(message.to_string()).expect("the connection is over");
    }

    /// Ends the connection.
    pub fn hang_up(self) {
        drop(self.said);
    }

    /// The parameters of a request.
    pub fn params(request: &Request) -> Value {
        serde_json::from_slice(&request.params).expect(JSON)
    }
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

impl fmt::Debug for PlayedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlayedServer").finish_non_exhaustive()
    }
}
