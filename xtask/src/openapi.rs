//! The service's description of itself, held against the service by schemathesis.

use std::process::Command;

use anyhow::{Result, bail};

use crate::{process, tools};

/// Builds the command, and has schemathesis try what its description says: requests that fit it,
/// and requests that do not.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if let Some(unknown) = arguments.first() {
        bail!("unknown argument `{unknown}`");
    }
    let node = process::require("node", "Install Node.js 20.11 or newer (https://nodejs.org).")?;
    let folder = tools::openai()?;
    let mcp = process::build("mcp-cli", "mcp", &[])?;
    let mut check = Command::new(node);
    check.arg(folder.join("describe.mjs")).arg(mcp).arg(folder.join("venv/bin/schemathesis"));
    process::run(check.current_dir(process::root()))
}
