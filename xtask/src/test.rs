//! All tests: unit and integration tests of every crate, and the documentation's examples.

use anyhow::Result;

use crate::process;

/// Arguments filter the tests by name; with a filter the documentation's examples are left out.
pub(crate) fn run(filters: &[String]) -> Result<()> {
    let runner: &[&str] = if process::find("cargo-nextest").is_some() {
        &["nextest", "run", "--workspace", "--no-fail-fast"]
    } else {
        eprintln!("xtask: cargo-nextest is not installed; using cargo test, which is slower");
        &["test", "--workspace", "--all-targets", "--no-fail-fast", "--"]
    };
    process::run(process::cargo(runner).args(filters))?;
    if filters.is_empty() {
        process::run(&mut process::cargo(["test", "--workspace", "--doc"]))?;
    }
    Ok(())
}
