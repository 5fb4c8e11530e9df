//! The handle that everything is called on.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mcp_protocol::{
    capabilities::ServerCapabilities,
    discover::Discover,
    implementation::Implementation,
    initialize::Ping,
    method::Method,
    param_headers::ParamHeaders,
    tools::{TaskSupport, Tool},
    version::{Era, ProtocolVersion},
};
use mcp_transport::Unsolicited;
use tokio::{sync::watch, task::AbortHandle, time::Instant};

use crate::{Asker, CallError, ClientOptions, link::Link, request::Request};

/// A connection to one server. Cloning is cheap and gives another handle to the same connection;
/// the last one dropped ends it, a child process included.
///
/// Calls are builders that are awaited, so that an option never needs another method:
///
/// ```no_run
/// # async fn example(client: mcp_client::Client) -> Result<(), mcp_client::CallError> {
/// use std::time::Duration;
///
/// let result = client
///     .call_tool("build", serde_json::json!({"target": "release"}))
///     .timeout(Duration::from_secs(300))
///     .on_progress(|progress| println!("{}", progress.progress))
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) link: Arc<Link>,
    pub(crate) info: ServerInfo,
    pub(crate) call_timeout: Option<Duration>,
    /// Which arguments of which tools are mirrored as headers, learnt from the last listing.
    pub(crate) param_headers: Mutex<BTreeMap<String, Arc<ParamHeaders>>>,
    /// Which tools of a legacy server run as tasks; `None` until they were listed.
    task_support: Mutex<Option<BTreeMap<String, TaskSupport>>>,
    #[cfg(feature = "schema")]
    pub(crate) tool_schemas: crate::schema::ToolSchemas,
    listener: Option<AbortHandle>,
    /// Whether the connection is known to be over.
    ended: Arc<watch::Sender<bool>>,
}

/// What a server is, as it told when the connection was made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerInfo {
    /// Which lifecycle is spoken.
    pub era: Era,
    /// Which revision is spoken.
    pub protocol_version: ProtocolVersion,
    /// What the server says it is. Unverified.
    pub implementation: Option<Implementation>,
    /// What it offers.
    pub capabilities: ServerCapabilities,
    /// How to use it, for a model. Untrusted text.
    pub instructions: Option<String>,
}

impl Client {
    pub(crate) fn new(
        link: Arc<Link>,
        info: ServerInfo,
        options: &ClientOptions,
        unsolicited: Option<Unsolicited>,
    ) -> Self {
        link.watchers.offer(info.capabilities.clone());
        let ended = Arc::new(watch::Sender::new(false));
        let over = Arc::clone(&ended);
        let listener = unsolicited.map(|mut unsolicited| {
            // The task must not keep the connection alive.
            let weak = Arc::downgrade(&link);
            #[expect(clippy::disallowed_methods, reason = "aborted when the client is dropped")]
            let task = tokio::spawn(async move {
                while let Some(message) = unsolicited.next().await {
                    let Some(link) = weak.upgrade() else { return };
                    link.on_unsolicited(message);
                }
                if let Some(link) = weak.upgrade()
                    && link.transport.is_closed()
                {
                    link.watchers.close();
                    over.send_replace(true);
                }
            });
            task.abort_handle()
        });
        let client = Self(Arc::new(Shared {
            link,
            info,
            call_timeout: options.call_timeout,
            param_headers: Mutex::default(),
            task_support: Mutex::default(),
            #[cfg(feature = "schema")]
            tool_schemas: crate::schema::ToolSchemas::default(),
            listener,
            ended,
        }));
        client.tell_of_changes();
        client
    }

    /// Begins to listen, if there is a callback for changes.
    fn tell_of_changes(&self) {
        let link = self.link();
        let Some(handler) = link.handlers.change.clone() else { return };
        let mut changes = self.changes();
        let asker = Asker { endpoint: Arc::clone(&link.endpoint) };
        link.keep(async move {
            while let Some(change) = changes.next().await {
                handler(change, asker.clone());
            }
        });
    }

    /// What the server is.
    pub fn server(&self) -> &ServerInfo {
        &self.0.info
    }

    /// Where the connection leads: a command line or a URL, without secrets.
    pub fn endpoint(&self) -> &str {
        &self.0.link.endpoint
    }

    /// Calls any method, such as one of an extension.
    ///
    /// # Errors
    /// See [`CallError`]; its methods tell what to do about it.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the call and the server is told, by `notifications/cancelled`
    /// or by the end of the HTTP exchange.
    pub fn request<M: Method>(&self, params: M::Params) -> Request<'_, M> {
        Request::new(self, params)
    }

    /// Asks for a sign of life and returns how long it took: `ping`, or `server/discover` where
    /// the revision has no ping.
    ///
    /// # Errors
    /// There was none.
    pub async fn ping(&self) -> Result<Duration, CallError> {
        let started = Instant::now();
        match self.0.info.era {
            Era::Legacy => drop(self.request::<Ping>(()).await?),
            Era::Modern => drop(self.request::<Discover>(()).await?),
        }
        Ok(started.elapsed())
    }

    /// Whether the server is gone or the connection was closed.
    pub fn is_closed(&self) -> bool {
        self.0.link.transport.is_closed()
    }

    /// Waits until the connection is over. Streamable HTTP has none that could be lost on its own;
    /// there only [`close`](Self::close) ends the wait.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn closed(&self) {
        let mut ended = self.0.ended.subscribe();
        if !self.is_closed() {
            // The sender lives as long as this client.
            let _ = ended.wait_for(|ended| *ended).await;
        }
    }

    /// For how long, since the connection was made, at least one question of the server waited for
    /// a person. Whoever measures a call can take that time off.
    pub fn time_asking(&self) -> Duration {
        self.0.link.beside.asking.time(Instant::now())
    }

    /// The last lines that a child process wrote to its standard error, at most 50; empty for
    /// other transports.
    pub fn stderr_tail(&self) -> Vec<String> {
        self.0.link.transport.stderr_tail()
    }

    /// Ends the connection in order; every wait inside is bounded. Calls in flight fail.
    pub async fn close(&self) {
        // Subscriptions end in the way of the binding while there still is a connection.
        self.0.link.watchers.close();
        self.0.link.transport.close().await;
        self.0.link.abort_tasks();
        self.0.ended.send_replace(true);
    }

    /// Whether this is a handle to the same connection.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.0.link
    }

    pub(crate) fn param_headers(&self, tool: &str) -> Option<Arc<ParamHeaders>> {
        let plans = self.0.param_headers.lock().unwrap_or_else(PoisonError::into_inner);
        plans.get(tool).cloned()
    }

    /// Whether tools were listed, so that [`task_support`](Self::task_support) knows them.
    pub(crate) fn knows_task_support(&self) -> bool {
        self.0.task_support.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Whether a tool runs as a task.
    pub(crate) fn task_support(&self, tool: &str) -> TaskSupport {
        let known = self.0.task_support.lock().unwrap_or_else(PoisonError::into_inner);
        let support = known.as_ref().and_then(|known| known.get(tool));
        support.cloned().unwrap_or(TaskSupport::Forbidden)
    }

    pub(crate) fn learn_task_support(&self, tools: &[Tool]) {
        let mut known = self.0.task_support.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_default();
        for tool in tools {
            match tool.execution.as_ref().and_then(|execution| execution.task_support.clone()) {
                Some(support) => drop(known.insert(tool.name.clone(), support)),
                None => drop(known.remove(&tool.name)),
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
        self.link.watchers.close();
        // Answers in the making hold the link, and with it the transport.
        self.link.abort_tasks();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.endpoint())
            .field("version", &self.0.info.protocol_version.as_str())
            .finish_non_exhaustive()
    }
}
