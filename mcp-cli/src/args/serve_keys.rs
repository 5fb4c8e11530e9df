//! `mcp serve keys`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use mcp_agent::service::Role;

#[derive(Debug, Subcommand)]
pub(crate) enum ServeAction {
    /// API keys of the service
    Keys {
        #[command(subcommand)]
        action: KeysAction,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysAction {
    /// Make a key. It is printed once, and only its digest is kept
    Add(KeysAddArgs),
    /// List the keys, with what they may do
    List(KeysFile),
    /// Remove a key; services that run heed it at once
    Remove {
        /// The name of the key
        name: String,
        #[command(flatten)]
        file: KeysFile,
    },
}

#[derive(Debug, Args)]
pub(crate) struct KeysAddArgs {
    /// What to call it
    pub(crate) name: String,
    /// What its user may do
    #[arg(long, value_enum, value_name = "ROLE", default_value = "user")]
    pub(crate) role: KeyRole,
    /// Only these: SERVER or SERVER/TOOL, with `*` for any text; everything when none is given
    #[arg(long = "allow", value_name = "PATTERN")]
    pub(crate) allow: Vec<String>,
    /// Not these, whatever allows them
    #[arg(long = "deny", value_name = "PATTERN")]
    pub(crate) deny: Vec<String>,
    #[command(flatten)]
    pub(crate) file: KeysFile,
}

/// Where the keys are.
#[derive(Debug, Args)]
pub(crate) struct KeysFile {
    /// The file of the service; ~/.config/mcp/serve.toml by default
    #[arg(long = "settings", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) path: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum KeyRole {
    /// See servers, lists and counters
    Viewer,
    /// Also call tools, read resources, get prompts, and chat
    User,
    /// Also restart servers, and see the calls of all
    Operator,
    /// Also add and remove servers
    Admin,
}

impl From<KeyRole> for Role {
    fn from(role: KeyRole) -> Self {
        match role {
            KeyRole::Viewer => Self::Viewer,
            KeyRole::User => Self::User,
            KeyRole::Operator => Self::Operator,
            KeyRole::Admin => Self::Admin,
        }
    }
}
