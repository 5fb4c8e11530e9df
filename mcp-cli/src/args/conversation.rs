//! Models, and conversations with them.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::{LayerOptions, ModelOptions, ServerOptions};
use crate::conversation::Terms;

/// An agent that a file declares.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct AgentOptions {
    /// A declared agent: its model, tools and instructions, and those that it turns to
    #[arg(long, value_name = "NAME", conflicts_with = "system")]
    pub(crate) agent: Option<String>,
    /// The file that declares the agents, TOML or JSON; ~/.config/mcp/agents.toml by default
    #[arg(long, value_name = "FILE", requires = "agent", env = "MCP_AGENTS", hide_env_values = true, value_hint = ValueHint::FilePath)]
    pub(crate) agents: Option<PathBuf>,
}

/// What to do with declared agents.
#[derive(Debug, Subcommand)]
pub(crate) enum AgentsAction {
    /// List them, and whom they turn to
    #[command(visible_alias = "ls")]
    List {
        /// The file that declares them; ~/.config/mcp/agents.toml by default
        #[arg(long, value_name = "FILE", env = "MCP_AGENTS", hide_env_values = true, value_hint = ValueHint::FilePath)]
        agents: Option<PathBuf>,
    },
}

/// Which tools may run without a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Approve {
    /// All
    Auto,
    /// Those that say that they only read; for others ask on the terminal
    Ask,
    /// None but those that say that they only read
    Never,
    /// Those that say that they only read; at the first other the conversation is kept, and waits
    /// for `mcp run --resume`
    Later,
}

/// What to do with conversations that were kept.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionsAction {
    /// List them, the latest first
    #[command(visible_alias = "ls")]
    List,
    /// Show one, the latest if none is named
    Show {
        /// The beginning of its name
        session: Option<String>,
    },
    /// Copy one, so that both can go on
    Fork {
        /// The beginning of its name
        session: Option<String>,
        /// As it was after so many steps
        #[arg(long, value_name = "N")]
        at: Option<u64>,
    },
    /// Write one as Markdown, or with `-o json` as JSON
    Export {
        /// The beginning of its name
        session: Option<String>,
        /// As it was after so many steps
        #[arg(long, value_name = "N")]
        at: Option<u64>,
    },
    /// Forget some
    Rm {
        /// The beginnings of their names
        #[arg(required = true)]
        sessions: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The question or job; with --resume it may be left out, to go on where it stopped or waits
    #[arg(required_unless_present = "resume")]
    pub(crate) prompt: Option<String>,
    /// A server whose tools to offer; all configured ones when none is named
    #[arg(short, long = "server", value_name = "TARGET")]
    pub(crate) servers: Vec<String>,
    /// Which tools may run: `auto` for servers named here and the demo server, else `ask`
    #[arg(long, value_enum, value_name = "WHICH")]
    pub(crate) approve: Option<Approve>,
    /// A JSON Schema that the answer must be valid for; the answer is then JSON
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "agent")]
    pub(crate) schema: Option<PathBuf>,
    /// Do not read standard input
    #[arg(long)]
    pub(crate) no_stdin: bool,
    /// Keep the conversation, so that `--resume` can go on with it
    #[arg(long)]
    pub(crate) save: bool,
    /// Go on with a conversation that was kept, the latest if none is named
    #[arg(long, value_name = "SESSION", num_args = 0..=1, default_missing_value = "")]
    pub(crate) resume: Option<String>,
    #[command(flatten)]
    pub(crate) agent: AgentOptions,
    #[command(flatten)]
    pub(crate) terms: Terms,
    /// The command of a server, after `--`
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
    #[command(flatten)]
    pub(crate) model: ModelOptions,
    #[command(flatten)]
    pub(crate) layers: LayerOptions,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    /// A server whose tools to offer; all configured ones when none is named
    #[arg(short, long = "server", value_name = "TARGET")]
    pub(crate) servers: Vec<String>,
    /// Which tools may run; `ask` by default
    #[arg(long, value_enum, value_name = "WHICH")]
    pub(crate) approve: Option<Approve>,
    /// Do not keep the conversation
    #[arg(long, conflicts_with = "resume")]
    pub(crate) no_save: bool,
    /// Go on with a conversation that was kept, the latest if none is named
    #[arg(long, value_name = "SESSION", num_args = 0..=1, default_missing_value = "")]
    pub(crate) resume: Option<String>,
    #[command(flatten)]
    pub(crate) agent: AgentOptions,
    #[command(flatten)]
    pub(crate) terms: Terms,
    /// The command of a server, after `--`
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
    #[command(flatten)]
    pub(crate) model: ModelOptions,
    #[command(flatten)]
    pub(crate) layers: LayerOptions,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}
