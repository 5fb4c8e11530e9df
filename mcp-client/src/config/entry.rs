//! A server as it is written down, before its variables are looked up.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use mcp_transport::http::Reach;
use serde::{Deserialize, Serialize};

use super::{
    Dialect, ExchangeEntry, Origin, Problem, ReplicasEntry, SandboxEntry, Template, Variable,
    glob_matches,
};
use crate::EraChoice;

/// One entry of a file, in any dialect.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ServerEntry {
    /// The key in the file: unique, and what people call the server.
    pub name: String,
    /// A name for display.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Where the entry stands.
    pub origin: Origin,
    /// Whose way of writing it is.
    pub dialect: Dialect,
    /// How to reach the server.
    pub transport: TransportEntry,
    /// The other endpoints that do the same.
    pub replicas: Option<ReplicasEntry>,
    /// Whether to start it.
    pub enabled: bool,
    /// Whether nothing should begin without it.
    pub required: bool,
    /// Which lifecycle to speak.
    pub era: EraChoice,
    /// The limit for starting.
    pub startup_timeout: Option<Duration>,
    /// The limit for one call without a sign of life.
    pub call_timeout: Option<Duration>,
    /// How many of its calls may run at a time.
    pub max_concurrent_calls: Option<usize>,
    /// Which of its tools are offered.
    pub tools: ToolChoice,
    /// A prefix for its tools' names.
    pub tool_prefix: Option<String>,
    /// URI patterns of the resources to follow.
    pub resources: Vec<String>,
    /// The bounds around a child process.
    pub sandbox: Option<SandboxEntry>,
    /// `reach`: which addresses a URL may lead to.
    pub reach: Reach,
    /// How to log in, where the file says so.
    pub oauth: Option<OAuthEntry>,
    /// What the file says of the inputs that the entry uses, where nobody is asked for them.
    pub input_defaults: BTreeMap<String, String>,
    /// What nobody here understands; kept, so that it can be written back.
    pub unknown: serde_json::Map<String, serde_json::Value>,
}

impl ServerEntry {
    /// An entry with default settings, in our own dialect.
    pub fn new(name: impl Into<String>, transport: TransportEntry, origin: Origin) -> Self {
        Self {
            name: name.into(),
            title: None,
            description: None,
            origin,
            dialect: Dialect::ClaudeCode,
            transport,
            replicas: None,
            enabled: true,
            required: false,
            era: EraChoice::Auto,
            startup_timeout: None,
            call_timeout: None,
            max_concurrent_calls: None,
            tools: ToolChoice::default(),
            tool_prefix: None,
            resources: Vec::new(),
            sandbox: None,
            reach: Reach::Anywhere,
            oauth: None,
            input_defaults: BTreeMap::new(),
            unknown: serde_json::Map::new(),
        }
    }

    /// Takes from the file's inputs the defaults of those that the entry uses.
    pub(super) fn default_inputs(&mut self, inputs: &[Input]) {
        let used = self.variables().into_iter().filter_map(|variable| {
            let Variable::Input(id) = variable else { return None };
            let input = inputs.iter().find(|input| input.id == *id)?;
            Some((id.clone(), input.default.clone()?))
        });
        self.input_defaults = used.collect();
    }

    /// All variables of the entry.
    pub fn variables(&self) -> Vec<&Variable> {
        let templates: Vec<&Template> = match &self.transport {
            TransportEntry::Stdio { command, args, env, env_file, cwd } => {
                let places = env_file.iter().chain(cwd);
                std::iter::once(command).chain(args).chain(env.values()).chain(places).collect()
            }
            TransportEntry::Remote { url, headers, .. } => {
                std::iter::once(url).chain(headers.values()).collect()
            }
        };
        let bounds = self.sandbox.iter().flat_map(SandboxEntry::templates);
        let replicas = self.replicas.iter().flat_map(|replicas| &replicas.urls);
        let templates = templates.into_iter().chain(bounds).chain(replicas);
        templates.flat_map(Template::variables).collect()
    }
}

/// How to reach a server, variables included. `Debug` shows no values of variables and headers.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportEntry {
    /// A child process.
    Stdio {
        /// The program.
        command: Template,
        /// Its arguments.
        args: Vec<Template>,
        /// Variables of its environment.
        env: BTreeMap<String, Template>,
        /// A file with more of them, `NAME=value` on each line.
        env_file: Option<Template>,
        /// The folder to start in.
        cwd: Option<Template>,
    },
    /// A URL.
    Remote {
        /// Streamable HTTP, HTTP+SSE or WebSocket.
        kind: RemoteKind,
        /// The endpoint.
        url: Template,
        /// Sent with every request.
        headers: BTreeMap<String, Template>,
    },
}

/// What a URL speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemoteKind {
    /// Streamable HTTP, or HTTP+SSE where the server knows nothing newer.
    Http,
    /// HTTP+SSE of 2024-11-05.
    Sse,
    /// WebSocket.
    WebSocket,
}

/// Which tools of a server are offered, by name patterns; see
/// [`glob_matches`](super::glob_matches).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolChoice {
    /// Only these; all when `None`.
    pub allow: Option<Vec<String>>,
    /// Not these.
    pub deny: Vec<String>,
    /// These without asking anybody.
    pub approved: Vec<String>,
    /// All without asking anybody.
    pub trusted: bool,
}

/// Whether the configuration says of a tool that nobody need be asked about its calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ToolApproval {
    /// It says nothing of it.
    #[default]
    Absent,
    /// It does so of tools like this one, by a pattern or of all.
    General,
    /// It names this very tool.
    Named,
}

impl ToolChoice {
    /// Whether calls of a tool run without asking anybody.
    pub fn approval(&self, tool: &str) -> ToolApproval {
        let is_like = |pattern: &String| glob_matches(pattern, tool);
        if self.approved.iter().any(|name| name == tool) {
            ToolApproval::Named
        } else if self.trusted || self.approved.iter().any(is_like) {
            ToolApproval::General
        } else {
            ToolApproval::Absent
        }
    }
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OAuthEntry {
    /// The client's id at the authorization server.
    pub client_id: Option<Template>,
    /// Its secret.
    pub client_secret: Option<Template>,
    /// The scopes to ask for.
    pub scopes: Vec<String>,
    /// The port of the loopback listener.
    pub callback_port: Option<u16>,
    /// Where the authorization server's metadata is.
    pub metadata_url: Option<String>,
    /// Where tokens are to be had by the client's own id and secret.
    pub token_url: Option<String>,
    /// Whether the authorization server may be in a private network.
    pub allow_private_addresses: bool,
    /// How tokens of callers become tokens for the server, where it is reached for them.
    pub exchange: Option<ExchangeEntry>,
    /// `perCaller`: each caller of a service logs in, and is reached for with tokens of their own.
    pub per_caller: bool,
}

impl fmt::Debug for TransportEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdio { command, args, env, .. } => f
                .debug_struct("Stdio")
                .field("command", command)
                .field("args", args)
                .field("env", env)
                .finish_non_exhaustive(),
            Self::Remote { kind, url, headers } => f
                .debug_struct("Remote")
                .field("kind", kind)
                .field("url", url)
                .field("headers", headers)
                .finish(),
        }
    }
}

/// A value that a person is asked for, once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Input {
    /// What `${input:ID}` names.
    pub id: String,
    /// The question.
    pub description: Option<String>,
    /// The answer when nothing is typed.
    pub default: Option<String>,
    /// Whether the answer must not be shown.
    pub password: bool,
    /// The answers to choose from; free text when empty.
    pub options: Vec<String>,
}

/// What a file declares.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Declared {
    /// The file.
    pub file: PathBuf,
    /// Whose way of writing it is.
    pub dialect: Option<Dialect>,
    /// The readable entries, in the order of the file.
    pub entries: Vec<ServerEntry>,
    /// The others.
    pub problems: Vec<Problem>,
    /// What a person is asked for.
    pub inputs: Vec<Input>,
    /// The limit of one call for servers that set none.
    pub call_timeout: Option<Duration>,
    /// How many calls may run at a time.
    pub max_concurrent_calls: Option<usize>,
    /// Whether the tools are offered without anybody naming them; absent means yes.
    pub auto_register_tools: Option<bool>,
}

impl Declared {
    pub(super) fn new(file: &Path, dialect: Dialect) -> Self {
        Self { file: file.to_owned(), dialect: Some(dialect), ..Self::default() }
    }

    /// The entry of this name.
    pub fn entry(&self, name: &str) -> Option<&ServerEntry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}
