//! The main job on real input: a model answers a question with the tools of two servers that were
//! written elsewhere.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use serde_json::json;

use crate::{model, process};

/// Two steps, one tool of each server. A small model needs to be told the order.
const QUESTION: &str = "Call get-sum with 17 and 25, then call read_text_file with notes.txt, \
                        then tell me both results.";

const FILESYSTEM: &str = "@modelcontextprotocol/server-filesystem@2026.8.31";
const EVERYTHING: &str = "@modelcontextprotocol/server-everything@2026.8.31";

/// What the command line says when no model can be found.
const NO_MODEL: &str = "no_model";

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let question = match arguments {
        [] => QUESTION.to_owned(),
        words => words.join(" "),
    };
    process::require("npx", "Install Node.js: the example's servers come from npm.")?;
    process::run(&mut process::cargo(["build", "--package", "mcp-cli"]))?;

    let folder = process::root().join("target/demo");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("notes.txt"), "The meeting is at 15:30 in room 7.\n")?;
    let servers = json!({"mcpServers": {
        "files": {"command": "npx", "args": ["-y", FILESYSTEM, "."], "cwd": &folder},
        "everything": {"command": "npx", "args": ["-y", EVERYTHING]},
    }});
    let config = folder.join("servers.json");
    fs::write(&config, serde_json::to_string_pretty(&servers)?)?;

    let mcp =
        process::root().join("target/debug").join(format!("mcp{}", std::env::consts::EXE_SUFFIX));
    let mut ask = Command::new(&mcp);
    ask.arg("--config").arg(&config).args(["run", "-s", "files", "-s", "everything"]);
    ask.args(["-g", "files.read_text_file", "-g", "everything.get-sum", &question]);
    // A model that is already there is better than any that we could set up.
    if !model::is_set_up()? && !finds_model(&mcp)? {
        model::ensure()?;
    }
    process::run(ask.stdin(Stdio::null()))
}

/// Whether the command finds a model by itself: a key in the environment, or a local server.
fn finds_model(mcp: &Path) -> Result<bool> {
    let mut probe = Command::new(mcp);
    probe.args(["--json", "run", "--max-steps", "1", "Say yes."]).stdin(Stdio::null());
    let output = probe.output().context("cannot start the `mcp` that was just built")?;
    Ok(output.status.success() || !String::from_utf8_lossy(&output.stderr).contains(NO_MODEL))
}
