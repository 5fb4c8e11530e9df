//! One call to a server, as the layers see it on its way.

mod clock;
mod dialog;
mod error;
mod login_required;
mod rounds;
mod servers;
mod tasks;
#[cfg(feature = "tower")]
mod tower;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use mcp_client::{Identity, Server};
use mcp_protocol::{
    input_required::InputRequired,
    logging::{LoggingLevel, LoggingMessageParams},
    prompts::GetPromptResult,
    raw::RawJson,
    resources::ReadResourceResult,
    tasks::legacy::TaskMetadata,
    tools::{CallToolResult, ToolAnnotations},
};
use serde_json::{Map, Value};

pub(crate) use self::error::Verdict;
#[cfg(feature = "tower")]
pub use self::tower::CallService;
pub use self::{
    clock::CallClock,
    dialog::{Answers, Dialog, QuestionSink},
    error::{CallError, TimeScope},
    login_required::LoginRequired,
    servers::ServerCaller,
    tasks::BegunTask,
};
use crate::{layers::Chooser, model::BoxFuture, toolbox::ProgressSink};

/// Whatever takes a call and gives its reply: a server, or a layer around one.
///
/// Callers are composed with [`tower_layer::Layer`], so `tower::ServiceBuilder` works. The seam is
/// not `tower::Service`: a call needs neither `poll_ready` nor `&mut self`.
///
/// ```
/// use mcp_agent::caller::{Answer, Call, CallError, Caller, Reply};
///
/// /// Answers everything itself.
/// struct Parrot;
///
/// impl Caller for Parrot {
///     async fn call(&self, _: Call) -> Result<Reply, CallError> {
///         Ok(Reply::new(Answer::Pong))
///     }
/// }
/// ```
pub trait Caller: Send + Sync {
    /// Makes the call.
    ///
    /// # Errors
    /// There is no reply; the error says whether the server may have seen the call. A tool that
    /// says `isError` has replied.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the call; the server is told, and all that the call held on
    /// its way (a place, a probe) is free again.
    fn call(&self, call: Call) -> impl Future<Output = Result<Reply, CallError>> + Send;

    /// Who chooses among the replicas of its servers, if some have any. A
    /// [`Stack`](crate::stack::Stack) asks for this once.
    fn chooser(&self) -> Option<Arc<dyn Chooser>> {
        None
    }

    /// Who can tell which server stands behind a name, where that can become another. A
    /// [`Stack`](crate::stack::Stack) asks for this once.
    fn identities(&self) -> Option<Identities> {
        None
    }
}

/// Tells who stands behind the name of a server now, as [`Hub::identity`](mcp_client::Hub::identity)
/// does. Asked for every call: it must be quick.
pub type Identities = Arc<dyn Fn(&str) -> Option<Identity> + Send + Sync>;

impl<C: Caller + ?Sized> Caller for Arc<C> {
    fn call(&self, call: Call) -> impl Future<Output = Result<Reply, CallError>> + Send {
        (**self).call(call)
    }

    fn chooser(&self) -> Option<Arc<dyn Chooser>> {
        (**self).chooser()
    }

    fn identities(&self) -> Option<Identities> {
        (**self).identities()
    }
}

/// A caller of any type. Its futures are boxed.
#[derive(Clone)]
pub struct SharedCaller(Arc<dyn Boxed>);

trait Boxed: Send + Sync {
    fn call_boxed(&self, call: Call) -> BoxFuture<'_, Result<Reply, CallError>>;
    fn its_chooser(&self) -> Option<Arc<dyn Chooser>>;
    fn its_identities(&self) -> Option<Identities>;
}

impl<C: Caller> Boxed for C {
    fn call_boxed(&self, call: Call) -> BoxFuture<'_, Result<Reply, CallError>> {
        Box::pin(self.call(call))
    }

    fn its_chooser(&self) -> Option<Arc<dyn Chooser>> {
        self.chooser()
    }

    fn its_identities(&self) -> Option<Identities> {
        self.identities()
    }
}

impl SharedCaller {
    /// Hides the type of a caller.
    pub fn new(caller: impl Caller + 'static) -> Self {
        Self(Arc::new(caller))
    }
}

impl Caller for SharedCaller {
    fn call(&self, call: Call) -> impl Future<Output = Result<Reply, CallError>> + Send {
        self.0.call_boxed(call)
    }

    fn chooser(&self) -> Option<Arc<dyn Chooser>> {
        self.0.its_chooser()
    }

    fn identities(&self) -> Option<Identities> {
        self.0.its_identities()
    }
}

impl fmt::Debug for SharedCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedCaller").finish_non_exhaustive()
    }
}

/// Hears what a server logs because of a call. Runs inside the call: it must not block.
pub type LogSink = Arc<dyn Fn(LoggingMessageParams) + Send + Sync>;

/// A call on its way to a server. Cloning is cheap, and the clone is the same call: its clock and
/// its progress are shared.
#[derive(Clone)]
#[non_exhaustive]
pub struct Call {
    /// The server, as configured.
    pub server: Arc<str>,
    /// Who stood behind that name when the call began; a [`Stack`](crate::stack::Stack) fills it in.
    /// What was kept of another is not used for it.
    pub identity: Identity,
    /// Which of the server's replicas takes the call, by its name in the hub; whoever balances
    /// chooses one.
    pub replica: Option<Arc<str>>,
    /// The server as it is for the one on whose behalf the call is made, where each caller has a
    /// connection of their own; that one takes the call.
    pub(crate) own: Option<Server>,
    /// What the call belongs to, such as a conversation: a server that keeps a state between calls
    /// gets those of one key at the same replica.
    pub affinity: Option<Arc<str>>,
    /// What is asked of it.
    pub operation: Arc<Operation>,
    /// On whose behalf, where one program calls for several. What one may read is never given to
    /// another.
    pub partition: Option<Arc<str>>,
    /// What the server says of the tool. Untrusted.
    pub hints: ToolHints,
    /// How long it may take.
    pub limits: CallLimits,
    /// Hears how far the tool is.
    pub progress: Option<ProgressSink>,
    /// Hears what the server logs with the call; the client's own handler does when `None`.
    pub log: Option<LogSink>,
    /// Asks for log messages of this level and above with the call. Legacy servers know it only for
    /// the whole connection, and are not asked.
    pub log_level: Option<LoggingLevel>,
    /// Who answers what the server asks during the call; the client's own callbacks when `None`.
    pub dialog: Option<Arc<Dialog>>,
    /// Has the call of a tool run as a task, and hands out the task: for tools of legacy servers
    /// that can. A modern server decides by itself, if a [`Dialog`] of rounds declares the extension.
    pub task: Option<TaskMetadata>,
    /// Entries for the `_meta` of the request.
    pub meta: Vec<(Arc<str>, RawJson)>,
    /// What happened to the call so far.
    pub clock: Arc<CallClock>,
}

/// What is asked of a server.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Operation {
    /// `tools/call`
    CallTool {
        /// As the server calls it.
        name: Arc<str>,
        /// As the tool's schema wants them.
        arguments: Map<String, Value>,
    },
    /// `resources/read`
    ReadResource {
        /// Which one.
        uri: Arc<str>,
    },
    /// `prompts/get`
    GetPrompt {
        /// As the server calls it.
        name: Arc<str>,
        /// All are texts.
        arguments: Vec<(String, String)>,
    },
    /// A sign of life.
    Ping,
}

impl Operation {
    /// The method of the protocol.
    pub fn method(&self) -> &'static str {
        match self {
            Self::CallTool { .. } => "tools/call",
            Self::ReadResource { .. } => "resources/read",
            Self::GetPrompt { .. } => "prompts/get",
            Self::Ping => "ping",
        }
    }

    /// The tool, the resource or the prompt.
    pub fn target(&self) -> &str {
        match self {
            Self::CallTool { name, .. } | Self::GetPrompt { name, .. } => name,
            Self::ReadResource { uri } => uri,
            Self::Ping => "",
        }
    }

    /// The tool, if one is called.
    pub fn tool(&self) -> Option<&str> {
        match self {
            Self::CallTool { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Whether the protocol itself says that it changes nothing.
    pub fn is_read(&self) -> bool {
        !matches!(self, Self::CallTool { .. })
    }
}

/// What a server says of its tool. Untrusted; absent means no.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ToolHints {
    /// It changes nothing.
    pub read_only: bool,
    /// To call it twice is the same as once.
    pub idempotent: bool,
}

impl From<&ToolAnnotations> for ToolHints {
    fn from(annotations: &ToolAnnotations) -> Self {
        Self {
            read_only: annotations.read_only_hint == Some(true),
            idempotent: annotations.idempotent_hint == Some(true),
        }
    }
}

/// How long a call may take; `None` leaves it to what is configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallLimits {
    /// The longest silence of the server; progress starts it anew.
    pub idle: Option<Duration>,
    /// The longest time in all, waits and repetitions included.
    pub total: Option<Duration>,
}

impl Call {
    /// A call of a server.
    pub fn new(server: impl Into<Arc<str>>, operation: Operation) -> Self {
        Self {
            server: server.into(),
            identity: Identity::default(),
            replica: None,
            own: None,
            affinity: None,
            operation: Arc::new(operation),
            partition: None,
            hints: ToolHints::default(),
            limits: CallLimits::default(),
            progress: None,
            log: None,
            log_level: None,
            dialog: None,
            task: None,
            meta: Vec::new(),
            clock: Arc::default(),
        }
    }

    /// A call of a tool.
    pub fn tool(
        server: impl Into<Arc<str>>,
        name: impl Into<Arc<str>>,
        arguments: Map<String, Value>,
    ) -> Self {
        Self::new(server, Operation::CallTool { name: name.into(), arguments })
    }

    /// Hears how far the tool is.
    #[must_use]
    pub fn on_progress(mut self, sink: ProgressSink) -> Self {
        self.progress = Some(sink);
        self
    }

    /// Hears what the server logs with the call.
    #[must_use]
    pub fn on_log(mut self, sink: LogSink) -> Self {
        self.log = Some(sink);
        self
    }

    /// Who answers what the server asks during the call.
    #[must_use]
    pub fn dialog(mut self, dialog: Dialog) -> Self {
        self.dialog = Some(Arc::new(dialog));
        self
    }

    /// Has the call of a tool run as a task; see [`task`](Self::task).
    #[must_use]
    pub fn as_task(mut self, task: TaskMetadata) -> Self {
        self.task = Some(task);
        self
    }

    /// Asks for log messages of this level and above with the call.
    #[must_use]
    pub fn log_level(mut self, level: LoggingLevel) -> Self {
        self.log_level = Some(level);
        self
    }

    /// What the server says of the tool.
    #[must_use]
    pub fn hints(mut self, hints: ToolHints) -> Self {
        self.hints = hints;
        self
    }

    /// On whose behalf.
    #[must_use]
    pub fn partition(mut self, partition: impl Into<Arc<str>>) -> Self {
        self.partition = Some(partition.into());
        self
    }

    /// What the call belongs to; see [`affinity`](Self::affinity).
    #[must_use]
    pub fn belonging_to(mut self, key: impl Into<Arc<str>>) -> Self {
        self.affinity = Some(key.into());
        self
    }

    /// The longest time in all.
    #[must_use]
    pub fn at_most(mut self, total: Duration) -> Self {
        self.limits.total = Some(total);
        self
    }

    /// The longest silence of the server.
    #[must_use]
    pub fn idle_at_most(mut self, idle: Duration) -> Self {
        self.limits.idle = Some(idle);
        self
    }
}

impl fmt::Debug for Call {
    /// Without arguments, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("server", &self.server)
            .field("method", &self.operation.method())
            .field("target", &self.operation.target())
            .finish_non_exhaustive()
    }
}

/// The reply to a call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reply {
    /// What the server said.
    pub answer: Answer,
    /// Whether it said so to an earlier call.
    pub from_cache: bool,
}

/// What a server answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// To [`Operation::CallTool`].
    Tool(Arc<CallToolResult>),
    /// To [`Operation::ReadResource`].
    Resource(Arc<ReadResourceResult>),
    /// To [`Operation::GetPrompt`].
    Prompt(Arc<GetPromptResult>),
    /// To [`Operation::Ping`].
    Pong,
    /// The server asks something first, and the call's [`Dialog`] is one of rounds.
    Asked(Arc<InputRequired>),
    /// The call of a tool goes on as a task.
    Task(Arc<BegunTask>),
}

impl Reply {
    /// A reply of the server itself.
    pub fn new(answer: Answer) -> Self {
        Self { answer, from_cache: false }
    }

    /// Whether a tool says that it failed.
    pub fn is_error(&self) -> bool {
        matches!(&self.answer, Answer::Tool(result) if result.is_error)
    }

    /// The result of a tool, if it is one.
    pub fn into_tool(self) -> Option<CallToolResult> {
        match self.answer {
            Answer::Tool(result) => Some(Arc::unwrap_or_clone(result)),
            _ => None,
        }
    }
}

impl From<CallToolResult> for Reply {
    fn from(result: CallToolResult) -> Self {
        Self::new(Answer::Tool(Arc::new(result)))
    }
}
