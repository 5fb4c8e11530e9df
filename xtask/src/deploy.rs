//! The files of `docs/deploy`: they keep to their schemas, and `mcp` understands how they start it.
//! Nothing is deployed.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{process, tools};

const COMPOSE: &str = "docs/deploy/compose.yaml";
const KUBERNETES: &str = "docs/deploy/kubernetes.yaml";

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if let Some(unknown) = arguments.first() {
        bail!("unknown argument `{unknown}`");
    }
    let venv = tools::deploy()?.join("venv/bin");
    let program = |name: &str| {
        let mut command = Command::new(venv.join(name));
        command.current_dir(process::root());
        command
    };
    let schema = ["--builtin-schema", "vendor.compose-spec", COMPOSE];
    process::run(program("check-jsonschema").args(schema))?;
    process::run(program("kubernetes-validate").args(["--strict", KUBERNETES]))?;

    let mcp = process::build("mcp-cli", "mcp", &["--features", "postgres redis"])?;
    let script = "tests/deploy/commands.py";
    let told = process::output(program("python").args([script, COMPOSE, KUBERNETES]))?;
    let mut commands = 0;
    for line in told.lines() {
        let told: Value = serde_json::from_str(line)?;
        let words = |member: &str| -> Vec<&str> {
            told[member].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
        };
        let (file, arguments) = (&told["file"], words("arguments"));
        let variables = words("variables");
        for argument in &arguments {
            let named = argument.split_once("=env:").or_else(|| argument.split_once("-env="));
            if let Some((_, name)) = named {
                ensure!(variables.contains(&name), "{file}: {argument} names no variable of it");
            }
        }
        // What comes before `--help` is read first.
        let mut understood = Command::new(&mcp);
        process::output(understood.args(&arguments).arg("--help"))
            .with_context(|| format!("{file}: `mcp` does not understand how it is started"))?;
        commands += 1;
    }
    ensure!(commands == 2, "{commands} commands were found, and there should be 2");
    Ok(())
}
