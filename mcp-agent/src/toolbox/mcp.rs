//! The tools of MCP servers.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use futures_util::future;
use mcp_client::{Client, Hub, ServerState};
use mcp_protocol::tools::Tool;
use serde_json::Value;

use super::{
    IDEMPOTENCY_KEY, PreparedCall, ProgressSink, ToolError, ToolFacts, ToolOutput, ToolProgress,
    ToolSnapshot, Toolset, names, results,
};
use crate::model::{BoxFuture, ToolDefinition};

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
    listed: RwLock<Arc<Listed>>,
}

enum Servers {
    Hub(Hub),
    Clients(Vec<(String, Client)>),
}

/// What the servers offered when they were asked last.
#[derive(Default)]
struct Listed {
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

impl McpToolset {
    /// The tools of all servers of a hub. Waits until each is ready or down; one that is down is
    /// left out and reported in [`problems`](Self::problems).
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing; the servers go on starting.
    pub async fn of_hub(hub: Hub) -> Self {
        hub.ready().await;
        Self::of(Servers::Hub(hub)).await
    }

    /// The tools of these servers, each with the name that the model shall know it by.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the listing.
    pub async fn of_clients(clients: impl IntoIterator<Item = (String, Client)>) -> Self {
        Self::of(Servers::Clients(clients.into_iter().collect())).await
    }

    async fn of(servers: Servers) -> Self {
        let toolset = Self { servers, listed: RwLock::default() };
        toolset.refresh().await;
        toolset
    }

    /// Asks all servers for their tools again, side by side. Returns whether anything changed.
    /// Snapshots that were taken before stay as they are.
    pub async fn refresh(&self) -> bool {
        let (clients, mut problems) = self.servers.clients();
        let lists = clients.iter().map(|(server, client)| async move {
            (server, client.server().capabilities.tools.is_some(), client.list_tools().await)
        });
        let mut tools = Vec::new();
        for (server, declared, list) in future::join_all(lists).await {
            let problem = |tool, reason| ToolsProblem { server: server.clone(), tool, reason };
            match list {
                Ok(listing) => {
                    let skipped = listing.skipped.into_iter();
                    problems.extend(skipped.map(|item| problem(item.name, item.error)));
                    tools.extend(
                        listing
                            .items
                            .into_iter()
                            .map(|tool| McpTool { server: server.clone(), tool }),
                    );
                }
                // A server without tools may refuse to list them.
                Err(_) if !declared => {}
                Err(error) => problems.push(problem(None, explain(&error))),
            }
        }
        self.replace(tools, problems)
    }

    fn replace(&self, mut tools: Vec<McpTool>, problems: Vec<ToolsProblem>) -> bool {
        // The same order on every start, whatever server answers first.
        tools.sort_by(|one, other| {
            (&one.server, &one.tool.name).cmp(&(&other.server, &other.tool.name))
        });
        tools.dedup_by(|one, other| {
            (&one.server, &one.tool.name) == (&other.server, &other.tool.name)
        });
        let names =
            names::expose_all(tools.iter().map(|tool| (&*tool.server, tool.tool.name.as_str())));
        let definitions = names.iter().zip(&tools).map(|(name, McpTool { tool, .. })| {
            let description = tool.description.as_deref().or(tool.title.as_deref());
            ToolDefinition {
                name: name.clone(),
                description: description.unwrap_or_default().to_owned(),
                parameters: tool.input_schema.clone(),
            }
        });
        let definitions = definitions.collect();
        let mut listed = self.listed.write().unwrap_or_else(PoisonError::into_inner);
        let snapshot = ToolSnapshot::new(listed.snapshot.generation + 1, definitions);
        let changed = snapshot.tools != listed.snapshot.tools;
        *listed = Arc::new(Listed {
            snapshot: if changed { Arc::new(snapshot) } else { Arc::clone(&listed.snapshot) },
            routes: names.into_iter().zip(tools).collect(),
            problems,
        });
        changed
    }

    /// What is missing, and why.
    pub fn problems(&self) -> Vec<ToolsProblem> {
        self.listed().problems.clone()
    }

    /// The server and the tool behind a name of the snapshot.
    pub fn tool(&self, name: &str) -> Option<McpTool> {
        self.listed().routes.get(name).cloned()
    }

    /// All tools under their names, sorted by these.
    pub fn tools(&self) -> Vec<(String, McpTool)> {
        let listed = self.listed();
        listed.routes.iter().map(|(name, tool)| (name.clone(), tool.clone())).collect()
    }

    /// What the servers tell a model about their use, by server. Untrusted texts.
    pub fn instructions(&self) -> Vec<(String, String)> {
        let (clients, _) = self.servers.clients();
        clients
            .into_iter()
            .filter_map(|(server, client)| {
                let text = client.server().instructions.clone()?;
                Some((server, text)).filter(|(_, text)| !text.trim().is_empty())
            })
            .collect()
    }

    fn listed(&self) -> Arc<Listed> {
        Arc::clone(&self.listed.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Servers {
    /// Those that are ready, and what is wrong with the others.
    fn clients(&self) -> (Vec<(String, Client)>, Vec<ToolsProblem>) {
        let hub = match self {
            Self::Clients(clients) => return (clients.clone(), Vec::new()),
            Self::Hub(hub) => hub,
        };
        let mut clients = Vec::new();
        let mut problems = Vec::new();
        for status in hub.status() {
            let reason = match status.state {
                ServerState::Ready(client) | ServerState::Degraded(client, _) => {
                    clients.push((status.name, client));
                    continue;
                }
                ServerState::Disabled => continue,
                ServerState::Starting => "it is still starting".to_owned(),
                ServerState::Down(failure) | ServerState::NeedsAuth(failure) => explain(&*failure),
                ServerState::NotConfigured(reason) => reason,
                _ => "it is not ready".to_owned(),
            };
            problems.push(ToolsProblem { server: status.name, tool: None, reason });
        }
        (clients, problems)
    }

    fn client(&self, server: &str) -> Result<Client, String> {
        let (clients, problems) = self.clients();
        match clients.into_iter().find(|(name, _)| name == server) {
            Some((_, client)) => Ok(client),
            None => Err(problems
                .into_iter()
                .find(|problem| problem.server == server)
                .map_or_else(|| "it is gone".to_owned(), |problem| problem.reason)),
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
        Arc::clone(&self.listed().snapshot)
    }

    fn facts(&self, name: &str) -> ToolFacts {
        match self.listed().routes.get(name) {
            Some(McpTool { server, tool }) => ToolFacts::of_mcp(server, tool),
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
            let client = match self.servers.client(&server) {
                Ok(client) => client,
                Err(reason) => return Err(ToolError::Unavailable { name, server, reason }),
            };
            let mut request = client.call_tool(tool.name, Value::Object(arguments));
            if let Some(key) = idempotency_key {
                request = request.meta(IDEMPOTENCY_KEY, &Value::from(key).into());
            }
            let result = request
                .on_progress(move |heard| {
                    let mut told = ToolProgress::new(heard.progress);
                    told.total = heard.total;
                    told.message = heard.message;
                    progress(told);
                })
                .await;
            match result {
                Ok(result) => Ok(results::from_mcp(result)),
                Err(error) => Err(ToolError::Failed { name, source: error.into() }),
            }
        })
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
mod tests;
