//! Many MCP servers behind one address: as one MCP server, over REST, and as a chat that uses their
//! tools.
//!
//! [`Service::router`] is an axum router, to be served alone or inside another program:
//!
//! ```no_run
//! use mcp_agent::service::{Service, ServiceOptions};
//! use mcp_client::config::{ServerConfig, TransportConfig};
//!
//! # async fn example() -> std::io::Result<()> {
//! let notes = ServerConfig::new("notes", TransportConfig::Http {
//!     url: "http://127.0.0.1:8000/mcp".into(),
//!     headers: [].into(),
//! });
//! let service = Service::start(vec![notes], ServiceOptions::new());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:7777").await?;
//! service.serve(listener, std::future::pending()).await
//! # }
//! ```
//!
//! | Request | What it does |
//! |---|---|
//! | `/` | the dashboard, a page for people |
//! | `/mcp` | all servers as one MCP server, for clients of either lifecycle |
//! | `/servers/{name}/mcp` | one server, under its own names |
//! | `GET /mcp/servers`, `GET /mcp/servers/status` | every server: state, reason, latency, use |
//! | `POST /mcp/servers` | adds a server that is reached by URL, or of a [template](ServerTemplate) |
//! | `GET /mcp/servers/{name}` | the same of one, with the last lines of its standard error |
//! | `PATCH /mcp/servers/{name}` | switches it on or off |
//! | `DELETE /mcp/servers/{name}` | ends and forgets it |
//! | `POST /mcp/servers/{name}/restart` | starts it anew, whatever it is doing |
//! | `GET /mcp/servers/{name}/drift`, `POST …/drift/accept` | tools that are not as they were agreed to |
//! | `GET /mcp/tools?server_name=` | the tools, of all servers or of one |
//! | `POST /mcp/tools/call` | calls one; with `Accept: text/event-stream`, progress comes first |
//! | `GET /mcp/resources?server_name=`, `POST /mcp/resources/read` | the same for resources |
//! | `GET /mcp/prompts?server_name=`, `POST /mcp/prompts/get` | the same for prompts |
//! | `POST /mcp/plans/validate`, `/run`, `/resume` | steps of tool calls that use each other's results |
//! | `GET /mcp/conversations`, `GET` and `DELETE /mcp/conversations/{name}` | what a store keeps |
//! | `GET …/{name}/export`, `POST …/{name}/fork` | a conversation in Markdown, and under another name |
//! | `GET /v1/models`, `POST /v1/chat/completions`, `POST /v1/responses` | OpenAI-compatible chat |
//! | `GET /v1/responses/{id}`, `DELETE /v1/responses/{id}` | an answer that is kept |
//! | `GET /mcp/logins`, `POST /mcp/logins`, `DELETE /mcp/logins/{server}` | what whoever asks is logged in to, an address to log in at, and the end of it |
//! | `/connect/…` | the pages of such a login |
//! | `GET /mcp/events` | what happens to servers and calls, as server-sent events |
//! | `GET /openapi.json` | all of this but MCP, for programs |
//! | `GET /metrics` | counters of all servers, for Prometheus |
//! | `GET /healthz`, `GET /readyz` | for those who watch over the process; the second one also says whether what replicas share is there |
//!
//! Every request but the last two and the dashboard's files needs the token, an API key, or a JSON
//! Web Token of an issuer that is trusted, where any of them is set; what it may do is said by
//! [`Role`] and [`AccessRules`], and tools that somebody may not call are not there for them. The
//! dashboard takes the token from the fragment of its address, `/#token=…`. None is answered for a
//! foreign `Host` or a page of a foreign `Origin`. Errors are [`Problem`]s. A server that is a
//! command can only be configured, or be started of a template that the operator allows.

mod access;
mod admission;
mod aggregate;
mod answer_terms;
mod belongings;
mod call_stream;
mod carrying;
mod chat;
mod chat_logins;
mod chat_noting;
mod chat_reply;
mod chat_request;
mod chat_run;
mod client_tools;
mod common_pins;
mod conversations;
mod dashboard;
mod drift;
mod events;
mod exchanges;
mod followed;
mod health;
mod journal;
mod limits;
mod listed_tools;
mod listen;
mod listing;
mod logins;
mod mcp_endpoint;
mod noted_tools;
mod on_behalf;
mod openapi;
mod own_servers;
mod patience;
mod plans;
mod problem;
mod prompts;
mod read_json;
mod resources;
mod responses;
mod running;
mod sampling;
mod scope;
mod server_entry;
mod server_report;
mod servers;
mod serving;
mod shared_servers;
mod shown_token;
mod strict_json;
mod templates;
mod tool_pins;
mod tools;
mod traced_model;
mod view;
mod waiting_calls;

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{self, Next},
    response::Response,
    routing::{any, delete, get, post},
};
use mcp_client::{
    CatalogLists, Hub, HubOptions, Secret, Tasks, config::ServerConfig, oauth::TokenStore,
};
use mcp_transport::serve::{Guard, HttpServeConfig, SessionKeys};
use tokio::{sync::Semaphore, task::JoinSet};

use self::{
    access::Access,
    admission::Admission,
    aggregate::{Aggregate, Many},
    exchanges::Exchanges,
    journal::Journal,
    listed_tools::ListedTools,
    logins::{LoginPlace, LoginStore, Logins},
    mcp_endpoint::Endpoints,
    on_behalf::OnBehalf,
    own_servers::OwnServers,
    shared_servers::SharedServers,
    templates::Templates,
    view::View,
};
pub use self::{
    access::{
        AccessRules, AccessSettings, ApiKey, Grant, InvalidAccess, JwtAlgorithm, JwtIssuer,
        KeyDigest, Principal, Role, Ruling, random_token,
    },
    chat::ChatOptions,
    limits::ServiceLimits,
    problem::{Problem, ProblemCode},
    templates::{InvalidTemplate, ServerTemplate},
    tool_pins::ToolPins,
};
use crate::{
    caller::ServerCaller,
    layers::Trust,
    shared::Companion,
    spans::Spans,
    stack::{Stack, StackOptions},
    store::{ServerStore, Store, TurnStore},
};

/// How a [`Service`] behaves.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ServiceOptions {
    hub: HubOptions,
    guard: Guard,
    token: Option<Secret>,
    trusted: AccessSettings,
    limits: ServiceLimits,
    chat: Option<ChatOptions>,
    layers: StackOptions,
    session_keys: Option<SessionKeys>,
    spans: Option<Arc<dyn Spans>>,
    passes_baggage: bool,
    templates: Arc<Templates>,
    companions: Vec<Arc<dyn Companion>>,
    conversations: Option<Arc<dyn Store>>,
    servers: Option<Arc<dyn ServerStore>>,
    turns: Option<Arc<dyn TurnStore>>,
    logins: LoginStore,
    pins: Option<ToolPins>,
}

impl ServiceOptions {
    /// For clients on this machine, without a token and without chat.
    pub fn new() -> Self {
        Self::default()
    }

    /// How servers are started and kept.
    pub fn hub(mut self, options: HubOptions) -> Self {
        self.hub = options;
        self
    }

    /// Which hosts and origins are answered. Default: those of this machine.
    pub fn guard(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// What requests must carry as `Authorization: Bearer …`. Whoever has it may do everything.
    pub fn token(mut self, token: Secret) -> Self {
        self.token = Some(token);
        self
    }

    /// Who is let in beside the one with the token, and for what. See [`AccessSettings::check`].
    pub fn access(mut self, settings: AccessSettings) -> Self {
        self.trusted = settings;
        self
    }

    /// The largest body of a request, in bytes. Default: 4 MiB.
    pub fn max_body_bytes(mut self, limit: usize) -> Self {
        self.limits.body_bytes = limit;
        self
    }

    /// How much is taken on.
    pub fn limits(mut self, limits: ServiceLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Seals the ids of legacy sessions, so that every process with the same keys serves them.
    /// Without, this process makes its own.
    pub fn session_keys(mut self, keys: SessionKeys) -> Self {
        self.session_keys = Some(keys);
        self
    }

    /// Who hears of what requests lead to. Without, traces of others are handed on as they came.
    pub fn spans(mut self, spans: impl Spans + 'static) -> Self {
        self.spans = Some(Arc::new(spans));
        self
    }

    /// Hands on the `baggage` of requests to the servers that they lead to. It may tell of the
    /// client, and does not go on otherwise.
    pub fn pass_baggage(mut self) -> Self {
        self.passes_baggage = true;
        self
    }

    /// Lets administrators start servers of these commands over HTTP. Without, a server that is a
    /// command can only be configured.
    ///
    /// # Errors
    /// A template cannot work.
    pub fn templates(mut self, templates: &[ServerTemplate]) -> Result<Self, InvalidTemplate> {
        self.templates = Arc::new(Templates::new(templates)?);
        Ok(self)
    }

    /// Says in `/readyz` whether something that replicas share is there. The service is ready
    /// without it.
    pub fn companion(mut self, companion: impl Companion) -> Self {
        self.companions.push(Arc::new(companion));
        self
    }

    /// What happens to every call of a tool, a resource or a prompt on its way to its server.
    pub fn layers(mut self, layers: StackOptions) -> Self {
        self.layers = layers;
        self
    }

    /// Shows the conversations of this store under `/mcp/conversations`, to [operators](Role::Operator),
    /// who may also copy and delete them.
    pub fn conversations(mut self, store: impl Store + 'static) -> Self {
        self.conversations = Some(Arc::new(store));
        self
    }

    /// Keeps the servers that are added over REST in this store, so that they are there after a
    /// restart too, and at all replicas with the same store. What was configured goes before a
    /// server of the same name. The service is not ready before it has seen what is kept.
    pub fn servers(mut self, store: impl ServerStore) -> Self {
        self.servers = Some(Arc::new(store));
        self
    }

    /// Keeps the answers of `/v1/responses`, and the turns that wait for a client to run its own
    /// tools, in this store, so that a later request goes on from them after a restart too, and at
    /// all replicas with the same store. Without, they are kept in memory.
    pub fn turns(mut self, store: impl TurnStore) -> Self {
        self.turns = Some(Arc::new(store));
        self
    }

    /// Keeps the tokens of callers who log in, at servers whose configuration says that each does
    /// ([`ServerConfig::wants_login_of_callers`]), in this store. Without, they are kept in memory,
    /// and everybody logs in anew after a restart.
    pub fn logins(mut self, store: Arc<dyn TokenStore>) -> Self {
        self.logins = LoginStore { store, is_shared: false };
        self
    }

    /// As [`logins`](Self::logins), in a store that other replicas have too. They need the same
    /// [`session_keys`](Self::session_keys).
    pub fn shared_logins(mut self, store: Arc<dyn TokenStore>) -> Self {
        self.logins = LoginStore { store, is_shared: true };
        self
    }

    /// Offers tools as they were agreed to, or not at all. Without, they are offered as they are.
    pub fn pins(mut self, pins: ToolPins) -> Self {
        self.pins = Some(pins);
        self
    }

    /// Offers `/v1` with this model.
    pub fn chat(mut self, chat: ChatOptions) -> Self {
        self.chat = Some(chat);
        self
    }
}

/// Many servers behind one address. Cloning gives another handle to the same service; its servers
/// end with the last one.
#[derive(Clone)]
pub struct Service(Arc<Shared>);

struct Shared {
    hub: Hub,
    own: OwnServers,
    logins: Logins,
    place: Arc<LoginPlace>,
    stack: Stack,
    access: Arc<Access>,
    limits: ServiceLimits,
    admission: Arc<Admission>,
    /// Whether the service was told to stop.
    leaving: AtomicBool,
    chat: Option<ChatOptions>,
    spans: Option<Arc<dyn Spans>>,
    passes_baggage: bool,
    templates: Arc<Templates>,
    /// For the chat and for plans.
    tools: ListedTools,
    conversations: Option<Arc<dyn Store>>,
    /// Those that all replicas have.
    common: Option<SharedServers>,
    endpoints: Endpoints,
    journal: Arc<Journal>,
    companions: Vec<Arc<dyn Companion>>,
    /// How many more may watch the journal.
    watchers: Arc<Semaphore>,
    /// Ends with the service.
    _following: JoinSet<()>,
}

impl Service {
    /// Starts the servers, and returns at once.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(servers: Vec<ServerConfig>, mut options: ServiceOptions) -> Self {
        Self::prepare(&mut options.hub);
        let hub = Hub::start(servers, &options.hub);
        Self::of_hub(hub, options)
    }

    /// Prepares the options of a hub that is for a service: what servers ask is for those who call
    /// them through it, and so is the trace of their calls; and tasks are taken in place of results.
    /// [`Service::start`] does so itself.
    pub fn prepare(options: &mut HubOptions) {
        options.client.questions_per_call();
        options.client.extension(Tasks);
        scope::hand_on(options);
    }

    /// Puts servers that are running already behind one address. The hub's own options hold; see
    /// [`prepare`](Self::prepare).
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn of_hub(hub: Hub, options: ServiceOptions) -> Self {
        let ServiceOptions { guard, token, trusted, limits, chat, layers, conversations, .. } =
            options;
        if layers.trust != Trust::Nobody {
            // What servers say of their tools matters, so it is known before the first call.
            hub.keep_catalogs(CatalogLists::TOOLS);
        }
        let (spans, passes_baggage) = (options.spans, options.passes_baggage);
        let guard = access::known_publicly(guard, &trusted);
        let keys = session_keys(options.session_keys);
        let access = Arc::new(Access::new(guard.clone(), token, &trusted, keys.clone()));
        let place = Arc::new(LoginPlace::new(&access, options.logins));
        let own = OwnServers::new(&hub, &place, &limits);
        let logins = Logins::new(&own, &place, keys.clone());
        let caller = ServerCaller::of_hub(hub.clone());
        let servers = Exchanges::new(caller, &logins, spans.clone());
        let layers = layers.principals(scope::principal_id).observer(scope::CallNotes);
        let layers = layers.middleware(OnBehalf::new(&hub, &own, &logins));
        let stack = Stack::new(servers, &layers);
        let chat = match &spans {
            Some(spans) => chat.map(|chat| chat.traced(spans)),
            None => chat,
        };
        let chat = match &options.turns {
            Some(store) => chat.map(|chat| chat.kept_in(store)),
            None => chat,
        };
        let journal = Arc::new(Journal::new());
        let endpoint = endpoint(&guard, &limits, keys.clone());
        if options.pins.is_some() {
            hub.keep_catalogs(CatalogLists::TOOLS);
        }
        let pins = options.pins.map(|pins| pins.told_to(&hub));
        let (told, idle) = (spans.clone(), limits.session_idle);
        let many = Many::new(&logins, &stack, &journal, told, keys, pins.clone(), &access, idle);
        let endpoints = Endpoints::new(many, endpoint);
        let mut following = journal::follow(&journal, &hub);
        if let Some(pins) = pins {
            let hub = hub.clone();
            following.spawn(async move { pins.follow(&hub).await });
        }
        following.spawn(own.clone().follow());
        following.spawn(own.clone().follow_logins());
        let common = options.servers.map(|store| SharedServers::new(store, &hub));
        Self(Arc::new(Shared {
            hub,
            own,
            logins,
            place,
            stack,
            access,
            admission: Arc::new(Admission::new(&limits)),
            limits,
            leaving: AtomicBool::new(false),
            chat,
            spans,
            passes_baggage,
            templates: options.templates,
            tools: ListedTools::default(),
            conversations,
            common,
            endpoints,
            journal,
            companions: options.companions,
            watchers: Arc::new(Semaphore::new(events::WATCHERS)),
            _following: following,
        }))
    }

    /// All servers as one MCP server, to be served over any transport, such as
    /// [`serve::stdio`](mcp_transport::serve::stdio()).
    pub fn mcp(&self) -> impl mcp_transport::serve::Service {
        Aggregate::new(self.0.endpoints.many(), View::of_owner())
    }

    /// Lets others in from now on, in place of those of [`ServiceOptions::access`]. What is open
    /// for somebody who is not let in any more ends.
    pub fn set_access(&self, settings: &AccessSettings) {
        self.0.access.replace(settings);
        let trusted = self.access();
        self.0.endpoints.keep(|principal| trusted.still_knows(principal));
        self.0.own.keep(move |principal| trusted.still_knows(principal));
        self.0.logins.keep();
    }

    fn access(&self) -> Arc<access::Authority> {
        self.0.access.trusted()
    }

    /// The servers.
    pub fn hub(&self) -> &Hub {
        &self.0.hub
    }

    fn pins(&self) -> Option<&ToolPins> {
        self.0.endpoints.many().pins()
    }

    /// Has it agreed with other replicas what all servers offer, before it is listed.
    async fn settle_pins(&self, view: &View) {
        if let Some(pins) = self.pins() {
            self.own_are_ready(view).await;
            pins.settle_all(self.0.own.servers(view)).await;
        }
    }

    /// The layers that calls go through.
    pub fn stack(&self) -> &Stack {
        &self.0.stack
    }

    /// Everything that the service answers, to be served or to be put into another router.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/mcp", any(mcp_endpoint::all))
            .route("/servers/{name}/mcp", any(mcp_endpoint::one))
            .route("/mcp/servers", get(servers::status).post(servers::add))
            .route("/mcp/servers/status", get(servers::status))
            .route(
                "/mcp/servers/{name}",
                get(servers::one).patch(servers::switch).delete(servers::remove),
            )
            .route("/mcp/servers/{name}/restart", post(servers::restart))
            .route("/mcp/servers/{name}/drift", get(drift::show))
            .route("/mcp/servers/{name}/drift/accept", post(drift::accept))
            .route("/mcp/logins", get(logins::list).post(logins::create))
            .route("/mcp/logins/{server}", delete(logins::log_out))
            .route("/connect/{id}", get(logins::page).post(logins::begin))
            .route("/connect/{id}/wanted", get(logins::look))
            .route("/connect/{id}/sign-in", post(logins::begin_sign_in))
            .route("/connect/issuers", get(logins::issuers))
            .route("/connect/callback", get(logins::answer))
            .route("/connect/signed-in", get(logins::signed_in_answer))
            .route("/connect/client", get(logins::client))
            .route("/mcp/events", get(events::stream))
            .route("/mcp/tools", get(tools::list))
            .route("/mcp/tools/call", post(tools::call))
            .route("/mcp/resources", get(resources::list))
            .route("/mcp/resources/read", post(resources::read))
            .route("/mcp/prompts", get(prompts::list))
            .route("/mcp/prompts/get", post(prompts::get))
            .route("/mcp/plans/validate", post(plans::validate))
            .route("/mcp/plans/run", post(plans::run))
            .route("/mcp/plans/resume", post(plans::resume))
            .route("/mcp/conversations", get(conversations::list))
            .route(
                "/mcp/conversations/{name}",
                get(conversations::show).delete(conversations::remove),
            )
            .route("/mcp/conversations/{name}/export", get(conversations::export))
            .route("/mcp/conversations/{name}/fork", post(conversations::fork))
            .route("/v1/models", get(chat::models))
            .route("/v1/chat/completions", post(chat::completions))
            .route("/v1/responses", post(responses::create))
            .route("/v1/responses/{id}", get(responses::retrieve).delete(responses::delete))
            .route("/", get(dashboard::page))
            .route("/dashboard/{file}", get(dashboard::file))
            .route("/openapi.json", get(openapi::document))
            .route("/metrics", get(health::metrics))
            .route(access::challenge::METADATA, get(access::challenge::metadata))
            .route(
                &format!("{}/{{*endpoint}}", access::challenge::METADATA),
                get(access::challenge::metadata),
            )
            .route("/healthz", get(health::alive))
            .route("/readyz", get(health::ready))
            .fallback(health::nothing_here)
            .method_not_allowed_fallback(health::no_such_method)
            // What is larger was refused before.
            .layer(DefaultBodyLimit::disable())
            .layer(middleware::from_fn_with_state(self.clone(), let_in))
            .with_state(self.clone())
    }
}

/// What every request goes through, outside in: one layer, since each costs every call its boxes.
async fn let_in(State(service): State<Service>, request: Request, next: Next) -> Response {
    let Shared { access, admission, .. } = &*service.0;
    let admitted = |request| admission::admit(admission, request, |request| next.run(request));
    let checked = |request| access::check(access, request, admitted);
    followed::follow(&service, request, checked).await
}

fn endpoint(guard: &Guard, limits: &ServiceLimits, keys: Option<SessionKeys>) -> HttpServeConfig {
    let config = HttpServeConfig::new()
        .guard(guard.clone())
        .max_body_bytes(limits.body_bytes)
        .max_sessions(limits.sessions)
        .session_idle(limits.session_idle);
    match keys {
        Some(keys) => config.session_keys(keys),
        None => config,
    }
}

fn session_keys(given: Option<SessionKeys>) -> Option<SessionKeys> {
    match given.map_or_else(SessionKeys::random, Ok) {
        Ok(keys) => Some(keys),
        Err(error) => {
            tracing::warn!(%error, "all sessions are kept in memory, and no task is handed out");
            None
        }
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("hub", &self.0.hub).finish_non_exhaustive()
    }
}
