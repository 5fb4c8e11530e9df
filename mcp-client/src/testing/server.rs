//! A server in this process that a test scripts.

use std::{
    fmt,
    future::pending,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use mcp_protocol::{
    jsonrpc::{Message, RequestId},
    prompts::Prompt,
    resources::{Resource, ResourceContents},
    tools::Tool,
    version::{Era, ProtocolVersion},
};
use mcp_transport::{
    memory::MemoryConnect,
    serve::{self, HttpServeConfig},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{broadcast, watch},
    task::JoinSet,
};

use super::{
    Answer, Heard,
    conversation::{self, Lines},
    script::Script,
    service::ScriptedService,
};
use crate::{Client, ClientBuilder};

/// How many unasked messages may wait for one client.
const UNASKED: usize = 256;

/// An MCP server that does what a test says: tools, resources and prompts that answer as told, and
/// for everything else rules, which come before them and can delay, refuse, fall silent or end the
/// connection.
///
/// It speaks every revision, in the test's own process or for others over HTTP, standard streams or
/// any byte stream. Cloning gives another handle to the same server.
///
/// ```
/// use mcp_client::{
///     protocol::tools::Tool,
///     testing::{Answer, TestServer},
/// };
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = TestServer::new()
///     .tool(Tool::new("greet", json!({"type": "object"})), |arguments| {
///         format!("Hello, {}!", arguments["name"].as_str().unwrap_or("you")).into()
///     })
///     .once("tools/call", Answer::error(-32603, "the database is away"));
///
/// let client = server.client().connect().await?;
/// let first = client.call_tool("greet", json!({"name": "Ada"})).await;
/// assert!(first.is_err());
/// let second = client.call_tool("greet", json!({"name": "Ada"})).await?;
/// assert_eq!(second.joined_text(), "Hello, Ada!");
/// assert_eq!(server.heard().params("tools/call").len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TestServer(Arc<Shared>);

pub(super) struct Shared {
    script: Mutex<Script>,
    pub(super) heard: Heard,
    /// What is said to every client unasked.
    unasked: broadcast::Sender<String>,
    /// Whether the script ended a server over HTTP.
    pub(super) ended: watch::Sender<bool>,
}

impl Default for TestServer {
    fn default() -> Self {
        Self::new()
    }
}

impl TestServer {
    /// A server that offers nothing and speaks every revision.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            script: Mutex::new(Script::new()),
            heard: Heard::default(),
            unasked: broadcast::Sender::new(UNASKED),
            ended: watch::Sender::new(false),
        }))
    }

    /// A server that is all script: called with every method and its parameters, it says what
    /// happens. [`Answer::Usual`] leaves it to the server.
    pub fn scripted(script: impl FnMut(&str, &Value) -> Answer + Send + 'static) -> Self {
        Self::new().rule(script)
    }

    fn set(self, change: impl FnOnce(&mut Script)) -> Self {
        change(&mut self.0.script.lock().unwrap_or_else(PoisonError::into_inner));
        self
    }

    /// Speaks only the revisions of one era.
    #[must_use]
    pub fn only(self, era: Era) -> Self {
        self.set(|script| script.versions.retain(|version| version.era() == era))
    }

    /// Speaks these revisions, the best first.
    #[must_use]
    pub fn versions(self, versions: impl IntoIterator<Item = ProtocolVersion>) -> Self {
        self.set(|script| script.versions = versions.into_iter().collect())
    }

    /// Declares these capabilities, in place of those that follow from what it offers.
    #[must_use]
    pub fn capabilities(self, capabilities: impl Into<Value>) -> Self {
        self.set(|script| script.capabilities = Some(capabilities.into()))
    }

    /// Tells how to use it.
    #[must_use]
    pub fn instructions(self, instructions: impl Into<String>) -> Self {
        self.set(|script| script.instructions = Some(instructions.into()))
    }

    /// Offers a tool. The handler gets the arguments, `null` when there are none; a text is a
    /// result of one text.
    #[must_use]
    pub fn tool(self, tool: Tool, call: impl FnMut(&Value) -> Answer + Send + 'static) -> Self {
        self.set(|script| script.tools.push((tool, Box::new(call))))
    }

    /// Offers a resource.
    #[must_use]
    pub fn resource(self, resource: Resource, contents: ResourceContents) -> Self {
        self.set(|script| script.resources.push((resource, contents)))
    }

    /// Offers a prompt. The handler gets the arguments, `null` when there are none.
    #[must_use]
    pub fn prompt(
        self,
        prompt: Prompt,
        get: impl FnMut(&Value) -> Answer + Send + 'static,
    ) -> Self {
        self.set(|script| script.prompts.push((prompt, Box::new(get))))
    }

    /// Answers a method by this rule, which gets the parameters. Rules come before everything that
    /// the server does by itself, the latest first.
    #[must_use]
    pub fn on(
        self,
        method: &'static str,
        mut rule: impl FnMut(&Value) -> Answer + Send + 'static,
    ) -> Self {
        self.rule(move |name, params| if name == method { rule(params) } else { Answer::Usual })
    }

    /// Answers the next request with this method so, and only that one.
    #[must_use]
    pub fn once(self, method: &'static str, answer: Answer) -> Self {
        let mut answer = Some(answer);
        self.on(method, move |_| answer.take().unwrap_or(Answer::Usual))
    }

    fn rule(self, rule: impl FnMut(&str, &Value) -> Answer + Send + 'static) -> Self {
        self.set(|script| script.rules.push(Box::new(rule)))
    }

    /// What clients sent so far.
    pub fn heard(&self) -> &Heard {
        &self.0.heard
    }

    /// Tells every connected client something unasked, over memory and byte streams. Clients of the
    /// modern era take only what belongs to one of their requests.
    pub fn notify(&self, method: &str, params: impl Into<Value>) {
        let params: Value = params.into();
        // Without a listener nobody is connected.
        let _ = self
            .0
            .unasked
            .send(json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string());
    }

    /// A client that is to be connected to it, in memory.
    pub fn client(&self) -> ClientBuilder<MemoryConnect> {
        Client::connect_with(self.recipe())
    }

    /// How to connect to it in memory.
    pub fn recipe(&self) -> MemoryConnect {
        let server = self.clone();
        MemoryConnect::new(move |mut peer| {
            let server = server.clone();
            async move { conversation::hold(&server.0, &mut peer).await }
        })
    }

    /// How to connect to it in memory, and what it hears.
    pub fn parts(&self) -> (MemoryConnect, Heard) {
        (self.recipe(), self.0.heard.clone())
    }

    /// Serves over Streamable HTTP on a free port of this machine, until the value is dropped.
    ///
    /// ```
    /// use mcp_client::{Client, testing::TestServer};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = TestServer::new().instructions("Be brief.").http().await?;
    /// let client = Client::http(server.url()).connect().await?;
    /// assert_eq!(client.server().instructions.as_deref(), Some("Be brief."));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// No port can be had.
    pub async fn http(&self) -> io::Result<HttpTestServer> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/mcp", listener.local_addr()?);
        let service = Arc::new(ScriptedService(Arc::clone(&self.0)));
        let mut ended = self.0.ended.subscribe();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let serving = serve::http(listener, service, HttpServeConfig::new(), pending());
            tokio::select! {
                outcome = serving => {
                    if let Err(error) = outcome {
                        tracing::warn!(%error, "a test server ended");
                    }
                }
                // The sender lives as long as the service.
                _ = ended.wait_for(|ended| *ended) => {}
            }
        });
        Ok(HttpTestServer { url, _tasks: tasks })
    }

    /// Serves over a byte stream, one message per line, until the input or the script ends.
    ///
    /// # Errors
    /// Input or output failed.
    pub async fn lines(
        &self,
        input: impl AsyncRead + Unpin + Send,
        output: impl AsyncWrite + Unpin + Send,
    ) -> io::Result<()> {
        let mut lines = Lines::new(input, output);
        conversation::hold(&self.0, &mut lines).await;
        lines.outcome()
    }

    /// Serves over this process's standard streams: the whole of a program that stands for a
    /// server.
    ///
    /// ```no_run
    /// use mcp_client::{protocol::tools::Tool, testing::TestServer};
    /// use serde_json::json;
    ///
    /// #[tokio::main(flavor = "current_thread")]
    /// async fn main() -> std::io::Result<()> {
    ///     let echo = Tool::new("echo", json!({"type": "object"}));
    ///     TestServer::new().tool(echo, |arguments| arguments.to_string().into()).stdio().await
    /// }
    /// ```
    ///
    /// # Errors
    /// Input or output failed.
    pub async fn stdio(&self) -> io::Result<()> {
        self.lines(tokio::io::stdin(), tokio::io::stdout()).await
    }
}

impl Shared {
    /// What is said unasked from now on.
    pub(super) fn unasked(&self) -> broadcast::Receiver<String> {
        self.unasked.subscribe()
    }

    /// Notes a message, and asks the script about it. The answer to a notification has no id.
    pub(super) fn take(&self, message: Message) -> Option<(Option<RequestId>, Answer)> {
        let (id, method, params) = match message {
            Message::Request(request) => (Some(request.id), request.method, request.params),
            Message::Notification(note) => (None, note.method, note.params),
            Message::Response(response) => {
                self.heard.answered(match response.outcome {
                    Ok(result) => serde_json::from_slice(&result).unwrap_or_default(),
                    Err(error) => json!(error),
                });
                return None;
            }
        };
        let params: Value = serde_json::from_slice(&params).unwrap_or_default();
        let answer = {
            let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
            script.answer(&method, &params)
        };
        // Heard once the script has spoken, so that who waits for it finds the script's traces.
        self.heard.said(&method, &params);
        Some((id, answer))
    }
}

impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServer").field("heard", &self.0.heard).finish_non_exhaustive()
    }
}

/// A [`TestServer`] that is being served over HTTP. It ends with the value.
#[derive(Debug)]
pub struct HttpTestServer {
    url: String,
    _tasks: JoinSet<()>,
}

impl HttpTestServer {
    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }
}
