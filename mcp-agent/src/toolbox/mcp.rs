//! The tools of MCP servers.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::future;
use mcp_client::{
    Availability, CatalogLists, Client, Hub, Listing, Server,
    config::{ServerConfig, ToolApproval},
};
use mcp_protocol::tools::Tool;
use serde_json::Value;

use super::{
    IDEMPOTENCY_KEY, PreparedCall, ProgressSink, ToolError, ToolFacts, ToolOutput, ToolSnapshot,
    Toolset, names, results,
};
use crate::{
    caller::{Call, CallError, Caller as _, ServerCaller, ToolHints},
    model::{BoxFuture, ToolDefinition},
    stack::{Stack, StackOptions, StackReport},
};

/// The tools of MCP servers, under names that tell the servers apart.
///
/// ```no_run
/// use mcp_agent::toolbox::{McpToolset, Toolset};
/// use mcp_client::Client;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let time = Client::stdio("uvx").arg("mcp-server-time").connect().await?;
/// let tools = McpToolset::of_clients([("time".to_owned(), time)]).await;
/// assert!(tools.snapshot().get("mcp__time__get_current_time").is_some());
/// # Ok(())
/// # }
/// ```
pub struct McpToolset {
    servers: Servers,
    stack: Stack,
    /// What its calls belong to.
    affinity: Arc<str>,
    listed: RwLock<Arc<Listed>>,
}

/// How many toolsets there were.
static COUNT: AtomicU64 = AtomicU64::new(0);

enum Servers {
    Hub(Hub),
    /// Of several hubs, each under its name.
    #[cfg(feature = "service")]
    Several(Vec<Server>),
    Clients(Vec<(String, Client)>),
}

/// What the servers offered when they were asked last.
#[derive(Default)]
pub(super) struct Listed {
    /// That of the hub's catalogs.
    generation: u64,
    snapshot: Arc<ToolSnapshot>,
    routes: BTreeMap<String, McpTool>,
    problems: Vec<ToolsProblem>,
}

/// A tool of a server.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct McpTool {
    /// The server, as configured.
    pub server: String,
    /// As the server describes it. Untrusted.
    pub tool: Tool,
}

/// Tools that a server has, or should have, but that are not offered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolsProblem {
    /// The server, as configured.
    pub server: String,
    /// The tool, where it is one tool that is left out.
    pub tool: Option<String>,
    /// Why.
    pub reason: String,
}

/// What one server said that it offers.
struct Offer {
    server: String,
    listing: Result<Arc<Listing<Tool>>, String>,
    /// Which tools, and under what names; all under ours when `None`.
    config: Option<Arc<ServerConfig>>,
}

impl McpToolset {
    /// The tools of all servers of a hub, as their configuration offers them. Waits until each is
    /// ready or down. One that is down is reported in [`problems`](Self::problems).
    ///
    /// Later snapshots show what the servers offer then. The tools of a server that goes down stay
    /// as they were, so that a model's view does not change with every fault; calling them gives
    /// [`ToolError::Unavailable`]. A call waits for a server that is being started again.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing; the servers go on starting.
    pub async fn of_hub(hub: Hub) -> Self {
        hub.keep_catalogs(CatalogLists::TOOLS);
        hub.listed().await;
        let toolset = Self::of(Servers::Hub(hub));
        toolset.follow();
        toolset
    }

    /// The tools of these servers, whatever hub each is of, as far as their lists are kept.
    #[cfg(feature = "service")]
    pub(crate) fn of_servers(servers: Vec<Server>, stack: Stack) -> Self {
        let toolset = Self::of(Servers::Several(servers)).through(stack);
        toolset.follow();
        toolset
    }

    /// The tools of these servers, each with the name that the model shall know it by.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the listing.
    pub async fn of_clients(clients: impl IntoIterator<Item = (String, Client)>) -> Self {
        let servers = Servers::Clients(clients.into_iter().collect());
        let toolset = Self::of(servers);
        toolset.refresh().await;
        toolset
    }

    fn of(servers: Servers) -> Self {
        let stack = Stack::new(servers.caller(), &StackOptions::default());
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let affinity = format!("toolset {number} of process {}", std::process::id()).into();
        Self { servers, stack, affinity, listed: RwLock::default() }
    }

    /// What the calls belong to: a server that keeps a state between calls gets those of one key at
    /// the same replica. By default all calls of this toolset belong together.
    #[must_use]
    pub fn belonging_to(mut self, key: impl Into<Arc<str>>) -> Self {
        self.affinity = key.into();
        self
    }

    /// Calls the servers through these layers, in the place of the default ones.
    ///
    /// ```no_run
    /// # async fn example(hub: mcp_client::Hub) {
    /// use mcp_agent::{layers::RetryRules, stack::StackOptions, toolbox::McpToolset};
    ///
    /// let options = StackOptions::default().retry(RetryRules::default());
    /// let tools = McpToolset::of_hub(hub).await.layers(&options);
    /// println!("{:?}", tools.report());
    /// # }
    /// ```
    #[must_use]
    pub fn layers(mut self, options: &StackOptions) -> Self {
        self.stack = Stack::new(self.servers.caller(), options);
        self
    }

    /// Calls the servers through layers that others use as well, so that all together keep to their
    /// limits. They must lead to the same servers.
    #[must_use]
    pub fn through(mut self, stack: Stack) -> Self {
        self.stack = stack;
        self
    }

    /// The layers that calls go through, to call resources and prompts by the same way.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// What the layers did and do.
    pub fn report(&self) -> StackReport {
        self.stack.report()
    }

    /// Asks all servers for their tools again, side by side. Returns whether anything changed.
    /// Snapshots that were taken before stay as they are.
    pub async fn refresh(&self) -> bool {
        if let Servers::Clients(clients) = &self.servers {
            return self.replace(ask(clients).await, 0);
        }
        let before = self.snapshot().generation;
        let servers: Vec<_> = self
            .servers
            .servers()
            .into_iter()
            .filter(|server| server.status().state.client().is_some())
            .collect();
        let lists = servers.iter().map(|one| one.refresh_catalog(CatalogLists::TOOLS));
        for (server, list) in servers.iter().zip(future::join_all(lists).await) {
            if let Err(error) = list {
                tracing::debug!(server = server.name(), %error, "its tools are kept");
            }
        }
        self.snapshot().generation != before
    }

    /// Takes in what the hub knows, if it knows anything new.
    fn follow(&self) {
        let Some(generation) = self.servers.generation() else { return };
        if self.listed().generation == generation {
            return;
        }
        let offers = self.servers.servers().into_iter().map(|server| {
            let tools = server.catalog().tools;
            let listing = match tools.fault {
                Some(fault) if tools.told.is_none() => Err(fault.to_string()),
                _ => Ok(tools.listing),
            };
            let config = server.config();
            Offer { server: server.name().to_owned(), listing, config }
        });
        self.replace(offers.collect(), generation);
    }

    fn replace(&self, offers: Vec<Offer>, generation: u64) -> bool {
        let mut problems = Vec::new();
        let mut tools = Vec::new();
        for Offer { server, listing, config } in offers {
            let problem = |tool, reason| ToolsProblem { server: server.clone(), tool, reason };
            let listing = match listing {
                Ok(listing) => listing,
                Err(reason) => {
                    problems.push(problem(None, reason));
                    continue;
                }
            };
            let skipped = listing.skipped.iter();
            problems.extend(skipped.map(|item| problem(item.name.clone(), item.error.clone())));
            let offered = |name: &str| config.as_ref().is_none_or(|config| config.offers(name));
            let prefix = config.as_ref().and_then(|config| config.tool_prefix.clone());
            tools.extend(listing.items.iter().filter(|tool| offered(&tool.name)).map(|tool| {
                (prefix.clone(), McpTool { server: server.clone(), tool: tool.clone() })
            }));
        }
        // The same order on every start, whatever server answers first.
        tools.sort_by(|(_, one), (_, other)| {
            (&one.server, &one.tool.name).cmp(&(&other.server, &other.tool.name))
        });
        tools.dedup_by(|(_, one), (_, other)| {
            (&one.server, &one.tool.name) == (&other.server, &other.tool.name)
        });
        let names = names::expose_all(tools.iter().map(|(prefix, one)| names::Exposed {
            server: &one.server,
            prefix: prefix.as_deref(),
            tool: &one.tool.name,
        }));
        let definitions = names.iter().zip(&tools).map(|(name, (_, McpTool { tool, .. }))| {
            let description = tool.description.as_deref().or(tool.title.as_deref());
            ToolDefinition {
                name: name.clone(),
                description: description.unwrap_or_default().to_owned(),
                parameters: tool.input_schema.clone(),
            }
        });
        let definitions = definitions.collect();
        let mut listed = self.listed.write().unwrap_or_else(PoisonError::into_inner);
        if generation < listed.generation {
            // Somebody else saw what is newer.
            return false;
        }
        let snapshot = ToolSnapshot::new(listed.snapshot.generation + 1, definitions);
        let changed = snapshot.tools != listed.snapshot.tools;
        *listed = Arc::new(Listed {
            generation,
            snapshot: if changed { Arc::new(snapshot) } else { Arc::clone(&listed.snapshot) },
            routes: names.into_iter().zip(tools.into_iter().map(|(_, tool)| tool)).collect(),
            problems,
        });
        changed
    }

    /// What is missing, and why.
    pub fn problems(&self) -> Vec<ToolsProblem> {
        let mut problems = self.servers.unavailable();
        problems.extend(self.listed().problems.iter().cloned());
        problems
    }

    /// The server and the tool behind a name of the snapshot.
    pub fn tool(&self, name: &str) -> Option<McpTool> {
        self.follow();
        self.listed().routes.get(name).cloned()
    }

    /// All tools under their names, sorted by these.
    pub fn tools(&self) -> Vec<(String, McpTool)> {
        self.follow();
        let listed = self.listed();
        listed.routes.iter().map(|(name, tool)| (name.clone(), tool.clone())).collect()
    }

    /// What the servers tell a model about their use, by server. Untrusted texts.
    pub fn instructions(&self) -> Vec<(String, String)> {
        self.servers
            .clients()
            .into_iter()
            .filter_map(|(server, client)| {
                let text = client.server().instructions.clone()?;
                Some((server, text)).filter(|(_, text)| !text.trim().is_empty())
            })
            .collect()
    }

    /// The hub of the servers, if they are those of one.
    pub(super) fn hub(&self) -> Option<&Hub> {
        match &self.servers {
            Servers::Hub(hub) => Some(hub),
            #[cfg(feature = "service")]
            Servers::Several(_) => None,
            Servers::Clients(_) => None,
        }
    }

    /// What is known, without a look at the hub.
    pub(super) fn listed(&self) -> Arc<Listed> {
        Arc::clone(&self.listed.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Asks clients for their tools, side by side.
async fn ask(clients: &[(String, Client)]) -> Vec<Offer> {
    let lists = clients.iter().map(|(server, client)| async move {
        let listing = match client.list_tools().await {
            Ok(listing) => Ok(Arc::new(listing)),
            // A server without tools may refuse to list them.
            Err(_) if client.server().capabilities.tools.is_none() => Ok(Arc::default()),
            Err(error) => Err(explain(&error)),
        };
        Offer { server: server.clone(), listing, config: None }
    });
    future::join_all(lists).await
}

impl Servers {
    /// Those of hubs.
    fn servers(&self) -> Vec<Server> {
        match self {
            Self::Hub(hub) => hub.servers(),
            #[cfg(feature = "service")]
            Self::Several(servers) => servers.clone(),
            Self::Clients(_) => Vec::new(),
        }
    }

    /// Grows with every change of what hubs know that their servers offer.
    fn generation(&self) -> Option<u64> {
        match self {
            Self::Hub(hub) => Some(hub.catalog_generation()),
            #[cfg(feature = "service")]
            Self::Several(servers) => {
                // At first there is nothing.
                Some(1 + servers.iter().map(|one| one.catalog().generation).sum::<u64>())
            }
            Self::Clients(_) => None,
        }
    }

    /// Those that are connected now.
    fn clients(&self) -> Vec<(String, Client)> {
        match self {
            Self::Clients(clients) => clients.clone(),
            Self::Hub(hub) => hub.clients(),
            #[cfg(feature = "service")]
            Self::Several(servers) => {
                let client = |server: &Server| server.status().state.client().cloned();
                let named = |server: &Server| Some((server.name().to_owned(), client(server)?));
                servers.iter().filter_map(named).collect()
            }
        }
    }

    /// The servers that cannot be used now, save those that are switched off.
    fn unavailable(&self) -> Vec<ToolsProblem> {
        let servers = self.servers().into_iter();
        let problems = servers.filter_map(|server| match server.catalog().availability {
            Availability::Unavailable(_)
                if server.config().is_some_and(|config| !config.enabled) =>
            {
                None
            }
            Availability::Unavailable(reason) => {
                let reason = reason.to_string();
                Some(ToolsProblem { server: server.name().to_owned(), tool: None, reason })
            }
            _ => None,
        });
        problems.collect()
    }

    /// Whether the configuration, as it is now, approves a tool.
    fn approval(&self, server: &str, tool: &str) -> ToolApproval {
        let server = match self {
            Self::Hub(hub) => hub.server(server),
            #[cfg(feature = "service")]
            Self::Several(servers) => servers.iter().find(|one| one.name() == server).cloned(),
            Self::Clients(_) => None,
        };
        let config = server.as_ref().and_then(Server::config);
        config.map(|config| config.tools.approval(tool)).unwrap_or_default()
    }

    fn caller(&self) -> ServerCaller {
        match self {
            Self::Hub(hub) => ServerCaller::of_hub(hub.clone()),
            // They are called through the layers that are given with them.
            #[cfg(feature = "service")]
            Self::Several(_) => ServerCaller::of_clients(std::iter::empty::<(&str, Client)>()),
            Self::Clients(clients) => ServerCaller::of_clients(
                clients.iter().map(|(name, client)| (name.as_str(), client.clone())),
            ),
        }
    }
}

/// An error with all its causes, in one line.
fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl Toolset for McpToolset {
    fn snapshot(&self) -> Arc<ToolSnapshot> {
        self.follow();
        Arc::clone(&self.listed().snapshot)
    }

    fn facts(&self, name: &str) -> ToolFacts {
        match self.listed().routes.get(name) {
            Some(McpTool { server, tool }) => {
                let approved = self.servers.approval(server, &tool.name);
                ToolFacts::of_mcp(server, tool).approved(approved)
            }
            None => ToolFacts::new(name),
        }
    }

    fn call(
        &self,
        call: PreparedCall,
        progress: ProgressSink,
    ) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            let PreparedCall { name, arguments, idempotency_key, .. } = call;
            let Some(McpTool { server, tool }) = self.tool(&name) else {
                return Err(ToolError::Unknown { name });
            };
            let hints = tool.annotations.as_ref().map(ToolHints::from).unwrap_or_default();
            let call = Call::tool(server, tool.name, arguments).hints(hints);
            let mut call = call.belonging_to(Arc::clone(&self.affinity)).on_progress(progress);
            if let Some(key) = idempotency_key {
                call.meta.push((IDEMPOTENCY_KEY.into(), Value::from(key).into()));
            }
            match self.stack.call(call).await {
                Ok(reply) => match reply.into_tool() {
                    Some(result) => Ok(results::from_mcp(result)),
                    None => Ok(ToolOutput::error(
                        "middleware of this program answered the call with something else than \
                         the result of a tool",
                    )),
                },
                Err(error) => Err(unanswered(name, error)),
            }
        })
    }
}

/// What to tell of a call that has no reply.
fn unanswered(name: String, error: CallError) -> ToolError {
    let server = error.server().to_string();
    match error {
        CallError::UnknownServer { .. } => {
            ToolError::Unavailable { name, server, reason: "it is gone".to_owned() }
        }
        CallError::Unavailable { source, .. } => {
            ToolError::Unavailable { name, server, reason: explain(&source) }
        }
        CallError::Failed { source, .. } => ToolError::Failed { name, source: source.into() },
        other => ToolError::Failed { name, source: other.into() },
    }
}

impl fmt::Debug for McpToolset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpToolset")
            .field("tools", &self.listed().routes.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests;
