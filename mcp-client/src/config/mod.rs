//! Servers as configuration files describe them, in the way of writing of any common client.
//!
//! A file is read in two steps. [`declare`] finds its servers and keeps their variables as
//! variables, so that they can be shown, and written in another program's way by `export`.
//! [`Declared::resolve`] looks the variables up. [`read_file`] does both.
//!
//! One bad entry never hides the others: it becomes a [`Problem`] with its file and line.

#[cfg(feature = "config-formats")]
mod add;
mod allow_list;
mod dialect;
mod document;
mod entry;
mod exchange;
#[cfg(feature = "config-formats")]
mod export;
mod fields;
mod glob;
#[cfg(feature = "keychain")]
mod keychain;
mod per_caller;
mod read;
mod replicas;
mod resolve;
mod sandbox;
mod template;
#[cfg(all(test, feature = "config-formats"))]
mod tests;
mod trust;
#[cfg(feature = "config-watch")]
mod watch;

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

use mcp_transport::{http::Reach, stdio::Sandbox};
use url::Url;

#[cfg(feature = "keychain")]
pub use self::keychain::{KeychainError, keychain_entry};
#[cfg(feature = "config-watch")]
pub use self::watch::{ConfigWatch, WatchError};
#[cfg(feature = "config-formats")]
pub use self::{
    add::{AddError, Added, IfThere, add, add_to_file},
    export::{Exported, export},
};
pub use self::{
    allow_list::{AllowList, CommandPattern, InvalidUrlPattern, UrlPattern, Wildcard},
    dialect::Dialect,
    entry::{
        Declared, Input, OAuthEntry, RemoteKind, ServerEntry, ToolApproval, ToolChoice,
        TransportEntry,
    },
    exchange::ExchangeEntry,
    glob::glob_matches,
    read::{declare, declared_in},
    replicas::{ReplicaConfig, ReplicasEntry},
    sandbox::SandboxEntry,
    template::{KeychainLookup, Lookup, Template, Variable, Variables},
    trust::{TrustStore, Trusted},
};
use crate::{Digest, EraChoice, secret::Secret};

/// One server.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The key in the file: unique, and what people call the server.
    pub name: String,
    /// Where the entry stands.
    pub origin: Option<Origin>,
    /// How to reach the server.
    pub transport: TransportConfig,
    /// The other endpoints that do the same, where there are several.
    pub replicas: Option<ReplicaConfig>,
    /// Whether nothing should begin without it.
    pub required: bool,
    /// Whether to start it.
    pub enabled: bool,
    /// Which lifecycle to speak.
    pub era: EraChoice,
    /// The limit for starting, downloads by `npx` and `uvx` included.
    pub startup_timeout: Option<Duration>,
    /// The limit for one call without a sign of life.
    pub call_timeout: Option<Duration>,
    /// How many of its calls may run at a time, for those who limit calls.
    pub max_concurrent_calls: Option<usize>,
    /// Which of its tools are offered.
    pub tools: ToolChoice,
    /// A prefix for its tools' names.
    pub tool_prefix: Option<String>,
    /// URI patterns of the resources to follow.
    pub resources: Vec<String>,
    /// Whether tools are offered to models unless [`tools`](Self::tools) says otherwise; if not,
    /// only those that it allows by name.
    pub auto_register_tools: bool,
    /// How to log in, where that is configured.
    pub oauth: Option<OAuthConfig>,
    /// The bounds around a child process; none unless set.
    pub sandbox: Option<Sandbox>,
    /// Which addresses its URL may lead to.
    pub reach: Reach,
    /// Set for an entry that somebody else wrote and that nobody agreed to yet: what it would run
    /// or connect to. It is not started. See [`TrustStore::judge`].
    pub untrusted: Option<Digest>,
}

impl ServerConfig {
    /// A server with default settings.
    pub fn new(name: impl Into<String>, transport: TransportConfig) -> Self {
        Self {
            name: name.into(),
            origin: None,
            transport,
            replicas: None,
            required: false,
            enabled: true,
            era: EraChoice::Auto,
            startup_timeout: None,
            call_timeout: None,
            max_concurrent_calls: None,
            tools: ToolChoice::default(),
            tool_prefix: None,
            resources: Vec::new(),
            auto_register_tools: true,
            oauth: None,
            sandbox: None,
            reach: Reach::Anywhere,
            untrusted: None,
        }
    }

    /// How to reach each of its endpoints, its own first.
    pub fn transports(&self) -> impl Iterator<Item = &TransportConfig> {
        let others = self.replicas.iter().flat_map(|replicas| &replicas.others);
        std::iter::once(&self.transport).chain(others)
    }

    /// Each of its endpoints as a server by itself: itself, or its replicas by the names that a
    /// [`Hub`](crate::Hub) gives them, such as `search#2`.
    pub fn apart(&self) -> Vec<Self> {
        if self.replicas.is_none() {
            return vec![self.clone()];
        }
        let one = |(index, transport): (usize, &TransportConfig)| Self {
            name: format!("{}#{}", self.name, index + 1),
            transport: transport.clone(),
            replicas: None,
            ..self.clone()
        };
        self.transports().enumerate().map(one).collect()
    }

    /// Where its endpoints are that everybody on the way can listen to: without TLS, on another
    /// machine. Scheme, host and port alone.
    pub fn exposed(&self) -> Vec<String> {
        let urls = self.transports().filter_map(|transport| match transport {
            TransportConfig::Http { url, .. } | TransportConfig::Sse { url, .. } => {
                Url::parse(url).ok()
            }
            TransportConfig::Stdio { .. } => None,
        });
        let is_exposed =
            |url: &Url| matches!(url.scheme(), "http" | "ws") && !crate::oauth::is_loopback(url);
        let mut origins: Vec<_> =
            urls.filter(is_exposed).map(|url| url.origin().ascii_serialization()).collect();
        origins.dedup();
        origins
    }

    /// Whether a tool is to be offered to models.
    pub fn offers(&self, tool: &str) -> bool {
        let named = |patterns: &[String]| patterns.iter().any(|one| glob_matches(one, tool));
        let allowed = match &self.tools.allow {
            Some(allow) => named(allow),
            None => self.auto_register_tools,
        };
        allowed && !named(&self.tools.deny)
    }

    /// Whether another entry leads to the same server in the same way. The two may differ in where
    /// they stand, in [`required`](Self::required), and in which calls nobody need be asked about
    /// ([`ToolChoice::approved`], [`ToolChoice::trusted`]): none of it is the server's business.
    pub fn runs_the_same(&self, other: &Self) -> bool {
        let mut other = other.clone();
        other.take_rules(self);
        *self == other
    }

    /// Takes over what [`runs_the_same`](Self::runs_the_same) does not ask for.
    pub(crate) fn take_rules(&mut self, newer: &Self) {
        self.origin.clone_from(&newer.origin);
        self.required = newer.required;
        self.tools.approved.clone_from(&newer.tools.approved);
        self.tools.trusted = newer.tools.trusted;
    }

    /// Whether it is reached on behalf of whoever asks, each with a connection of their own; see
    /// [`ExchangeEntry`] and [`OAuthConfig::per_caller`].
    pub fn is_per_caller(&self) -> bool {
        self.oauth.as_ref().is_some_and(|oauth| oauth.exchange.is_some() || oauth.per_caller)
    }

    /// Whether each caller has to log in for that.
    pub fn wants_login_of_callers(&self) -> bool {
        self.oauth.as_ref().is_some_and(|oauth| oauth.per_caller)
    }

    /// Whether another entry says the same, wherever it stands.
    pub fn means_the_same(&self, other: &Self) -> bool {
        let mut other = other.clone();
        other.origin.clone_from(&self.origin);
        *self == other
    }
}

/// How to reach a server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportConfig {
    /// A child process that speaks over its standard streams.
    Stdio {
        /// The program, searched in `PATH` when it has no separator.
        command: String,
        /// Its arguments, passed as they are; there is no shell.
        args: Vec<String>,
        /// Variables beside the few that are always passed on.
        env: BTreeMap<String, Secret>,
        /// The folder to start in.
        cwd: Option<PathBuf>,
    },
    /// An address: Streamable HTTP, or what another scheme stands for, such as `ws://` or `unix://`;
    /// see [`UrlConnect`](mcp_transport::UrlConnect).
    Http {
        /// The MCP endpoint.
        url: String,
        /// Sent with every request, or with the handshake of a WebSocket.
        headers: BTreeMap<String, Secret>,
    },
    /// HTTP+SSE of 2024-11-05.
    Sse {
        /// Where the stream is.
        url: String,
        /// Sent with every request.
        headers: BTreeMap<String, Secret>,
    },
}

/// How to log in to a server. What is not configured is found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OAuthConfig {
    /// The client's id at the authorization server.
    pub client_id: Option<String>,
    /// Its secret.
    pub client_secret: Option<Secret>,
    /// The scopes to ask for.
    pub scopes: Vec<String>,
    /// The port of the loopback listener.
    pub callback_port: Option<u16>,
    /// Where the authorization server's metadata is.
    pub metadata_url: Option<String>,
    /// Where tokens are to be had. With it the client acts for itself: its own id and secret are
    /// the grant, and nobody is asked.
    pub token_url: Option<String>,
    /// Whether the authorization server may be in a private network.
    pub allow_private_addresses: bool,
    /// The server is reached on behalf of whoever asks, with a token for each of them.
    pub exchange: Option<ExchangeEntry>,
    /// The server is reached on behalf of whoever asks, each of whom logs in there.
    pub per_caller: bool,
}

/// Where an entry stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// Reads a file's servers, in any [`Dialect`].
///
/// `lookup` gives the values of environment variables.
///
/// # Errors
/// The file cannot be read, or is malformed as a whole, or declares no servers. What is wrong with
/// single entries is in [`ConfigFile::problems`].
pub fn read_file(file: &Path, lookup: Lookup<'_>) -> Result<ConfigFile, ConfigError> {
    Ok(declared_in(file, None)?.resolve(&Variables::new(lookup)))
}

/// [`read_file`] for text that is already here; `file` tells the syntax by its ending and is named
/// in origins and errors.
///
/// # Errors
/// As [`read_file`].
pub fn parse(text: &str, file: &Path, lookup: Lookup<'_>) -> Result<ConfigFile, ConfigError> {
    Ok(declare(text, file, None)?.resolve(&Variables::new(lookup)))
}

/// A file's servers, and the entries that are not usable.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ConfigFile {
    /// The usable entries, in the order of the file.
    pub servers: Vec<ServerConfig>,
    /// The others.
    pub problems: Vec<Problem>,
    /// How many calls may run at a time over all servers, for those who limit calls.
    pub max_concurrent_calls: Option<usize>,
}

/// An entry that cannot be used as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The key in the file.
    pub server: String,
    /// Where it stands.
    pub origin: Origin,
    /// What is wrong, and what to do.
    pub reason: String,
    /// The variables to set, when nothing else is wrong.
    pub unset: Vec<Variable>,
    /// Whether the entry says that nothing should begin without it.
    pub required: bool,
}

impl Problem {
    /// An entry that is wrong in itself.
    pub fn new(server: impl Into<String>, origin: Origin, reason: impl Into<String>) -> Self {
        let (server, reason) = (server.into(), reason.into());
        Self { server, origin, reason, unset: Vec::new(), required: false }
    }

    fn unset(
        server: &str,
        origin: Origin,
        missing: Vec<(String, Variable)>,
        values: &Variables<'_>,
    ) -> Self {
        let needs: Vec<_> = missing
            .iter()
            .map(|(field, variable)| match (variable, values.trouble(variable)) {
                (Variable::Environment { name, .. }, _) => {
                    format!("`{field}` needs {name}, which is not set")
                }
                (other, Some(trouble)) => format!("`{field}` needs {other}: {trouble}"),
                (other, None) => format!("`{field}` needs {other}, which has no value"),
            })
            .collect();
        let reason = format!("is not configured: {}", needs.join("; "));
        let unset = missing.into_iter().map(|(_, variable)| variable).collect();
        Self { unset, ..Self::new(server, origin, reason) }
    }
}

/// A configuration file cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be opened.
    #[error("cannot read {}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not what its ending or its beginning says.
    #[error("cannot read {origin} as {syntax}: {reason}")]
    Malformed {
        /// The place of the fault.
        origin: Origin,
        /// JSON, TOML or YAML.
        syntax: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The file is well-formed and has neither `mcpServers` nor another program's word for them.
    #[error("{} has no servers", file.display())]
    NoServers {
        /// The file.
        file: PathBuf,
    },
}
