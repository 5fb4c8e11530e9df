//! Servers that others published, and new entries of configuration files.

use clap::{Args, ValueEnum};
use mcp_client::registry::{self, Kind};

use super::ServerOptions;

/// Which registry.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Registry options")]
pub(crate) struct RegistryOptions {
    /// The registry to ask, with or without the version of its API
    #[arg(long, value_name = "URL", env = "MCP_REGISTRY", hide_env_values = true, default_value = registry::OFFICIAL)]
    pub(crate) registry: String,
    /// The environment variable with a token for a registry that is not public
    #[arg(long, value_name = "NAME")]
    pub(crate) registry_token_env: Option<String>,
}

/// What to look for.
#[derive(Clone, Debug, Args)]
pub(crate) struct SearchArgs {
    /// A part of the name or of what it is for; everything when left out
    #[arg(value_name = "TEXT")]
    pub(crate) text: Option<String>,
    /// Only servers that can be used in this way
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    pub(crate) kind: Option<WayKind>,
    /// How many to show
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
    /// Every version, and not the latest alone
    #[arg(long)]
    pub(crate) all_versions: bool,
    /// Ask only whether the registry is well
    #[arg(long, conflicts_with_all = ["text", "kind", "all_versions"])]
    pub(crate) health: bool,
    #[command(flatten)]
    pub(crate) registry: RegistryOptions,
}

/// What to add.
#[derive(Clone, Debug, Args)]
pub(crate) struct AddArgs {
    /// A server's whole name in the registry, or an address; with `-- COMMAND`, the name to give it
    #[arg(value_name = "NAME|URL", required_unless_present = "command")]
    pub(crate) what: Option<String>,
    /// What to call it; made from what it is when left out
    #[arg(long = "name", value_name = "NAME")]
    pub(crate) named: Option<String>,
    /// This version, and not the latest
    #[arg(long = "at", value_name = "VERSION")]
    pub(crate) at: Option<String>,
    /// The way to use it, where there are several
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    pub(crate) kind: Option<WayKind>,
    /// The answer to what it asks for; may be repeated. `${VARIABLE}` stays a variable
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// Put it in the place of one of the same name
    #[arg(long)]
    pub(crate) replace: bool,
    /// Show what would be written, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The command of the server, after `--`
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
    #[command(flatten)]
    pub(crate) registry: RegistryOptions,
}

/// How a server of the registry is reached or started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WayKind {
    /// At a URL, over Streamable HTTP
    Http,
    /// At a URL, over HTTP+SSE
    Sse,
    /// A package of npm, run by npx
    Npm,
    #[value(help = "A package of PyPI, run by uvx")]
    Pypi,
    /// A container image, run by docker
    Oci,
    #[value(help = "A package of NuGet, run by dnx")]
    Nuget,
    /// A bundle in one file
    Mcpb,
}

impl From<WayKind> for Kind {
    fn from(kind: WayKind) -> Self {
        match kind {
            WayKind::Http => Self::Http,
            WayKind::Sse => Self::Sse,
            WayKind::Npm => Self::Npm,
            WayKind::Pypi => Self::Pypi,
            WayKind::Oci => Self::Oci,
            WayKind::Nuget => Self::Nuget,
            WayKind::Mcpb => Self::Mcpb,
        }
    }
}
