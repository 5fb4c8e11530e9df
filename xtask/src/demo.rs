//! The main job on real input: a model answers a question with the tools of two servers that were
//! written elsewhere.

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::{model, process};

/// Two steps, one tool of each server. Small models need to be told the order.
const QUESTION: &str = "First read the file numbers.txt. Then add the two numbers that are in it.";

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
    fs::write(folder.join("numbers.txt"), "17\n25\n")?;
    let servers = json!({"mcpServers": {
        "files": {"command": "npx", "args": ["-y", FILESYSTEM, "."], "cwd": &folder},
        "everything": {"command": "npx", "args": ["-y", EVERYTHING]},
    }});
    let config = folder.join("servers.json");
    fs::write(&config, serde_json::to_string_pretty(&servers)?)?;

    let mcp =
        process::root().join("target/debug").join(format!("mcp{}", std::env::consts::EXE_SUFFIX));
    let ask = || {
        let mut command = Command::new(&mcp);
        command.arg("--config").arg(&config).args(["run", &question]);
        command.args(["--tools", "files__read_text_file", "--tools", "everything__get-sum"]);
        command
    };
    // A model that is already there is better than any that we could set up.
    let mut probe = Command::new(&mcp);
    let found = output(probe.args(["--json", "models"]))?;
    if !found.status.success() {
        if !String::from_utf8_lossy(&found.stderr).contains(NO_MODEL) {
            bail!("`mcp models` failed: {}", String::from_utf8_lossy(&found.stderr));
        }
        model::ensure()?;
    }
    process::run(&mut ask())
}

fn output(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null()).output().context("cannot start the `mcp` that was just built")
}
