//! All tests: unit and integration tests of every crate, and the documentation's examples.
//!
//! Without the peers of the interop matrix and the programs of the benches, which hold no tests.

use anyhow::Result;

use crate::process;

/// All packages but those.
pub(crate) const WORKSPACE: &[&str] = &[
    "--workspace",
    "--exclude",
    "mcp-peers",
    "--exclude",
    "mcp-benches",
    "--exclude",
    "mcp-benches-rmcp",
    "--exclude",
    "mcp-bench-kit",
];

/// Arguments filter the tests by name; with a filter the documentation's examples are left out.
pub(crate) fn run(filters: &[String]) -> Result<()> {
    let mut runner = if process::find("cargo-nextest").is_some() {
        process::cargo(["nextest", "run", "--no-fail-fast"])
    } else {
        eprintln!("xtask: cargo-nextest is not installed; using cargo test, which is slower");
        process::cargo(["test", "--all-targets", "--no-fail-fast"])
    };
    runner.args(WORKSPACE);
    if process::find("cargo-nextest").is_none() {
        runner.arg("--");
    }
    let tests = process::run(runner.args(filters));
    if !filters.is_empty() {
        return tests;
    }
    let examples = process::run(process::cargo(["test", "--doc"]).args(WORKSPACE));
    tests.and(examples)
}
