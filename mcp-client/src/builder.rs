//! What to know before a client can be connected.

use std::{ffi::OsString, path::PathBuf, sync::Arc, time::Duration};

use mcp_protocol::{
    implementation::Implementation,
    jsonrpc::NotificationMessage,
    logging::{LoggingLevel, LoggingMessageParams},
};
#[cfg(feature = "websocket")]
use mcp_transport::websocket::WebSocketConfig;
use mcp_transport::{
    Connect, ConnectError, UrlConnect, http::HttpConfig, socket::SocketConfig, stdio::ChildCommand,
};

use crate::{
    Cache, Change, Client, ConnectFailure, Extension, InvalidOptions, Tasks, TraceContext,
    extension::Extensions,
    handlers::{Asker, Handlers, RootList},
    lifecycle::{self, MemoryVerdicts, VerdictStore},
    oauth::{AssertionSource, BearerSource, DeclaredGrant, OAuth},
    trace::TraceSource,
};

/// Which lifecycle to speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EraChoice {
    /// Find out.
    #[default]
    Auto,
    /// Revisions up to 2025-11-25: `initialize` first.
    Legacy,
    /// Revision 2026-07-28: every request stands alone.
    Modern,
}

/// Settings and callbacks of a client, independent of where it connects.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientOptions {
    /// What the client says it is.
    pub implementation: Implementation,
    /// Which lifecycle to speak.
    pub era: EraChoice,
    /// The limit for the whole opening: starting, detection, handshake.
    pub connect_timeout: Duration,
    /// How long one probe of the server's era may stay without an answer.
    pub probe_timeout: Duration,
    /// The longest silence during one call; `None` waits for ever.
    pub call_timeout: Option<Duration>,
    /// The shortest time between two looks at something that is watched and of which the server
    /// tells nothing by itself. What stays the same is looked at less and less often. `None` never
    /// looks.
    pub poll_interval: Option<Duration>,
    /// The longest time for answering what a server asks during one call, a person's time
    /// included; `None` waits for ever.
    pub input_timeout: Option<Duration>,
    /// Where lists and resources are kept for as long as their server says. By default each client
    /// has its own; [`Cache::off`] asks each time.
    pub cache: Cache,
    /// What is known of the eras of servers; in memory by default, for all clients with these
    /// options.
    pub verdicts: Arc<dyn VerdictStore>,
    /// The least grave log messages to ask servers for. Without it, modern servers send none and
    /// legacy ones what they like. [`Request::log_level`](crate::Request::log_level) says it for one
    /// call.
    pub log_level: Option<LoggingLevel>,
    pub(crate) handlers: Handlers,
    pub(crate) extensions: Extensions,
    pub(crate) trace: Option<TraceSource>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            implementation: Implementation::new("mcp-client", env!("CARGO_PKG_VERSION")),
            era: EraChoice::Auto,
            connect_timeout: Duration::from_secs(60),
            probe_timeout: Duration::from_secs(4),
            call_timeout: Some(Duration::from_secs(30)),
            poll_interval: Some(Duration::from_secs(30)),
            input_timeout: Some(Duration::from_secs(600)),
            cache: Cache::default(),
            verdicts: Arc::new(MemoryVerdicts::default()),
            log_level: None,
            handlers: Handlers::default(),
            extensions: Extensions::default(),
            trace: None,
        }
    }
}

impl ClientOptions {
    /// Whether the settings can work.
    pub(crate) fn check(&self) -> Result<(), InvalidOptions> {
        self.extensions.check()?;
        self.handlers.roots.as_ref().map_or(Ok(()), RootList::check)
    }

    /// Takes part in an extension of the protocol, and so declares it.
    pub fn extension(&mut self, extension: impl Extension) {
        self.extensions.add(Arc::new(extension));
    }

    /// Says to which trace the request belongs that is about to be sent. Runs inside the call: it
    /// must not block.
    pub fn trace(&mut self, source: impl Fn() -> Option<TraceContext> + Send + Sync + 'static) {
        self.trace = Some(TraceSource::new(source));
    }

    /// Hears the log messages of the server. Runs on the task that reads: it must not block.
    pub fn on_log(
        &mut self,
        handler: impl Fn(LoggingMessageParams, Asker) + Send + Sync + 'static,
    ) {
        self.handlers.log = Some(Arc::new(handler));
    }

    /// Hears of changes of the server's lists for as long as the connection lives; see
    /// [`Client::changes`]. Runs on a task of its own: while it takes its time, what changes
    /// meanwhile is gathered and told once.
    pub fn on_change(&mut self, handler: impl Fn(Change, Asker) + Send + Sync + 'static) {
        self.handlers.change = Some(Arc::new(handler));
    }

    /// Hears every other notification that belongs to no call, as it comes. Modern servers send
    /// none of changes unless somebody [watches](Client::watch).
    ///
    /// Runs on the task that reads: it must not block. A handler that does holds up the messages
    /// that belong to no call, and no calls. A bounded number of them waits (1,024 or 16 MiB over
    /// stdio, 64 over HTTP); beyond it the server is read no further over HTTP, and notifications
    /// are dropped over stdio.
    pub fn on_notification(
        &mut self,
        handler: impl Fn(NotificationMessage, Asker) + Send + Sync + 'static,
    ) {
        self.handlers.notification = Some(Arc::new(handler));
    }
}

/// Builds a [`Client`]. `R` is the recipe of the connection: a child process or a URL.
#[derive(Debug)]
#[must_use = "nothing happens before `connect`"]
pub struct ClientBuilder<R> {
    recipe: R,
    pub(crate) options: ClientOptions,
}

impl Client {
    /// A server that runs as a child process and speaks over its standard streams.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use mcp_client::Client;
    ///
    /// let git = Client::stdio("uvx").arg("mcp-server-git").connect().await?;
    /// for tool in git.list_tools().await?.items {
    ///     println!("{}", tool.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stdio(program: impl Into<String>) -> ClientBuilder<ChildCommand> {
        ClientBuilder::new(ChildCommand::new(program))
    }

    /// A server at a URL, over Streamable HTTP.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use mcp_client::Client;
    ///
    /// let web = Client::http("https://example.com/mcp").bearer("token").connect().await?;
    /// println!("{:?}", web.server().implementation);
    /// # Ok(())
    /// # }
    /// ```
    pub fn http(url: impl Into<String>) -> ClientBuilder<HttpConfig> {
        // The client has clocks of its own, which the caller sets and progress restarts.
        ClientBuilder::new(HttpConfig::new(url).first_byte_timeout(None))
    }

    /// A server at a `ws://` or `wss://` URL.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use mcp_client::Client;
    ///
    /// let live = Client::websocket("wss://example.com/mcp").bearer("token").connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "websocket")]
    pub fn websocket(url: impl AsRef<str>) -> ClientBuilder<WebSocketConfig> {
        ClientBuilder::new(WebSocketConfig::new(url))
    }

    /// A server that listens on a Unix socket and speaks lines.
    pub fn unix(path: impl Into<PathBuf>) -> ClientBuilder<SocketConfig> {
        ClientBuilder::new(SocketConfig::unix(path))
    }

    /// A server that listens on a TCP port and speaks lines, without encryption.
    pub fn tcp(host: impl Into<String>, port: u16) -> ClientBuilder<SocketConfig> {
        ClientBuilder::new(SocketConfig::tcp(host, port))
    }

    /// A server at a URL of any scheme: `https`, `http`, `wss`, `ws`, `unix`, `tcp` or `stdio`.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use mcp_client::Client;
    ///
    /// let notes = Client::from_url("unix:///run/notes.sock")?.connect().await?;
    /// let git = Client::from_url("stdio://uvx?arg=mcp-server-git")?.connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The URL cannot be used.
    pub fn from_url(url: impl AsRef<str>) -> Result<ClientBuilder<UrlConnect>, ConnectError> {
        let recipe = match UrlConnect::parse(url.as_ref())? {
            // As in `http`.
            UrlConnect::Http(config) => UrlConnect::Http(config.first_byte_timeout(None)),
            recipe => recipe,
        };
        Ok(ClientBuilder::new(recipe))
    }

    /// A server behind any transport.
    pub fn connect_with<R: Connect>(recipe: R) -> ClientBuilder<R> {
        ClientBuilder::new(recipe)
    }
}

impl ClientBuilder<ChildCommand> {
    /// Adds an argument, passed as it is; there is no shell.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.recipe = self.recipe.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.recipe = self.recipe.args(args);
        self
    }

    /// Sets a variable of the child's environment, which is otherwise a short safe list.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<OsString>) -> Self {
        self.recipe = self.recipe.env(name, value);
        self
    }

    /// The folder to start in.
    pub fn cwd(mut self, folder: impl Into<PathBuf>) -> Self {
        self.recipe = self.recipe.cwd(folder);
        self
    }
}

impl ClientBuilder<HttpConfig> {
    /// Sends a header with every request. Its value never appears in errors or logs.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.recipe = self.recipe.header(name, value);
        self
    }

    /// Sends `Authorization: Bearer …` with every request.
    pub fn bearer(mut self, token: impl Into<String>) -> Self {
        self.recipe = self.recipe.bearer(token);
        self
    }

    /// Sends a bearer token that someone else renews. The source is asked before the first request
    /// and whenever the server answers 401; a request is repeated once it gives another token.
    /// Takes the place of [`auth`](Self::auth).
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use mcp_client::{Client, oauth::AssertionSource};
    ///
    /// let token = AssertionSource::file("/run/vault/mcp-token");
    /// let server = Client::http("https://mcp.example/mcp").bearer_from(token).connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn bearer_from(mut self, source: AssertionSource) -> Self {
        // A URL that is none is refused by `connect`, with its own error.
        if let Ok(bearer) = BearerSource::new(self.recipe.url(), source) {
            self.recipe = self.recipe.authorize(Arc::new(bearer));
        }
        self
    }

    /// Sends a name and a password with every request (RFC 7617).
    pub fn basic(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.recipe = self.recipe.basic(user, password);
        self
    }

    /// Gets access by OAuth when the server wants it, and renews it. Grants that are extensions of
    /// the protocol are declared.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use mcp_client::{Client, oauth::OAuth};
    ///
    /// let mail = Client::http("https://mail.example/mcp").auth(OAuth::browser()).connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn auth(mut self, oauth: OAuth) -> Self {
        // A URL that is none is refused by `connect`, with its own error.
        if let Some(id) = oauth.extension() {
            self.options.extension(DeclaredGrant(id));
        }
        if let Ok(authorizer) = oauth.at(self.recipe.url()) {
            self.recipe = self.recipe.authorize(Arc::new(authorizer));
        }
        self
    }
}

#[cfg(feature = "websocket")]
impl ClientBuilder<WebSocketConfig> {
    /// Sends a header with the handshake. Its value never appears in errors or logs.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.recipe = self.recipe.header(name, value);
        self
    }

    /// Sends `Authorization: Bearer …` with the handshake.
    pub fn bearer(mut self, token: impl Into<String>) -> Self {
        self.recipe = self.recipe.bearer(token);
        self
    }
}

impl<R: Connect> ClientBuilder<R> {
    fn new(recipe: R) -> Self {
        Self { recipe, options: ClientOptions::default() }
    }

    /// Changes the recipe of the connection, for settings that have no method here.
    pub fn configure(mut self, change: impl FnOnce(R) -> R) -> Self {
        self.recipe = change(self.recipe);
        self
    }

    /// Replaces all settings and callbacks.
    pub fn options(mut self, options: ClientOptions) -> Self {
        self.options = options;
        self
    }

    /// What the client says it is.
    pub fn name(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.options.implementation = Implementation::new(name, version);
        self
    }

    /// Which lifecycle to speak; found out by default.
    pub fn era(mut self, era: EraChoice) -> Self {
        self.options.era = era;
        self
    }

    /// The limit for the whole opening; 60 s by default.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.options.connect_timeout = limit;
        self
    }

    /// The longest silence during one call; 30 s by default, `None` waits for ever.
    pub fn call_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.options.call_timeout = limit.into();
        self
    }

    /// Takes part in an extension of the protocol, and so declares it. None is on by default.
    pub fn extension(mut self, extension: impl Extension) -> Self {
        self.options.extension(extension);
        self
    }

    /// Lets servers answer tool calls with tasks, which are followed to their end: the extension
    /// `io.modelcontextprotocol/tasks`.
    pub fn tasks(self) -> Self {
        self.extension(Tasks)
    }

    /// Says to which trace each request belongs; see [`ClientOptions::trace`].
    pub fn trace(
        mut self,
        source: impl Fn() -> Option<TraceContext> + Send + Sync + 'static,
    ) -> Self {
        self.options.trace(source);
        self
    }

    /// The least grave log messages to ask servers for; see [`ClientOptions::log_level`].
    pub fn log_level(mut self, level: LoggingLevel) -> Self {
        self.options.log_level = Some(level);
        self
    }

    /// Hears the server's log messages; see [`ClientOptions::on_log`].
    pub fn on_log(
        mut self,
        handler: impl Fn(LoggingMessageParams, Asker) + Send + Sync + 'static,
    ) -> Self {
        self.options.on_log(handler);
        self
    }

    /// Hears of changes of the server's lists; see [`ClientOptions::on_change`].
    pub fn on_change(mut self, handler: impl Fn(Change, Asker) + Send + Sync + 'static) -> Self {
        self.options.on_change(handler);
        self
    }

    /// Hears other notifications; see [`ClientOptions::on_notification`].
    pub fn on_notification(
        mut self,
        handler: impl Fn(NotificationMessage, Asker) + Send + Sync + 'static,
    ) -> Self {
        self.options.on_notification(handler);
        self
    }

    /// Opens the connection, finds out the server's era and shakes hands.
    ///
    /// # Errors
    /// The program or host cannot be reached, does not speak MCP, or speaks no common revision.
    ///
    /// # Cancel safety
    /// Dropping the future ends what was started.
    pub async fn connect(self) -> Result<Client, ConnectFailure> {
        lifecycle::open(Arc::new(self.recipe), self.options).await
    }
}
