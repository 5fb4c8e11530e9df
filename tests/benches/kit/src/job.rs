//! What a contender is to do.

use anyhow::{Context, Result};
use serde::Deserialize;

/// One job, as JSON on the command line.
#[derive(Clone, Debug, Deserialize)]
pub struct Job {
    /// What one operation is.
    pub work: Work,
    /// Where to.
    pub server: Server,
    /// What the server speaks. For programs that cannot find out.
    pub era: Era,
    /// How often, after the warm-up.
    pub operations: usize,
    /// How often before that.
    pub warm_up: usize,
    /// How many calls are under way at any time.
    #[serde(default = "one")]
    pub in_flight: usize,
    /// How many connections there are; calls go to them in turn.
    #[serde(default = "one")]
    pub connections: usize,
    /// How many tools the server lists.
    pub tools: usize,
    /// Which runtime.
    #[serde(default)]
    pub threads: Threads,
    /// Whether a contender that has settings for speed uses them.
    #[serde(default)]
    pub tuned: bool,
}

/// What one operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// A small `tools/call`.
    Echo,
    /// A `tools/list`.
    List,
    /// A `tools/call` with a text of a megabyte.
    Blob1M,
    /// A `tools/call` with a text of ten megabytes.
    Blob10M,
    /// Connect, list, close.
    Cold,
    /// A connection that is opened, used once and left alone: counts memory, not time.
    Idle,
    /// All connections opened and listed side by side.
    Fleet,
}

/// Where the server is.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Server {
    /// A program to start.
    Stdio {
        /// Its path.
        program: String,
        /// Its arguments.
        args: Vec<String>,
    },
    /// An endpoint to post to.
    Http {
        /// Where it is.
        url: String,
    },
}

/// What the server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Era {
    /// Revision 2025-11-25 and nothing newer.
    Legacy,
    /// Revision 2026-07-28.
    Modern,
}

/// Which runtime a contender made with tokio uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Threads {
    /// `#[tokio::main(flavor = "current_thread")]`.
    #[default]
    One,
    /// `#[tokio::main]`.
    Many,
}

impl Job {
    /// The job on the command line.
    ///
    /// # Errors
    /// There is none, or it is malformed.
    pub fn from_arguments() -> Result<Self> {
        let text = std::env::args().nth(1).context("give the job as JSON, as xtask does")?;
        serde_json::from_str(&text).context("the job is malformed")
    }
}

impl Work {
    /// The tool whose result is this large, and the least number of bytes of its text.
    pub fn blob(self) -> Option<(&'static str, usize)> {
        match self {
            Self::Blob1M => Some(("blob1M", 1_000_000)),
            Self::Blob10M => Some(("blob10M", 10_000_000)),
            _ => None,
        }
    }
}

fn one() -> usize {
    1
}
