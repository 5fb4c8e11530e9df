//! One MCP server in front of many, in both lifecycles whatever each of them speaks.
//!
//! Tools and prompts keep their names; where several servers have the same, each becomes
//! `server__name`. A server that is down stays in the lists with what it offered last, and a call
//! of its tools says why it is not there. Progress goes to whoever asked, and a request that is
//! cancelled is cancelled at its server.
//!
//! Not passed on: questions of servers (sampling, elicitation, roots), log messages, and
//! announcements of changes. None of them is declared.

mod asked;
mod names;
mod offered;
mod progress;

use std::sync::Arc;

use mcp_client::{CallErrorKind, CatalogLists, Hub, ServerError};
use mcp_protocol::{
    cache_hint::CacheScope,
    capabilities::{
        ListCapability, Offered as OfferedCapability, ResourcesCapability, ServerCapabilities,
    },
    completion::{CompleteParams, CompleteResult, CompletionReference},
    discover::DiscoverResult,
    error_code,
    implementation::Implementation,
    initialize::{InitializeParams, InitializeResult},
    jsonrpc::{ErrorObject, Request},
    meta::{self, Meta},
    object::Object,
    outcome::{EmptyResult, ResultType},
    prompts::{GetPromptParams, GetPromptResult, ListPromptsResult, Prompt},
    raw::RawJson,
    resources::{
        ListResourceTemplatesResult, ListResourcesResult, ReadResourceParams, ReadResourceResult,
    },
    tools::{CallToolParams, CallToolResult, ListToolsResult, Tool},
    version::{Era, ProtocolVersion},
};
use mcp_transport::{
    BoxFuture,
    serve::{self, Peer},
};
use serde::Serialize;

use self::{
    asked::{Asked, params},
    offered::Offered,
    progress::{Ear, Mouth, relay},
};
use super::{
    journal::{Journal, Via},
    problem,
};
use crate::{
    caller::{Answer, Call, CallError, Caller as _, Operation, Reply, ToolHints},
    stack::Stack,
};

/// A server that has others answer.
#[derive(Clone, Debug)]
pub(super) struct Aggregate {
    pub(super) hub: Hub,
    /// What happens to calls on their way.
    pub(super) stack: Stack,
    /// The one server that is meant, under its own names; all when `None`.
    pub(super) only: Option<String>,
    pub(super) journal: Arc<Journal>,
}

impl serve::Service for Aggregate {
    fn request<'a>(
        &'a self,
        request: Request,
        peer: &'a Peer,
    ) -> BoxFuture<'a, Result<RawJson, ErrorObject>> {
        Box::pin(self.answer(request, peer))
    }
}

/// Fills in what every result of the modern lifecycle has, and of lists and contents that nobody
/// may keep them: who else may see them is for their servers to say.
macro_rules! finish {
    ($result:expr, $era:expr) => {{
        let mut result = $result;
        result.result_type = ($era == Era::Modern).then_some(ResultType::Complete);
        result.meta = ($era == Era::Modern).then(who);
        write(&result)
    }};
    ($result:expr, $era:expr, uncached) => {{
        let mut result = $result;
        result.ttl_ms = ($era == Era::Modern).then_some(0);
        result.cache_scope = ($era == Era::Modern).then_some(CacheScope::Private);
        finish!(result, $era)
    }};
}

impl Aggregate {
    async fn answer(&self, request: Request, peer: &Peer) -> Result<RawJson, ErrorObject> {
        let Asked { era, progress_token } = Asked::read(&request)?;
        match &*request.method {
            "initialize" if era == Era::Legacy => {
                write(&self.initialize(&params::<InitializeParams>(&request)?).await)
            }
            "ping" if era == Era::Legacy => write(&EmptyResult::default()),
            "server/discover" => write(&self.discover().await),
            "tools/list" => {
                let offered = self.ask(CatalogLists::TOOLS).await;
                let tools = offered.tools().into_iter();
                let tools = tools.map(|(_, name, tool)| Tool { name, ..tool.clone() }).collect();
                finish!(ListToolsResult { tools, ..Default::default() }, era, uncached)
            }
            "tools/call" => {
                let relay = progress_token.map(|token| relay(token, peer));
                let result = self.call_tool(params(&request)?, relay).await?;
                finish!(result, era)
            }
            "prompts/list" => {
                let offered = self.ask(CatalogLists { prompts: true, ..NO_LISTS }).await;
                let prompts = offered.prompts().into_iter();
                let prompts =
                    prompts.map(|(_, name, prompt)| Prompt { name, ..prompt.clone() }).collect();
                finish!(ListPromptsResult { prompts, ..Default::default() }, era, uncached)
            }
            "prompts/get" => finish!(self.get_prompt(params(&request)?).await?, era),
            "resources/list" => {
                let offered = self.ask(CatalogLists { resources: true, ..NO_LISTS }).await;
                let resources = offered.resources().into_iter().cloned().collect();
                finish!(ListResourcesResult { resources, ..Default::default() }, era, uncached)
            }
            "resources/templates/list" => {
                let offered = self.ask(CatalogLists { resources: true, ..NO_LISTS }).await;
                let resource_templates = offered.templates().into_iter().cloned().collect();
                let result =
                    ListResourceTemplatesResult { resource_templates, ..Default::default() };
                finish!(result, era, uncached)
            }
            "resources/read" => {
                finish!(self.read_resource(params(&request)?).await?, era, uncached)
            }
            "completion/complete" => finish!(self.complete(params(&request)?).await?, era),
            method => Err(ErrorObject::new(
                error_code::METHOD_NOT_FOUND,
                format!("there is no method `{method}`"),
            )),
        }
    }

    fn known(&self) -> Offered {
        Offered::known(&self.hub, self.only.as_deref())
    }

    async fn ask(&self, lists: CatalogLists) -> Offered {
        Offered::ask(&self.hub, self.only.as_deref(), lists).await
    }

    async fn initialize(&self, params: &InitializeParams) -> InitializeResult {
        let asked = &params.protocol_version;
        let is_ours = asked.is_supported() && asked.era() == Era::Legacy;
        InitializeResult {
            protocol_version: if is_ours { asked.clone() } else { ProtocolVersion::LATEST_LEGACY },
            capabilities: capabilities(),
            server_info: implementation(),
            instructions: self.ask(NO_LISTS).await.instructions(),
            meta: None,
        }
    }

    async fn discover(&self) -> DiscoverResult {
        let versions = ProtocolVersion::SUPPORTED.iter();
        DiscoverResult {
            supported_versions: versions.map(|version| version.as_str().to_owned()).collect(),
            capabilities: capabilities(),
            instructions: self.ask(NO_LISTS).await.instructions(),
            ttl_ms: Some(0),
            cache_scope: Some(CacheScope::Private),
            result_type: Some(ResultType::Complete),
            meta: Some(who()),
            server_info: None,
        }
    }

    /// What keeps a server from answering is told as the tool's error, for the model to read.
    async fn call_tool(
        &self,
        params: CallToolParams,
        relay: Option<(Ear, Mouth)>,
    ) -> Result<CallToolResult, ErrorObject> {
        let find = |offered: &Offered| {
            let tools = offered.tools();
            let found = tools.into_iter().find(|(_, name, _)| *name == params.name);
            found.map(|(server, _, tool)| {
                let hints = tool.annotations.as_ref().map(ToolHints::from).unwrap_or_default();
                (server.name().to_owned(), tool.name.clone(), hints)
            })
        };
        let found = match find(&self.known()) {
            Some(found) => found,
            None => find(&self.ask(CatalogLists::TOOLS).await)
                .ok_or_else(|| unknown("tool", &params.name))?,
        };
        let (server, name, hints) = found;
        let arguments = match &params.arguments {
            None => serde_json::Map::new(),
            Some(arguments) => serde_json::from_str(arguments.as_str()).map_err(|error| {
                let told = format!("the arguments are no JSON object: {error}");
                ErrorObject::new(error_code::INVALID_PARAMS, told)
            })?,
        };
        let noted = self.journal.call(Via::Mcp, &server, &name, &arguments);
        let call = Call::tool(server, name, arguments).hints(hints);
        let outcome = match relay {
            None => self.stack.call(call).await,
            Some((ear, mouth)) => {
                let call = call.on_progress(ear.into_sink());
                mouth.until(self.stack.call(call)).await
            }
        };
        noted.ended(&outcome);
        match outcome.map(Reply::into_tool) {
            Ok(Some(result)) => Ok(result),
            Ok(None) => Err(another_answer()),
            Err(error) => match refusal_of_call(&error) {
                Some(object) => Err(object.clone()),
                None => Ok(CallToolResult::error(problem::chain(&error))),
            },
        }
    }

    async fn get_prompt(&self, params: GetPromptParams) -> Result<GetPromptResult, ErrorObject> {
        let find = |offered: &Offered| {
            let prompts = offered.prompts();
            let found = prompts.into_iter().find(|(_, name, _)| *name == params.name);
            found.map(|(server, _, prompt)| (server.name().to_owned(), prompt.name.clone()))
        };
        let lists = CatalogLists { prompts: true, ..NO_LISTS };
        let found = match find(&self.known()) {
            Some(found) => found,
            None => find(&self.ask(lists).await).ok_or_else(|| unknown("prompt", &params.name))?,
        };
        let (server, name) = found;
        let arguments = params.arguments.into_iter().collect();
        let get = Call::new(server, Operation::GetPrompt { name: name.into(), arguments });
        match self.stack.call(get).await.map_err(|error| failed_call(&error))?.answer {
            Answer::Prompt(result) => Ok(Arc::unwrap_or_clone(result)),
            _ => Err(another_answer()),
        }
    }

    async fn read_resource(
        &self,
        params: ReadResourceParams,
    ) -> Result<ReadResourceResult, ErrorObject> {
        let uri = params.uri.as_str();
        let mut offered = self.known();
        if offered.readers(uri).is_empty() {
            offered = self.ask(CatalogLists { resources: true, ..NO_LISTS }).await;
        }
        let mut last = None;
        for server in offered.readers(uri) {
            let read = Operation::ReadResource { uri: uri.into() };
            match self.stack.call(Call::new(server.name(), read)).await {
                Ok(Reply { answer: Answer::Resource(result), .. }) => {
                    return Ok(Arc::unwrap_or_clone(result));
                }
                Ok(_) => return Err(another_answer()),
                Err(error) => {
                    let is_elsewhere = matches!(&error,
                        CallError::Failed { source, .. } if source.is_resource_not_found());
                    last = Some(failed_call(&error));
                    if !is_elsewhere {
                        break;
                    }
                }
            }
        }
        Err(last.unwrap_or_else(|| unknown("resource", uri)))
    }

    async fn complete(&self, mut params: CompleteParams) -> Result<CompleteResult, ErrorObject> {
        let offered = self.known();
        let server = match &mut params.reference {
            CompletionReference::Prompt { name, .. } => {
                let prompts = offered.prompts();
                let found = prompts.into_iter().find(|(_, known, _)| known == name);
                let (server, _, prompt) = found.ok_or_else(|| unknown("prompt", name))?;
                name.clone_from(&prompt.name);
                server
            }
            CompletionReference::Resource { uri } => {
                offered.owner_of_template(uri).ok_or_else(|| unknown("template", uri))?
            }
            _ => return Err(unknown("reference", "of this kind")),
        };
        params.meta = None;
        let params = &params;
        let complete =
            |client: mcp_client::Client| async move { client.complete(params.clone()).await };
        server.call(complete).await.map_err(|error| failed(&error))
    }
}

const NO_LISTS: CatalogLists = CatalogLists { tools: false, prompts: false, resources: false };

/// What a server answered in place of a result.
fn refusal(error: &ServerError) -> Option<&ErrorObject> {
    match error {
        ServerError::Call { source, .. } => match source.kind() {
            CallErrorKind::Rejected(object) => Some(object),
            _ => None,
        },
        _ => None,
    }
}

fn refusal_of_call(error: &CallError) -> Option<&ErrorObject> {
    match error {
        CallError::Failed { source, .. } => match source.kind() {
            CallErrorKind::Rejected(object) => Some(object),
            _ => None,
        },
        _ => None,
    }
}

fn failed_call(error: &CallError) -> ErrorObject {
    match refusal_of_call(error) {
        Some(object) => object.clone(),
        None => ErrorObject::new(error_code::INTERNAL_ERROR, problem::chain(error)),
    }
}

/// Middleware of the program answered with something else.
fn another_answer() -> ErrorObject {
    ErrorObject::new(error_code::INTERNAL_ERROR, "the answer is not one to this request")
}

fn failed(error: &ServerError) -> ErrorObject {
    match refusal(error) {
        Some(object) => object.clone(),
        None => ErrorObject::new(error_code::INTERNAL_ERROR, problem::chain(error)),
    }
}

fn unknown(what: &str, name: &str) -> ErrorObject {
    ErrorObject::new(error_code::INVALID_PARAMS, format!("there is no {what} `{name}`"))
}

fn implementation() -> Implementation {
    Implementation::new("mcp-service", env!("CARGO_PKG_VERSION"))
}

fn capabilities() -> ServerCapabilities {
    ServerCapabilities {
        tools: Some(ListCapability::default()),
        prompts: Some(ListCapability::default()),
        resources: Some(ResourcesCapability::default()),
        completions: Some(OfferedCapability::default()),
        ..ServerCapabilities::default()
    }
}

/// The `_meta` of modern results.
fn who() -> Meta {
    let mut entries = Object::default();
    if let Ok(info) = RawJson::from_value(&implementation()) {
        entries.insert(meta::SERVER_INFO, info);
    }
    Meta::new(&entries)
}

fn write<T: Serialize>(result: &T) -> Result<RawJson, ErrorObject> {
    RawJson::from_value(result)
        .map_err(|error| ErrorObject::new(error_code::INTERNAL_ERROR, error.to_string()))
}
