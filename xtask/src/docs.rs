//! The API documentation; a warning is an error.

use anyhow::Result;

use crate::process;

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut doc = process::cargo(["doc", "--workspace", "--exclude", "mcp-peers", "--no-deps"]);
    process::run(doc.args(arguments).env("RUSTDOCFLAGS", "-D warnings"))
}
