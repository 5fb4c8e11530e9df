//! Servers as a configuration file describes them.
//!
//! One bad entry never hides the others: it becomes a [`Problem`] with its file and line.

mod mcp_servers;
mod variables;

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

pub use self::mcp_servers::{parse, read_file};
use crate::{EraChoice, secret::Secret};

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The key in the file: unique, and what people call the server.
    pub name: String,
    /// Where the entry stands.
    pub origin: Option<Origin>,
    /// How to reach the server.
    pub transport: TransportConfig,
    /// Whether to start it.
    pub enabled: bool,
    /// Which lifecycle to speak.
    pub era: EraChoice,
    /// The limit for starting, downloads by `npx` and `uvx` included.
    pub startup_timeout: Option<Duration>,
    /// The limit for one call without a sign of life.
    pub call_timeout: Option<Duration>,
}

impl ServerConfig {
    /// A server with default settings.
    pub fn new(name: impl Into<String>, transport: TransportConfig) -> Self {
        Self {
            name: name.into(),
            origin: None,
            transport,
            enabled: true,
            era: EraChoice::Auto,
            startup_timeout: None,
            call_timeout: None,
        }
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
    /// Streamable HTTP.
    Http {
        /// The MCP endpoint.
        url: String,
        /// Sent with every request.
        headers: BTreeMap<String, Secret>,
    },
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

/// A file's servers, and the entries that are not usable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigFile {
    /// The usable entries, in the order of the file.
    pub servers: Vec<ServerConfig>,
    /// The others.
    pub problems: Vec<Problem>,
}

/// An entry that cannot be used as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key in the file.
    pub server: String,
    /// Where it stands.
    pub origin: Origin,
    /// What is wrong, and what to do.
    pub reason: String,
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
    /// The file is not JSON.
    #[error("{} is not JSON", file.display())]
    NotJson {
        /// The file.
        file: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// The file is JSON without servers.
    #[error("{} has no `mcpServers` object", file.display())]
    NoServers {
        /// The file.
        file: PathBuf,
    },
}

/// Looks up a variable; [`std::env::var`] in programs, a map in tests.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

pub(crate) fn origin(file: &Path, line: usize) -> Origin {
    Origin { file: file.to_owned(), line }
}
