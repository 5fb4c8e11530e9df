//! Many servers under load while they are killed, stopped, slowed and restarted.

use std::process::Command;

use anyhow::{Result, bail};

use crate::process;

/// Builds the servers and the program that torments them, and runs it: `--minutes N`, `--seed S`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let known = |name: &String| matches!(name.as_str(), "--minutes" | "--seed");
    if !arguments.len().is_multiple_of(2) || !arguments.iter().step_by(2).all(known) {
        bail!("usage: cargo xtask soak [--minutes N] [--seed S]");
    }
    if !cfg!(target_os = "linux") {
        bail!("soak counts what /proc shows, so it needs Linux");
    }
    let mcp = process::build("mcp-cli", "mcp", &[])?;
    let misbehave = process::build("mcp-tests", "misbehave", &[])?;
    let soak = process::build("mcp-tests", "soak", &[])?;
    let mut command = Command::new(soak);
    command.arg("--mcp").arg(mcp).arg("--misbehave").arg(misbehave).args(arguments);
    process::run(&mut command)
}
