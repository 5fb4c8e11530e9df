//! The service's `/v1` through the official clients of OpenAI's API.

use std::process::Command;

use anyhow::{Result, bail};

use crate::{process, tools};

/// Builds the command, and has the clients for Python and Node talk to it in front of a model that
/// answers by rule.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if let Some(unknown) = arguments.first() {
        bail!("unknown argument `{unknown}`");
    }
    let node = process::require("node", "Install Node.js 20.11 or newer (https://nodejs.org).")?;
    let clients = tools::openai()?;
    let mcp = process::build("mcp-cli", "mcp", &[])?;
    let mut check = Command::new(node);
    check.arg(clients.join("run.mjs")).arg(mcp).arg(clients.join("venv/bin/python"));
    process::run(check.current_dir(process::root()))
}
