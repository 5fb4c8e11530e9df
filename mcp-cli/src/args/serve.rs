//! `mcp serve`

use std::{num::NonZeroUsize, path::PathBuf};

use clap::{Args, ValueEnum, ValueHint};

use super::{AnswerOptions, LayerOptions, ReplicaOptions, ServeAction, ServerOptions};

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// JSON lines.
    Json,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ServeArgs {
    #[command(subcommand)]
    pub(crate) action: Option<ServeAction>,
    /// Servers to put behind the address; all configured ones when none is named
    #[arg(value_name = "TARGET")]
    pub(crate) servers: Vec<String>,
    /// Where to listen; port 0 is any free one. A socket that is passed on (`LISTEN_FDS`) comes first
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7777")]
    pub(crate) listen: String,
    /// Be one MCP server on standard input and output, and listen nowhere
    #[arg(long, conflicts_with_all = ["listen", "token_env", "no_token", "hosts", "origins"])]
    pub(crate) stdio: bool,
    /// How many threads do the work. One takes least for each call
    #[arg(long, value_name = "N", default_value = "1", conflicts_with = "stdio")]
    pub(crate) threads: NonZeroUsize,
    /// The environment variable that holds the token; a new token is made when none is named
    #[arg(long, value_name = "NAME", conflicts_with = "no_token")]
    pub(crate) token_env: Option<String>,
    /// Who is let in (API keys, issuers of tokens), limits and alerts, in TOML; whom it lets in is
    /// heeded while it changes. ~/.config/mcp/serve.toml by default
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) settings: Option<PathBuf>,
    /// Answer whoever asks without a token. Only on addresses of this machine
    #[arg(long)]
    pub(crate) no_token: bool,
    /// Also answer requests for this host, such as the name of this machine in the network
    #[arg(long = "allow-host", value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
    #[arg(
        long = "allow-origin",
        value_name = "ORIGIN",
        help = "Also answer web pages of this origin, such as https://app.example"
    )]
    pub(crate) origins: Vec<String>,
    /// Show operators under `/mcp/conversations` the sessions that `mcp chat` keeps
    #[arg(long, conflicts_with = "stdio")]
    pub(crate) sessions: bool,
    /// Offer tools as their servers describe them now, whatever was agreed to
    #[arg(long)]
    pub(crate) no_pins: bool,
    /// Do not look for a model; `/v1` is not offered
    #[arg(long)]
    pub(crate) no_model: bool,
    /// Log each request, and what else is worth knowing, to standard error: one JSON object a line
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    /// Send spans to a collector of OpenTelemetry at this address, by OTLP over HTTP
    #[cfg(feature = "otlp")]
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub(crate) otlp: Option<String>,
    /// Let administrators start servers of the `[[template]]`s of the settings over HTTP
    #[arg(long, conflicts_with = "stdio")]
    pub(crate) allow_templates: bool,
    /// Hand the `baggage` of requests on to the servers
    #[arg(long)]
    pub(crate) pass_baggage: bool,
    /// Say what would be served, and what is wrong with it; start nothing
    #[arg(long)]
    pub(crate) check: bool,
    /// Say who may use a server or a tool, and which line decides; start nothing
    #[arg(long, value_name = "SERVER[/TOOL]", conflicts_with = "check")]
    pub(crate) explain: Option<String>,
    /// The command of a server, after `--`
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
    #[command(flatten)]
    pub(crate) model: AnswerOptions,
    #[command(flatten)]
    pub(crate) layers: LayerOptions,
    #[command(flatten)]
    pub(crate) replicas: ReplicaOptions,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

impl ServeArgs {
    /// How many threads do the work. What is not a service for many needs one.
    pub(crate) fn threads(&self) -> usize {
        if self.action.is_some() || self.check || self.explain.is_some() || self.stdio {
            return 1;
        }
        self.threads.get()
    }
}
