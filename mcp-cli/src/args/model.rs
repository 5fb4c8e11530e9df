//! Which model, and what it is told and shown.

use clap::{Args, ValueEnum};

/// Which model.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Model options")]
pub(crate) struct ModelChoice {
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
}

/// A model that answers questions with tools.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Model options")]
pub(crate) struct AnswerOptions {
    #[command(flatten)]
    pub(crate) choice: ModelChoice,
    /// Instructions for the model
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// A tool to offer, such as `files.read*`; all when none is named
    #[arg(short = 'g', long = "tool", value_name = "GLOB")]
    pub(crate) tools: Vec<String>,
    /// How often the model may be asked for one answer
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_steps: u32,
}

/// A model in a conversation that a person watches.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Model options")]
pub(crate) struct ModelOptions {
    #[command(flatten)]
    pub(crate) answer: AnswerOptions,
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
