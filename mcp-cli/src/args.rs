//! The command line, as clap reads it.

mod serve;

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use mcp_client::config::Dialect;

pub(crate) use self::serve::ServeArgs;
pub(crate) use crate::plan_args::{PlanAction, PlanMakeArgs, PlanRunArgs};
use crate::{
    commands::{StatusArgs, WatchArgs},
    conversation::Terms,
    measure,
};

/// What all examples have in common.
const TARGETS: &str = "\
TARGET is a configured name, an http(s):// address, FILE.json#NAME, or a quoted command with a \
space; or leave it out and put the command last, after `--`. `demo` is the built-in demo server, \
used when nothing is configured.";

/// The exit codes, for the end of `--help`.
const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 unexpected, 2 usage or configuration, 3 credentials needed, 4 server not \
reachable, 5 the tool failed or does not exist, 6 timeout, 7 partly done, 8 refused, 130 Ctrl-C.";

#[derive(Debug, Parser)]
#[command(
    name = "mcp",
    version,
    about = "Look at, call and chat with any Model Context Protocol server",
    after_help = EXIT_CODES,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Global {
    /// What to print: `json` is one document, `ndjson` one line per item or event, `raw` the bare
    /// content
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        env = "MCP_OUTPUT",
        hide_env_values = true
    )]
    pub(crate) output: Option<Output>,
    /// Short for `-o json`
    #[arg(long, global = true, conflicts_with = "output")]
    pub(crate) json: bool,
    /// Print less on standard error; twice also hides errors
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) quiet: u8,
    /// Show what servers log; twice also their debug messages
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        help = "Use colors"
    )]
    pub(crate) color: Color,
    /// Do not draw progress
    #[arg(long, global = true, env = "MCP_NO_PROGRESS", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) no_progress: bool,
    /// Never ask for anything
    #[arg(long, global = true, env = "MCP_NO_INPUT", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) no_input: bool,
    /// Use only the servers of this file, of any common program
    #[arg(long, global = true, value_name = "FILE", env = "MCP_CONFIG", hide_env_values = true, value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// The longest silence of a server during one call, such as 90s; progress starts it anew
    #[arg(long, global = true, value_name = "TIME", env = "MCP_TIMEOUT", hide_env_values = true, value_parser = measure::parse_time)]
    pub(crate) timeout: Option<Duration>,
    /// Trust the entries of a project's file that are used, as they are now
    #[arg(long, global = true)]
    pub(crate) trust: bool,
    /// Work as if started in this folder
    #[arg(short = 'C', long = "directory", global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) directory: Option<PathBuf>,
}

/// What standard output carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Text for people
    #[default]
    Text,
    /// One JSON document
    Json,
    /// One JSON document per line
    Ndjson,
    /// The content alone: text, or the bytes of one picture, sound or file
    Raw,
}

/// When to use colors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the tools of servers, with their parameters
    #[command(visible_alias = "ls", after_help = TARGETS)]
    Tools(ToolsArgs),
    /// Call one tool
    #[command(
        disable_help_flag = true,
        override_usage = "mcp call [OPTIONS] TOOL [ARGUMENT]... [-- COMMAND...]",
        after_help = "\
Arguments: key=value (typed by the tool's schema), key:=JSON, key=@file (text), key:=@file (JSON), \
key%=file (Base64), a.b=1 (nested), key=1 key=2 (list), one {…} object, @args.json, or - for \
standard input. Later ones win. `mcp call TOOL --help` shows what a tool takes.\n\n\
Examples:\n  mcp call demo.calculator expression='2 * (3 + 4)'\n  \
mcp call fs read_text_file path=README.md head=5\n  \
mcp call echo message=hi -- npx -y @modelcontextprotocol/server-everything"
    )]
    Call(CallArgs),
    /// List the resources of servers
    #[command(visible_alias = "res", after_help = TARGETS)]
    Resources(ListArgs),
    /// Read one resource
    #[command(
        override_usage = "mcp read [OPTIONS] [TARGET] URI [-- COMMAND...]",
        after_help = TARGETS
    )]
    Read(ReadArgs),
    /// List the prompts of servers
    #[command(after_help = TARGETS)]
    Prompts(ListArgs),
    /// Get one prompt, filled in
    #[command(
        override_usage = "mcp prompt [OPTIONS] PROMPT [ARGUMENT]... [-- COMMAND...]",
        after_help = "\
Arguments: key=value, key=@file, one {…} object, @args.json, or - for standard input.\n\n\
Example:\n  mcp prompt git.commit_message style=short"
    )]
    Prompt(PromptArgs),
    /// Let a model answer one question with the tools of servers
    #[command(after_help = "\
The model is the one of -m and --base-url, else that of a provider whose key is in the \
environment, else a local server (llama.cpp, Ollama, LM Studio, vLLM), else the local model that \
was set up.\n\n\
Examples:\n  mcp run 'What is 17 * 23, and what time is it in Tokyo?'\n  \
git diff | mcp run 'Review this' -s fs")]
    Run(RunArgs),
    /// Talk with a model that can use the tools of servers
    #[command(
        after_help = "In the chat: /tools, /refresh, /undo, /retry, /cost, /approve, /export, /clear, /help, /exit. Ctrl-C stops the \
answer. The conversation is kept, sealed, and `mcp chat --resume` goes on with it."
    )]
    Chat(ChatArgs),
    /// Look at conversations that were kept, and go on from them
    #[command(visible_alias = "session")]
    Sessions {
        #[command(subcommand)]
        action: SessionsAction,
    },
    /// Run a plan of tool calls that use each other's results, or have a model write one
    Plan {
        #[command(subcommand)]
        action: PlanAction,
    },
    /// Put many servers behind one address: as one MCP server, over REST, and as an
    /// OpenAI-compatible chat that uses their tools
    #[command(after_help = TARGETS)]
    Serve(ServeArgs),
    /// Measure a real round trip to a server
    #[command(after_help = TARGETS)]
    Ping(PingArgs),
    /// Show how servers are: state, latency, tools, and why one is down
    #[command(after_help = TARGETS)]
    Status(StatusArgs),
    /// Hear of changes of a server's lists and resources
    #[command(after_help = "\
Examples:\n  mcp watch notes -r file:///notes/todo.md\n  mcp watch -o ndjson -- npx -y my-server\n\n\
The server is started again when it goes down; `gap` says that changes may have been missed.")]
    Watch(WatchArgs),
    /// Serve the demo tools over standard input and output, or over HTTP
    ///
    /// The tools: calculator, clock, notes in a temporary folder, and text search. `mcp run` and
    /// others use this server when no other is configured; any MCP client can start it.
    DemoServer {
        /// Serve over Streamable HTTP at this address, port 8000 of this machine if none is given
        ///
        /// The URL is printed. A port of 0 is any free one. Only clients on this machine are
        /// answered.
        #[arg(long, value_name = "HOST:PORT", num_args = 0..=1, default_missing_value = "127.0.0.1:8000")]
        http: Option<String>,
    },
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  mcp completions bash > ~/.local/share/bash-completion/completions/mcp"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Log in to a server that wants it, with the browser
    #[command(after_help = "\
Examples:\n  mcp login https://mcp.example.com/mcp\n  mcp login linear --paste     no browser on this machine\n\n\
Tokens are kept sealed in the data folder of this user and renewed by themselves.")]
    Login(LoginArgs),
    /// Forget the tokens of a server
    Logout(LogoutArgs),
    /// Show what a login gives access to
    Whoami(LogoutArgs),
    /// Say which entries of projects' files may be started
    #[command(after_help = "\
A project's file (.mcp.json, .cursor/mcp.json, .vscode/mcp.json and the like) can start any \
program. Its entries are used after you agreed to each, once; one that changes is asked about \
again. Without a terminal nothing is asked: the command ends with 8.")]
    Trust {
        #[command(subcommand)]
        action: TrustAction,
    },
    /// Look at tools that are not what they were when they were used first
    ///
    /// `mcp run` and `mcp chat` remember what a server says about its tools. One that is new or
    /// changed later is kept from the model until it is accepted here.
    Pins {
        #[command(subcommand)]
        action: PinsAction,
    },
    /// Look at configuration files, and write them as other programs do
    Config {
        #[command(subcommand)]
        action: ConfigAction,
    },
}

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
}

/// Whose login.
#[derive(Clone, Debug, Args)]
pub(crate) struct LogoutArgs {
    /// A configured name, or an http(s):// address
    pub(crate) target: String,
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
    List,
    /// Show what is another now at a server
    Show {
        /// The server
        target: String,
    },
    /// Accept the tools of a server as they are now
    Accept {
        /// The server
        target: String,
        /// Only this tool
        tool: Option<String>,
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

/// How to reach servers that are named by a command or an address.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Server options")]
pub(crate) struct ServerOptions {
    /// A variable for a command given here: KEY=VALUE, or KEY to pass on one's own
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    pub(crate) env: Vec<String>,
    /// A header for an address given here
    #[arg(short = 'H', long, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
    /// Which lifecycle of the protocol to speak
    #[arg(long, value_enum, value_name = "ERA")]
    pub(crate) era: Option<Era>,
    /// How long a server may take to start, downloads included; 60s by default
    #[arg(long, value_name = "TIME", env = "MCP_STARTUP_TIMEOUT", hide_env_values = true, value_parser = measure::parse_time)]
    pub(crate) startup_timeout: Option<Duration>,
}

/// A lifecycle of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Era {
    /// Find out
    Auto,
    /// Revisions up to 2025-11-25, with `initialize`
    Legacy,
    /// Revision 2026-07-28, stateless
    Modern,
}

#[derive(Debug, Args)]
pub(crate) struct ToolsArgs {
    /// The servers; all configured ones when none is named
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    /// Only tools whose name matches, such as '*file*'
    #[arg(short, long, value_name = "GLOB")]
    pub(crate) glob: Option<String>,
    /// Show the whole descriptions, and all tools
    #[arg(long)]
    pub(crate) full: bool,
    /// Show the JSON schemas of the parameters
    #[arg(long)]
    pub(crate) schema: bool,
    /// Print the tools as one JSON list in the form of a provider's API, under the names that
    /// models know them by
    #[arg(long, value_enum, value_name = "API", conflicts_with_all = ["full", "schema"])]
    pub(crate) export: Option<Export>,
    /// The command of a server, after `--`
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

/// Whose form tools are printed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Export {
    /// Functions of Chat Completions
    Openai,
    /// Tools with an `input_schema`
    Anthropic,
}

#[derive(Debug, Args)]
pub(crate) struct CallArgs {
    /// The tool (SERVER.TOOL, SERVER TOOL, or TOOL alone when only one server has it), then its
    /// arguments
    #[arg(value_name = "TOOL")]
    pub(crate) words: Vec<String>,
    /// Write pictures, sound and files into this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) save: Option<PathBuf>,
    /// The longest time for the whole call, whatever progress there is
    #[arg(long, value_name = "TIME", value_parser = measure::parse_time)]
    pub(crate) max_time: Option<Duration>,
    /// Send the arguments even if they do not fit the schema
    #[arg(long)]
    pub(crate) no_validate: bool,
    /// Print the parameters of the request instead of sending it
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print help; with a tool, what it takes
    #[arg(short, long, action = ArgAction::SetTrue)]
    pub(crate) help: bool,
    /// The command of a server, after `--`
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The servers; all configured ones when none is named
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    /// The command of a server, after `--`
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    /// The server and the URI; the URI alone when only one server is configured
    #[arg(value_name = "URI", required = true, num_args = 1..=2)]
    pub(crate) words: Vec<String>,
    /// Write the content to this file
    #[arg(short = 'O', long = "out", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,
    /// The command of a server, after `--`
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Debug, Args)]
pub(crate) struct PromptArgs {
    /// The prompt (SERVER.PROMPT, SERVER PROMPT, or PROMPT alone), then its arguments
    #[arg(value_name = "PROMPT", required = true)]
    pub(crate) words: Vec<String>,
    /// The command of a server, after `--`
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Debug, Args)]
pub(crate) struct PingArgs {
    /// The server; the only configured one when none is named
    pub(crate) target: Option<String>,
    /// How many round trips
    #[arg(short = 'n', long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) count: u32,
    /// The command of a server, after `--`
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

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
    /// Whether the model searches for tools instead of being shown all: when they are many, always or never
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub(crate) tool_search: ToolSearch,
    /// How often the model may be asked for one answer
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_steps: u32,
}

/// Whether the model searches for tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ToolSearch {
    /// When all tools together take more than a tenth of 32,768 tokens
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
    /// The question or job
    pub(crate) prompt: String,
    /// A server whose tools to offer; all configured ones when none is named
    #[arg(short, long = "server", value_name = "TARGET")]
    pub(crate) servers: Vec<String>,
    /// Which tools may run: `auto` for servers named here and the demo server, else `ask`
    #[arg(long, value_enum, value_name = "WHICH")]
    pub(crate) approve: Option<Approve>,
    /// A JSON Schema that the answer must be valid for; the answer is then JSON
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
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
    pub(crate) terms: Terms,
    /// The command of a server, after `--`
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
    #[command(flatten)]
    pub(crate) model: ModelOptions,
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
    pub(crate) terms: Terms,
    /// The command of a server, after `--`
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
    #[command(flatten)]
    pub(crate) model: ModelOptions,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(words: &[&str]) -> Cli {
        Cli::try_parse_from(std::iter::once("mcp").chain(words.iter().copied())).unwrap()
    }

    #[test]
    fn is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn takes_options_in_any_place() {
        let Command::Call(call) =
            parse(&["call", "fs.read", "--dry-run", "path=-x", "-o", "json", "n=1"]).command
        else {
            panic!("not a call")
        };
        assert_eq!(call.words, ["fs.read", "path=-x", "n=1"]);
        assert!(call.dry_run);
    }

    #[test]
    fn everything_after_two_dashes_is_the_command() {
        let Command::Call(call) =
            parse(&["call", "echo", "a=1", "-", "--", "npx", "-y", "--json", "x"]).command
        else {
            panic!("not a call")
        };
        assert_eq!(call.words, ["echo", "a=1", "-"]);
        assert_eq!(call.command, ["npx", "-y", "--json", "x"]);
    }

    #[test]
    fn an_option_takes_one_value() {
        let Command::Run(run) = parse(&["run", "-s", "fs", "-s", "web", "hello"]).command else {
            panic!("not a run")
        };
        assert_eq!((run.servers.len(), run.prompt.as_str()), (2, "hello"));
    }
}
