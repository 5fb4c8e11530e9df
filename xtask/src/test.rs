//! All tests: unit and integration tests of every crate, and the documentation's examples.
//!
//! Without the peers of the interop matrix, which hold another SDK and no tests.

use anyhow::Result;

use crate::process;

/// Arguments filter the tests by name; with a filter the documentation's examples are left out.
pub(crate) fn run(filters: &[String]) -> Result<()> {
    let runner: &[&str] = if process::find("cargo-nextest").is_some() {
        &["nextest", "run", "--workspace", "--exclude", "mcp-peers", "--no-fail-fast"]
    } else {
        eprintln!("xtask: cargo-nextest is not installed; using cargo test, which is slower");
        &["test", "--workspace", "--exclude", "mcp-peers", "--all-targets", "--no-fail-fast", "--"]
    };
    let tests = process::run(process::cargo(runner).args(filters));
    if !filters.is_empty() {
        return tests;
    }
    let examples = ["test", "--workspace", "--exclude", "mcp-peers", "--doc"];
    let examples = process::run(&mut process::cargo(examples));
    tests.and(examples)
}
