//! One MCP server in front of many, in both lifecycles whatever each of them speaks.
//!
//! Tools and prompts keep their names; where several servers have the same, each becomes
//! `server__name`, and so does a name that looks like another server's. A server that is down or
//! silent stays in the lists with what it offered last, and a call of its tools says why it is not
//! there. Progress goes to whoever asked, and a request that is cancelled is cancelled at its
//! server.
//!
//! What a server asks during a call (elicitation, sampling, roots) is asked of whoever called, as
//! far as they declared it; see [`rounds`]. What it asks beside all calls, where it cannot be known
//! for whom, is refused. Log messages that belong to a call go to its caller, changes of lists and
//! resources to those who want to be told.
//!
//! Tasks are handed on under ids of their own; see [`tasks`].

#[macro_use]
mod finish;
mod about_one;
mod announcing;
mod asked;
mod begun_tasks;
mod changes;
mod conversation;
mod login;
mod names;
mod offered;
mod operations;
mod relay;
mod request_span;
mod round;
mod rounds;
mod session_times;
mod tasks;
mod told_logins;
mod tool_index;
mod waiting;
mod way;

use std::{fmt, sync::Arc, time::Duration};

use mcp_client::{CallErrorKind, CatalogLists, Hub, Server, ServerError, StateKind};
use mcp_protocol::{
    cache_hint::CacheScope,
    capabilities::{
        ListCapability, Offered as OfferedCapability, ResourcesCapability, ServerCapabilities,
    },
    discover::DiscoverResult,
    error_code,
    initialize::{InitializeParams, InitializeResult},
    jsonrpc::{ErrorObject, Request},
    logging::SetLevelParams,
    outcome::{EmptyResult, ResultType},
    prompts::{ListPromptsResult, Prompt},
    raw::RawJson,
    resources::{ListResourceTemplatesResult, ListResourcesResult, ResourceParams},
    tools::{ListToolsResult, Tool},
    version::{Era, ProtocolVersion},
};
use mcp_transport::{
    BoxFuture,
    serve::{self, Peer, SessionKeys},
};
use tokio::sync::watch;

use self::{
    asked::{Caller, params},
    begun_tasks::BegunTasks,
    changes::{ALL_LISTS, Changes, Counts},
    conversation::{Conversation, LastSaid, LogLevels},
    finish::{implementation, who, write},
    offered::Offered,
    operations::{Measured, Operations},
    session_times::SessionTimes,
    tool_index::ToolIndex,
    waiting::Waiting,
    way::Way,
};
use super::{
    access::Access, journal::Journal, logins::Logins, own_servers::OwnServers, problem,
    tool_pins::ToolPins, view::View,
};
use crate::{spans::Spans, stack::Stack};

/// Many servers, and the way to them.
#[derive(Clone)]
pub(super) struct Many {
    pub(super) hub: Hub,
    pub(super) own: OwnServers,
    logins: Logins,
    pub(super) journal: Arc<Journal>,
    stack: Stack,
    spans: Option<Arc<dyn Spans>>,
    /// Seals the ids of tasks.
    keys: Option<SessionKeys>,
    pins: Option<ToolPins>,
    operations: Arc<Operations>,
    times: Arc<SessionTimes>,
    begun: Arc<BegunTasks>,
    access: Arc<Access>,
}

impl Many {
    #[expect(clippy::too_many_arguments, reason = "made in one place, of what a service has")]
    pub(super) fn new(
        logins: &Logins,
        stack: &Stack,
        journal: &Arc<Journal>,
        spans: Option<Arc<dyn Spans>>,
        keys: Option<SessionKeys>,
        pins: Option<ToolPins>,
        access: &Arc<Access>,
        session_idle: Duration,
    ) -> Self {
        let own = logins.own().clone();
        let (hub, stack, journal) = (own.hub().clone(), stack.clone(), Arc::clone(journal));
        let operations = Arc::new(Operations::new(&hub));
        let times = Arc::new(SessionTimes::new(session_idle));
        let (logins, begun, access) = (logins.clone(), Arc::default(), Arc::clone(access));
        Self {
            hub,
            own,
            logins,
            journal,
            stack,
            spans,
            keys,
            pins,
            operations,
            times,
            begun,
            access,
        }
    }

    pub(super) fn pins(&self) -> Option<&ToolPins> {
        self.pins.as_ref()
    }

    /// The requests of all clients.
    pub(super) fn operations(&self) -> &Operations {
        &self.operations
    }

    /// Their sessions.
    pub(super) fn session_times(&self) -> &SessionTimes {
        &self.times
    }
}

/// A server that has others answer. Clones share everything.
#[derive(Clone)]
pub(super) struct Aggregate(Arc<Shared>);

struct Shared {
    hub: Hub,
    own: OwnServers,
    logins: Logins,
    way: Way,
    spans: Option<Arc<dyn Spans>>,
    view: View,
    pins: Option<ToolPins>,
    keys: Option<SessionKeys>,
    waiting: Waiting,
    changes: Changes,
    levels: LogLevels,
    said: LastSaid,
    tools: ToolIndex,
    operations: Arc<Operations>,
    times: Arc<SessionTimes>,
    begun: Arc<BegunTasks>,
    access: Arc<Access>,
}

impl serve::Service for Aggregate {
    fn open(&self, client: &Peer) -> Option<Arc<dyn serve::Service>> {
        Some(Conversation::new(self.clone(), client.clone()))
    }

    fn reopen(&self, client: &Peer, carried: &str) -> Option<Arc<dyn serve::Service>> {
        let conversation = Conversation::carried_here(self.clone(), client.clone(), carried)?;
        Some(conversation)
    }

    fn request<'a>(
        &'a self,
        request: Request,
        peer: &'a Peer,
    ) -> BoxFuture<'a, Result<RawJson, ErrorObject>> {
        Box::pin(self.answer(request, peer, None))
    }
}

impl Aggregate {
    pub(super) fn new(many: &Many, view: View) -> Self {
        let Many {
            hub,
            own,
            logins,
            journal,
            stack,
            spans,
            keys,
            pins,
            operations,
            times,
            begun,
            access,
        } = many.clone();
        hub.keep_catalogs(ALL_LISTS);
        let way = Way::new(stack, journal);
        let (waiting, changes, levels, said, tools) = Default::default();
        Self(Arc::new(Shared {
            hub,
            own,
            logins,
            way,
            spans,
            view,
            pins,
            keys,
            waiting,
            changes,
            levels,
            said,
            tools,
            operations,
            times,
            begun,
            access,
        }))
    }

    async fn answer(
        &self,
        request: Request,
        peer: &Peer,
        conversation: Option<&Conversation>,
    ) -> Result<RawJson, ErrorObject> {
        let mut measured = Measured::begin(&self.0.operations, &request.method);
        let outcome = self.answer_in_span(request, peer, conversation, &measured).await;
        measured.ended(outcome.as_ref().err());
        outcome
    }

    async fn answer_in_span(
        &self,
        request: Request,
        peer: &Peer,
        conversation: Option<&Conversation>,
        measured: &Measured,
    ) -> Result<RawJson, ErrorObject> {
        let mut caller = Caller::read(&request, peer, conversation)?;
        caller.measured = Some(measured);
        if !is_about_one(&request.method) {
            self.visit(&caller);
        }
        let Some(spans) = &self.0.spans else {
            return self.act(request, &caller, conversation).await;
        };
        let mut span = request_span::begin(&**spans, &request, &caller.scope);
        caller.scope = caller.scope.in_trace(span.context());
        let outcome = self.act(request, &caller, conversation).await;
        if let Err(error) = &outcome {
            span.fail(&error.code.to_string(), &error.message);
        }
        outcome
    }

    async fn act(
        &self,
        request: Request,
        caller: &Caller<'_>,
        conversation: Option<&Conversation>,
    ) -> Result<RawJson, ErrorObject> {
        let era = caller.era;
        if !self.0.view.may_act() && acts(&request.method) {
            let needed = "this needs the role `user`";
            return Err(ErrorObject::new(error_code::INVALID_REQUEST, needed));
        }
        match (&*request.method, conversation) {
            ("initialize", conversation) if era == Era::Legacy => {
                let params = params::<InitializeParams>(&request)?;
                let result = self.initialize(&params).await;
                if let Some(conversation) = conversation {
                    conversation.is_opened_with(params.capabilities);
                    conversation.is_measured();
                }
                write(&result)
            }
            ("ping", _) if era == Era::Legacy => write(&EmptyResult::default()),
            ("logging/setLevel", Some(conversation)) if era == Era::Legacy => {
                conversation.set_log_level(params::<SetLevelParams>(&request)?.level).await
            }
            ("resources/subscribe", Some(conversation)) if era == Era::Legacy => {
                let shown = caller.scope.request().and_then(|request| request.shown());
                let kind = shown.map(|shown| shown.kind);
                conversation.subscribe(params::<ResourceParams>(&request)?.uri, kind).await
            }
            ("resources/unsubscribe", Some(conversation)) if era == Era::Legacy => {
                conversation.unsubscribe(&params::<ResourceParams>(&request)?.uri)
            }
            ("server/discover", _) => write(&self.discover().await),
            ("subscriptions/listen", _) if era == Era::Modern => {
                self.listen(&request, caller).await
            }
            ("tools/list", _) => {
                let offered = self.ask(CatalogLists::TOOLS).await;
                let tools = offered.tools().into_iter();
                let tools = tools.map(|(server, name, tool)| {
                    let execution = tool.execution.clone().filter(|_| tasks::are_taken_by(server));
                    Tool { name, execution, ..tool.clone() }
                });
                let tools = tools.collect();
                finish!(ListToolsResult { tools, ..Default::default() }, era, uncached)
            }
            ("tools/call", _) => self.call_tool(params(&request)?, caller).await,
            ("prompts/list", _) => {
                let offered = self.ask(CatalogLists { prompts: true, ..NO_LISTS }).await;
                let prompts = offered.prompts().into_iter();
                let prompts =
                    prompts.map(|(_, name, prompt)| Prompt { name, ..prompt.clone() }).collect();
                finish!(ListPromptsResult { prompts, ..Default::default() }, era, uncached)
            }
            ("prompts/get", _) => self.get_prompt(params(&request)?, caller).await,
            ("resources/list", _) => {
                let offered = self.ask(CatalogLists { resources: true, ..NO_LISTS }).await;
                let resources = offered.resources().into_iter().cloned().collect();
                finish!(ListResourcesResult { resources, ..Default::default() }, era, uncached)
            }
            ("resources/templates/list", _) => {
                let offered = self.ask(CatalogLists { resources: true, ..NO_LISTS }).await;
                let resource_templates = offered.templates().into_iter().cloned().collect();
                let result =
                    ListResourceTemplatesResult { resource_templates, ..Default::default() };
                finish!(result, era, uncached)
            }
            ("resources/read", _) => self.read_resource(params(&request)?, caller).await,
            ("tasks/get" | "tasks/update" | "tasks/cancel", _) if era == Era::Modern => {
                self.answer_about_task(&request, caller).await
            }
            ("tasks/get" | "tasks/result" | "tasks/cancel", _) if era == Era::Legacy => {
                self.answer_about_legacy_task(&request, caller).await
            }
            ("tasks/list", _) if era == Era::Legacy => self.list_tasks(&request, caller).await,
            ("completion/complete", _) => self.complete(params(&request)?, caller).await,
            (method, _) => Err(no_method(method)),
        }
    }

    /// Has the connections begun that the caller has of their own.
    fn visit(&self, caller: &Caller<'_>) {
        let shown = caller.scope.request().and_then(|request| request.shown());
        self.0.own.visit(&self.0.view, shown);
    }

    /// What there is of a thing that is not known yet: whoever has it may not be connected to.
    async fn look_for(&self, lists: CatalogLists, caller: &Caller<'_>) -> Offered<'_> {
        self.visit(caller);
        self.ask(lists).await
    }

    fn servers(&self) -> impl Iterator<Item = Server> {
        self.0.own.servers(&self.0.view).into_iter()
    }

    /// The servers that the caller has no connection of their own to yet.
    fn unknown_servers(&self) -> impl Iterator<Item = Server> {
        self.servers().filter(|server| server.state() == StateKind::PerCaller)
    }

    /// Whether a name may be one of a server whose names are not known yet: another server's of the
    /// same name is not to be taken for it.
    fn may_be_of_unknown(&self, name: &str) -> bool {
        let begins = |server: &Server| {
            name.strip_prefix(server.name()).is_some_and(|rest| rest.starts_with("__"))
        };
        name.contains("__") && self.unknown_servers().any(|server| begins(&server))
    }

    /// The server of this name, or a replica, as it is for this principal.
    fn server(&self, name: &str) -> Option<Server> {
        self.0.own.named(name, &self.0.view.principal)
    }

    fn changes(&self) -> watch::Receiver<Counts> {
        let Shared { hub, own, view, pins, changes, .. } = &*self.0;
        changes.watch(hub, own, view, pins.as_ref())
    }

    fn announce_to(&self, conversation: &Arc<Conversation>) {
        let Shared { hub, own, view, pins, changes, .. } = &*self.0;
        changes.announce_to(hub, own, view, pins.as_ref(), conversation);
    }

    fn known(&self) -> Offered<'_> {
        Offered::known(&self.0.own, &self.0.view, self.0.pins.as_ref())
    }

    async fn ask(&self, lists: CatalogLists) -> Offered<'_> {
        let Shared { hub, own, view, pins, .. } = &*self.0;
        Offered::ask(hub, own, view, pins.as_ref(), lists).await
    }

    async fn initialize(&self, params: &InitializeParams) -> InitializeResult {
        let asked = &params.protocol_version;
        let is_ours = asked.is_supported() && asked.era() == Era::Legacy;
        InitializeResult {
            protocol_version: if is_ours { asked.clone() } else { ProtocolVersion::LATEST_LEGACY },
            capabilities: ServerCapabilities { tasks: self.legacy_tasks(), ..capabilities() },
            server_info: implementation(),
            instructions: self.ask(NO_LISTS).await.instructions(),
            meta: None,
        }
    }

    async fn discover(&self) -> DiscoverResult {
        let versions = ProtocolVersion::SUPPORTED.iter();
        DiscoverResult {
            supported_versions: versions.map(|version| version.as_str().to_owned()).collect(),
            capabilities: ServerCapabilities { extensions: self.extensions(), ..capabilities() },
            instructions: self.ask(NO_LISTS).await.instructions(),
            ttl_ms: Some(0),
            cache_scope: Some(CacheScope::Private),
            result_type: Some(ResultType::Complete),
            meta: Some(who()),
            server_info: None,
        }
    }
}

const NO_LISTS: CatalogLists = CatalogLists { tools: false, prompts: false, resources: false };

/// Whether a method is about one thing, which is looked for where it is not known, or about none.
fn is_about_one(method: &str) -> bool {
    const METHODS: [&str; 5] =
        ["ping", "tools/call", "prompts/get", "resources/read", "completion/complete"];
    METHODS.contains(&method)
}

/// Whether a method is more than a look at what there is.
fn acts(method: &str) -> bool {
    const LOOKS: [&str; 9] = [
        "initialize",
        "ping",
        "logging/setLevel",
        "server/discover",
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        "subscriptions/listen",
    ];
    !LOOKS.contains(&method)
}

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

fn failed(error: &ServerError) -> ErrorObject {
    match refusal(error) {
        Some(object) => object.clone(),
        None => ErrorObject::new(error_code::INTERNAL_ERROR, problem::chain(error)),
    }
}

fn no_method(method: &str) -> ErrorObject {
    ErrorObject::new(error_code::METHOD_NOT_FOUND, format!("there is no method `{method}`"))
}

fn unknown(what: &str, name: &str) -> ErrorObject {
    ErrorObject::new(error_code::INVALID_PARAMS, format!("there is no {what} `{name}`"))
}

fn capabilities() -> ServerCapabilities {
    let list = || ListCapability { list_changed: true };
    ServerCapabilities {
        tools: Some(list()),
        prompts: Some(list()),
        resources: Some(ResourcesCapability { subscribe: true, list_changed: true }),
        completions: Some(OfferedCapability::default()),
        logging: Some(OfferedCapability::default()),
        ..ServerCapabilities::default()
    }
}

impl fmt::Debug for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aggregate").field("view", &self.0.view).finish_non_exhaustive()
    }
}
