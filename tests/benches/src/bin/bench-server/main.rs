//! The server that every contender talks to: results are made once, one thread does everything,
//! and it is meant never to be what a client waits for.
//!
//! Usage:
//! - `bench-server stdio ERA TOOLS` speaks over its standard streams.
//! - `bench-server http` prints its port and ends when its standard input does. It serves
//!   `/ERA/REPLY/TOOLS`, where REPLY is `json` or `sse`, and TOOLS the number of tools listed, as in
//!   `/modern/json/3`, or `echo` for that one tool.
//!
//! ERA is `legacy` for a server of revision 2025-11-25, `modern` for one of 2026-07-28 that knows
//! the old handshake too.
//!
//! It knows the tools `echo`, `blob1M` and `blob10M`, and is stateless.

#![forbid(unsafe_code)]

mod answers;
mod http;
mod stdio;

use anyhow::{Context, Result, bail};

use answers::{Answers, Listed, Revision};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["stdio", era, tools] => {
            let revision = Revision::named(era).context("ERA is legacy or modern")?;
            let listed = Listed::named(tools).context("TOOLS is a number or `echo`")?;
            stdio::serve(&Answers::new(revision, listed))
        }
        ["http"] => http::serve(),
        _ => bail!("usage: bench-server stdio ERA TOOLS | bench-server http"),
    }
}
