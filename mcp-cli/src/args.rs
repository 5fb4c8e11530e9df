//! The command line, as clap reads it.

mod access;
mod conversation;
mod layers;
mod model;
mod plan;
mod registry;
mod replicas;
mod serve;
mod serve_keys;

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

pub(crate) use self::{
    access::{ConfigAction, KeptIn, LoginArgs, LogoutArgs, PinsAction, TrustAction},
    conversation::{AgentOptions, AgentsAction, Approve, ChatArgs, RunArgs, SessionsAction},
    layers::{AuditAction, CallLayers, LayerOptions, Named},
    model::{AnswerOptions, ModelChoice, ModelOptions, Offer, ToolSearch},
    plan::{PlanAction, PlanMakeArgs, PlanRunArgs},
    registry::{AddArgs, RegistryOptions, SearchArgs},
    replicas::ReplicaOptions,
    serve::{LogFormat, ServeArgs},
    serve_keys::{KeysAction, KeysAddArgs, KeysFile, ServeAction},
};
use crate::{
    commands::{StatusArgs, WatchArgs},
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
        after_help = "In the chat: /tools, /servers, /refresh, /undo, /retry, /cost, /approve, /export, /clear, /help, /exit. Ctrl-C stops the \
answer. The conversation is kept, sealed, and `mcp chat --resume` goes on with it."
    )]
    Chat(ChatArgs),
    /// Look at conversations that were kept, and go on from them
    #[command(visible_alias = "session")]
    Sessions {
        #[command(subcommand)]
        action: SessionsAction,
    },
    /// Look at the agents that a file declares
    ///
    /// A file such as ~/.config/mcp/agents.toml declares agents with a model, tools and instructions
    /// of their own; `mcp run --agent NAME` and `mcp chat --agent NAME` ask one.
    #[command(visible_alias = "agent")]
    Agents {
        #[command(subcommand)]
        action: AgentsAction,
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
    /// changed later is kept from the model until it is accepted here. So does `mcp serve`; what its
    /// replicas have agreed to with --postgres is seen with the same --postgres and --store-key.
    Pins {
        #[command(subcommand)]
        action: PinsAction,
    },
    /// Check records of calls, as `--audit` makes them
    Audit {
        #[command(subcommand)]
        action: AuditAction,
    },
    /// Find servers that others have published
    #[command(after_help = "\
Examples:\n  mcp search weather\n  mcp search --type pypi database\n\n\
The servers are those of the MCP registry, or of another one with its API (MCP_REGISTRY).")]
    Search(SearchArgs),
    /// Add a server to the configuration: from the registry, by address or by command
    #[command(
        override_usage = "mcp add [OPTIONS] <NAME|URL> [-- COMMAND...]",
        after_help = "\
Examples:\n  mcp add io.github.user/weather --set region=eu\n  \
mcp add https://mcp.example.com/mcp --name example -H 'Authorization: Bearer ${TOKEN}'\n  \
mcp add files -- npx -y @modelcontextprotocol/server-filesystem .\n\n\
The file is the one of --config, else that of the user; a file of any program that writes JSON or \
TOML keeps all else that is in it. Nothing is started."
    )]
    Add(AddArgs),
    /// Look at configuration files, and write them as other programs do
    Config {
        #[command(subcommand)]
        action: ConfigAction,
    },
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
    /// Whether the servers are for many people. Else whoever runs the command is the one caller,
    /// whose login is that of `mcp login`.
    #[arg(skip)]
    pub(crate) for_callers: bool,
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
    pub(crate) layers: CallLayers,
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
        assert_eq!((run.servers.len(), run.prompt.as_deref()), (2, Some("hello")));
    }
}
