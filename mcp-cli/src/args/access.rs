//! Who may be reached, and as whom: configuration, logins, trust, pins.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use mcp_client::config::Dialect;

#[cfg(feature = "postgres")]
use crate::secret_source::SecretSource;

/// How to log in.
#[derive(Clone, Debug, Args)]
pub(crate) struct LoginArgs {
    /// A configured name, or an http(s):// address
    pub(crate) target: String,
    /// Do not open a browser: show the address, and take what it ends at from the keyboard
    #[arg(long)]
    pub(crate) paste: bool,
    /// The id of a client that was registered by hand
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// The environment variable that holds its secret
    #[arg(long, value_name = "VARIABLE", requires = "client_id")]
    pub(crate) client_secret_env: Option<String>,
    /// A scope to ask for, in place of what the server lists; may be repeated
    #[arg(long, value_name = "SCOPE")]
    pub(crate) scope: Vec<String>,
    #[command(flatten)]
    pub(crate) kept: KeptIn,
}

/// Where tokens and pins are kept: in the data folder of this user, if nothing else is said.
#[derive(Clone, Debug, Args)]
pub(crate) struct KeptIn {
    /// Where the URL of PostgreSQL is, `env:NAME` or `file:PATH`: for `mcp serve --postgres`
    #[cfg(feature = "postgres")]
    #[arg(long, value_name = "SECRET", requires = "store_key")]
    pub(crate) postgres: Option<SecretSource>,
    /// The secret that seals what is kept there, `env:NAME` or `file:PATH`
    #[cfg(feature = "postgres")]
    #[arg(long, value_name = "SECRET", requires = "postgres")]
    pub(crate) store_key: Option<SecretSource>,
}

/// Whose login.
#[derive(Clone, Debug, Args)]
pub(crate) struct LogoutArgs {
    /// A configured name, or an http(s):// address
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) kept: KeptIn,
}

/// What to do with trust in projects' files.
#[derive(Debug, Subcommand)]
pub(crate) enum TrustAction {
    /// Show what is trusted
    List,
    /// Trust entries of a file as they are now
    Add {
        /// The file
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// The servers; all of the file when none is named
        servers: Vec<String>,
    },
    /// Trust entries no more
    Revoke {
        /// The server's name; all when left out
        server: Option<String>,
        /// Only of this file
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
}

/// What to do with pinned tools.
#[derive(Debug, Subcommand)]
pub(crate) enum PinsAction {
    /// Show what is pinned
    List {
        #[command(flatten)]
        kept: KeptIn,
    },
    /// Show what is another now at a server
    Show {
        /// The server
        target: String,
        #[command(flatten)]
        kept: KeptIn,
    },
    /// Accept the tools of a server as they are now
    Accept {
        /// The server
        target: String,
        /// Only this tool
        tool: Option<String>,
        #[command(flatten)]
        kept: KeptIn,
    },
}

/// What to do with a configuration file.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Show the servers of a file of any program, and what is wrong with it
    Show {
        /// The file; the one in use when left out
        #[arg(value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
    /// Print the servers as another program writes them; variables stay variables
    #[command(
        after_help = "Example:\n  mcp config export ~/.cursor/mcp.json --format codex >> ~/.codex/config.toml"
    )]
    Export {
        /// The file; the one in use when left out
        #[arg(value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
        /// Whose way of writing
        #[arg(long, value_enum, value_name = "PROGRAM")]
        format: Format,
    },
}

/// The programs whose files can be written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    ClaudeCode,
    ClaudeDesktop,
    Cursor,
    Vscode,
    Codex,
    Goose,
    Mistralrs,
    Gemini,
    Windsurf,
    Opencode,
    Zed,
    Cline,
}

impl From<Format> for Dialect {
    fn from(format: Format) -> Self {
        match format {
            Format::ClaudeCode => Self::ClaudeCode,
            Format::ClaudeDesktop => Self::ClaudeDesktop,
            Format::Cursor => Self::Cursor,
            Format::Vscode => Self::VsCode,
            Format::Codex => Self::Codex,
            Format::Goose => Self::Goose,
            Format::Mistralrs => Self::MistralRs,
            Format::Gemini => Self::Gemini,
            Format::Windsurf => Self::Windsurf,
            Format::Opencode => Self::OpenCode,
            Format::Zed => Self::Zed,
            Format::Cline => Self::Cline,
        }
    }
}
