//! The matrix against servers made with other SDKs: peer × transport × era × operation.

use std::path::Path;

use anyhow::{Context, Result};

use crate::{process, tools};

/// Installs and builds the peers, then runs the matrix of package `mcp-tests`, which prints a
/// table. Arguments go to it.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let peers = tools::interop()?;
    let rmcp = process::build("mcp-peers", "rmcp-server", &[])?;
    let bin = rmcp.parent().map(Path::to_path_buf).context("a binary is in a folder")?;
    let matrix = process::build("mcp-tests", "interop", &[])?;
    let mut run = std::process::Command::new(matrix);
    run.args(arguments)
        .current_dir(process::root())
        .env("MCP_INTEROP_DIR", peers)
        .env("MCP_INTEROP_BIN", bin);
    process::run(&mut run)
}
