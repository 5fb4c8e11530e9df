//! Models, and conversations with them.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::{LayerOptions, ServerOptions};
use crate::conversation::Terms;

/// Which model, and how to speak with it.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Model options")]
pub(crate) struct ModelOptions {
    /// The model, alone or with its provider: `openai:`, `responses:`, `anthropic:`, `gemini:`,
    /// `openrouter:`, `groq:`, `deepseek:`, `mistral:`, `xai:` or `moonshot:` and a name
    #[arg(short, long, value_name = "MODEL", env = "MCP_MODEL", hide_env_values = true)]
    pub(crate) model: Option<String>,
    #[arg(
        long,
        value_name = "URL",
        env = "MCP_BASE_URL",
        hide_env_values = true,
        help = "The address of an OpenAI-compatible service, such as http://127.0.0.1:11434/v1"
    )]
    pub(crate) base_url: Option<String>,
    /// The environment variable that holds the key for --base-url
    #[arg(long, value_name = "NAME", env = "MCP_API_KEY_ENV", hide_env_values = true)]
    pub(crate) api_key_env: Option<String>,
    /// Instructions for the model
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// A tool to offer, such as `files.read*`; all when none is named
    #[arg(short = 'g', long = "tool", value_name = "GLOB")]
    pub(crate) tools: Vec<String>,
    /// A resource that the model reads before each question, and again when it changes
    #[arg(short = 'r', long = "resource", value_name = "URI-GLOB")]
    pub(crate) resources: Vec<String>,
    /// Show the model what --resource names anew with each request, rather than once and then what
    /// changed
    #[arg(long, requires = "resources")]
    pub(crate) every_turn: bool,
    /// What of the servers the model may list and read by itself, besides their tools
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) offer: Vec<Offer>,
    /// Whether the model searches for tools instead of being shown all: when they are many, always or never
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub(crate) tool_search: ToolSearch,
    /// How many tokens the model reads at once: the start of a conversation that takes more than
    /// four fifths of them is summarised, and tools that take more than a tenth are searched
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(1024..))]
    pub(crate) context_window: Option<u64>,
    /// How often the model may be asked for one answer
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_steps: u32,
}

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

/// What servers have besides tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Offer {
    /// `list_resources` and `read_resource`
    Resources,
    /// `list_prompts` and `get_prompt`
    Prompts,
}

/// Whether the model searches for tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ToolSearch {
    /// When all tools together take more than a tenth of --context-window, or of 32,768 tokens
    #[default]
    Auto,
    /// At all times
    Always,
    /// Never
    Never,
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
