//! What happens to a call on its way to a server.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueHint};
use mcp_agent::layers::Rate;

use crate::measure;

/// For a command that makes one call.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Call options")]
pub(crate) struct CallLayers {
    /// Record every call in this file: JSON lines without secrets, each with the hash of the line
    /// before; `mcp audit verify` checks it
    #[arg(long, value_name = "FILE", env = "MCP_AUDIT", hide_env_values = true, value_hint = ValueHint::FilePath)]
    pub(crate) audit: Option<PathBuf>,
    /// How often a call is made again that surely was not sent, or is safe to repeat
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(..=10))]
    pub(crate) retries: u32,
    /// Believe a server, or with `*` all, that a tool only reads or may run twice
    #[arg(long, value_name = "SERVER")]
    pub(crate) believe: Vec<String>,
}

/// For a command that makes many calls.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Call options")]
pub(crate) struct LayerOptions {
    #[command(flatten)]
    pub(crate) call: CallLayers,
    /// How many calls run at a time, over all servers; 10 unless the configuration says another
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) max_calls_at_once: Option<u32>,
    /// How often servers or tools may be called: `60/min`, `5/s:10` with a burst of 10, `db=5/s`,
    /// `db.query=1/s`
    #[arg(long = "rate", value_name = "[NAME=]RATE", value_parser = rate)]
    pub(crate) rates: Vec<Named<Rate>>,
    /// How long a call waits for its turn by --rate at most; then it is refused, with the time when
    /// it may come again; 0: it never waits
    #[arg(long, value_name = "TIME", value_parser = wait)]
    pub(crate) rate_wait: Option<Duration>,
    /// Keep results of read-only tools of believed servers for so long, or those of one tool:
    /// `5m`, `db.schema=1h`
    #[arg(long, value_name = "[SERVER.TOOL=]TIME", value_parser = time)]
    pub(crate) cache_ttl: Vec<Named<Duration>>,
    /// After how many failures in a row a server is left alone for a while; 0: never
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) breaker_failures: u32,
    /// How long a server is left alone at first
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = measure::parse_time)]
    pub(crate) breaker_pause: Duration,
    /// How long a call may wait for a server that is down and about to be started again; without
    /// it the call fails at once
    #[arg(long, value_name = "TIME", value_parser = measure::parse_time)]
    pub(crate) await_restart: Option<Duration>,
}

/// A value for all, or for what is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named<T> {
    pub(crate) name: Option<String>,
    pub(crate) value: T,
}

impl<T> Named<T> {
    fn parse(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Self, String> {
        let (name, value) = match text.rsplit_once('=') {
            Some((name, value)) => (Some(name.to_owned()), value),
            None => (None, text),
        };
        Ok(Self { name, value: read(value)? })
    }
}

fn rate(text: &str) -> Result<Named<Rate>, String> {
    Named::parse(text, |text| text.parse::<Rate>().map_err(|error| error.to_string()))
}

fn wait(text: &str) -> Result<Duration, String> {
    if text.trim() == "0" { Ok(Duration::ZERO) } else { measure::parse_time(text) }
}

fn time(text: &str) -> Result<Named<Duration>, String> {
    Named::parse(text, measure::parse_time)
}

/// What to do with a record of calls.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditAction {
    /// Check that a record is as it was written: no line changed, taken out, put in or moved
    ///
    /// The last hash is printed. Whoever can write the file can cut off its end; keep the hash
    /// elsewhere and give it the next time, and that shows as well.
    Verify {
        /// The file
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// The last hash of an earlier check
        #[arg(long, value_name = "HASH")]
        since: Option<String>,
    },
}
