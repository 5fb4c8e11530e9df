//! Resources and prompts of servers as tools, where the model is to choose what it reads.

use std::{collections::BTreeMap, fmt, sync::Arc};

use futures_util::future;
use mcp_client::Client;
use mcp_protocol::content::Role;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Json, LocalTools, PreparedCall, ProgressSink, ToolError, ToolFacts, ToolOutput, ToolSnapshot,
    Toolset, results,
};
use crate::{
    context::ServerSource,
    model::{BoxFuture, Part},
};

/// How many resources or prompts one call lists at most.
const MAX_LISTED: usize = 200;

/// Resources and prompts of servers as tools: `list_resources` and `read_resource`, `list_prompts`
/// and `get_prompt`.
///
/// MCP means resources for the program and prompts for people, so a model has them only where a
/// program says so. Results are bounded like those of all tools of an agent. All four count as
/// read-only; a [`Policy`](crate::policy::Policy) can ask or refuse by their names and arguments,
/// such as `ask read_resource(uri=file:///home/*)`.
///
/// ```no_run
/// use mcp_agent::{Agent, toolbox::{McpToolset, ServerContents}};
///
/// # async fn example(hub: mcp_client::Hub, model: mcp_agent::model::scripted::ScriptedModel) {
/// let contents = ServerContents::new(hub.clone()).only(["docs"]);
/// let agent = Agent::builder(model)
///     .tools(McpToolset::of_hub(hub).await)
///     .tools(contents.resources())
///     .tools(contents.prompts())
///     .build();
/// # drop(agent);
/// # }
/// ```
#[derive(Clone)]
pub struct ServerContents {
    source: Arc<dyn ServerSource>,
    only: Option<Arc<[String]>>,
}

/// Tools of [`ServerContents`].
#[derive(Clone, Debug)]
pub struct ContentTools(LocalTools);

/// Lists resources.
#[derive(Deserialize, JsonSchema)]
struct ListOf {
    /// Only of this server.
    server: Option<String>,
    /// Only those in whose name, address or description all these words stand.
    words: Option<String>,
}

/// Reads a resource.
#[derive(Deserialize, JsonSchema)]
struct ReadOne {
    /// The server that has it.
    server: String,
    /// The address of the resource.
    uri: String,
}

/// Gets a prompt.
#[derive(Deserialize, JsonSchema)]
struct GetOne {
    /// The server that has it.
    server: String,
    /// The name of the prompt.
    name: String,
    /// The prompt's arguments by name.
    #[serde(default)]
    arguments: BTreeMap<String, String>,
}

impl ServerContents {
    /// Those of all these servers, as they are when a tool is called.
    pub fn new(source: impl ServerSource) -> Self {
        Self { source: Arc::new(source), only: None }
    }

    /// Those of the named servers only.
    #[must_use]
    pub fn only<S: Into<String>>(self, servers: impl IntoIterator<Item = S>) -> Self {
        Self { only: Some(servers.into_iter().map(Into::into).collect()), ..self }
    }

    /// `list_resources` and `read_resource`.
    pub fn resources(&self) -> ContentTools {
        let (listing, reading) = (self.clone(), self.clone());
        let tools = LocalTools::new()
            .tool(
                "list_resources",
                "Lists resources (files, records, pages) that servers offer to be read.",
                move |call: ListOf| {
                    let servers = listing.clone();
                    async move { servers.list(call, resources_of).await }
                },
            )
            .tool(
                "read_resource",
                "Reads a resource of a server, as listed or by a listed template.",
                move |call: ReadOne| {
                    let servers = reading.clone();
                    async move { servers.read(call).await }
                },
            );
        ContentTools(tools)
    }

    /// `list_prompts` and `get_prompt`.
    pub fn prompts(&self) -> ContentTools {
        let (listing, getting) = (self.clone(), self.clone());
        let tools = LocalTools::new()
            .tool(
                "list_prompts",
                "Lists prompts: instructions that servers have ready for certain tasks.",
                move |call: ListOf| {
                    let servers = listing.clone();
                    async move { servers.list(call, prompts_of).await }
                },
            )
            .tool(
                "get_prompt",
                "Gets a prompt of a server, with its arguments filled in.",
                move |call: GetOne| {
                    let servers = getting.clone();
                    async move { servers.get(call).await }
                },
            );
        ContentTools(tools)
    }

    fn clients(&self) -> Vec<(String, Client)> {
        let mut clients = self.source.clients();
        if let Some(only) = &self.only {
            clients.retain(|(name, _)| only.contains(name));
        }
        clients
    }

    fn client(&self, server: &str) -> Result<Client, String> {
        let clients = self.clients();
        let names: Vec<_> = clients.iter().map(|(name, _)| format!("`{name}`")).collect();
        let found = clients.into_iter().find(|(name, _)| name == server);
        found.map(|(_, client)| client).ok_or_else(|| {
            format!("there is no server `{server}`; the servers are {}", names.join(", "))
        })
    }

    async fn list<F>(&self, call: ListOf, ask: impl Fn(Client) -> F) -> Result<Json<Value>, String>
    where
        F: Future<Output = Result<Vec<Value>, mcp_client::CallError>>,
    {
        let clients = match &call.server {
            Some(server) => vec![(server.clone(), self.client(server)?)],
            None => self.clients(),
        };
        let asking = clients.into_iter().map(|(server, client)| {
            let listing = ask(client);
            async move { (server, listing.await) }
        });
        let words = call.words.unwrap_or_default().to_lowercase();
        let words: Vec<_> = words.split_whitespace().collect();
        let (mut items, mut problems) = (Vec::new(), Vec::new());
        for (server, listed) in future::join_all(asking).await {
            match listed {
                Ok(listed) => items.extend(listed.into_iter().filter_map(|item| {
                    let text = item.to_string().to_lowercase();
                    let mut item = words.iter().all(|word| text.contains(word)).then_some(item)?;
                    item["server"] = json!(server);
                    Some(item)
                })),
                Err(error) => problems.push(json!({"server": server, "problem": explain(&error)})),
            }
        }
        let more = items.len().saturating_sub(MAX_LISTED);
        items.truncate(MAX_LISTED);
        let mut list = json!({"items": items});
        if more > 0 {
            list["more"] = json!(format!("{more} more are not shown; give `words` or a `server`"));
        }
        if !problems.is_empty() {
            list["problems"] = json!(problems);
        }
        Ok(Json(list))
    }

    async fn read(&self, ReadOne { server, uri }: ReadOne) -> Result<ToolOutput, String> {
        let client = self.client(&server)?;
        let result = client.read_resource(uri).await.map_err(|error| explain(&error))?;
        Ok(ToolOutput::parts(result.contents.into_iter().map(results::resource).collect()))
    }

    async fn get(&self, call: GetOne) -> Result<ToolOutput, String> {
        let client = self.client(&call.server)?;
        let mut request = client.get_prompt(call.name);
        for (name, value) in call.arguments {
            request = request.argument(name, value);
        }
        let prompt = request.await.map_err(|error| explain(&error))?;
        let mut parts = Vec::new();
        for message in prompt.messages {
            let from = if message.role == Role::Assistant { "assistant" } else { "user" };
            parts.push(Part::Text(format!("[{from}]")));
            let content = mcp_protocol::tools::CallToolResult {
                content: vec![message.content],
                ..Default::default()
            };
            parts.extend(results::from_mcp(content).content);
        }
        Ok(ToolOutput::parts(parts))
    }
}

/// Resources and templates, with what helps to choose.
async fn resources_of(client: Client) -> Result<Vec<Value>, mcp_client::CallError> {
    if client.server().capabilities.resources.is_none() {
        return Ok(Vec::new());
    }
    let listed = client.list_resources().await?.items.into_iter().map(|resource| {
        short([
            ("uri", Some(resource.uri.clone())),
            ("name", Some(resource.display_name().to_owned())),
            ("description", resource.description.clone()),
            ("type", resource.mime_type.clone()),
            ("bytes", resource.size.map(|size| size.to_string())),
        ])
    });
    let mut items: Vec<_> = listed.collect();
    match client.list_resource_templates().await {
        Ok(templates) => items.extend(templates.items.into_iter().map(|template| {
            short([
                ("uri_template", Some(template.uri_template.clone())),
                ("name", Some(template.display_name().to_owned())),
                ("description", template.description.clone()),
            ])
        })),
        // Many servers have resources and no such method.
        Err(error) => tracing::debug!(%error, "templates cannot be listed"),
    }
    Ok(items)
}

async fn prompts_of(client: Client) -> Result<Vec<Value>, mcp_client::CallError> {
    if client.server().capabilities.prompts.is_none() {
        return Ok(Vec::new());
    }
    let listed = client.list_prompts().await?.items.into_iter().map(|prompt| {
        let mut item = short([
            ("name", Some(prompt.name.clone())),
            ("description", prompt.description.clone().or_else(|| prompt.title.clone())),
        ]);
        let arguments = prompt.arguments.iter().map(|argument| {
            let mut shown = short([
                ("name", Some(argument.name.clone())),
                ("description", argument.description.clone()),
            ]);
            shown["required"] = json!(argument.is_required());
            shown
        });
        item["arguments"] = arguments.collect();
        item
    });
    Ok(listed.collect())
}

fn short<const N: usize>(members: [(&str, Option<String>); N]) -> Value {
    let said = members.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text?))));
    Value::Object(said.collect())
}

/// The error with its causes, in one line.
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

impl Toolset for ContentTools {
    fn snapshot(&self) -> Arc<ToolSnapshot> {
        self.0.snapshot()
    }

    fn facts(&self, name: &str) -> ToolFacts {
        let mut facts = ToolFacts::new(name);
        facts.annotations.read_only_hint = Some(true);
        facts
    }

    fn call(
        &self,
        call: PreparedCall,
        progress: ProgressSink,
    ) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        self.0.call(call, progress)
    }
}

impl fmt::Debug for ServerContents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerContents").field("only", &self.only).finish_non_exhaustive()
    }
}
