//! Licences, advisories, duplicates and sources of all dependencies, by `deny.toml`.
//!
//! Not a part of `ci`: cargo-deny has to be compiled, and its advisory database to be fetched.

use anyhow::Result;

use crate::process;

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    process::require("cargo-deny", "Install it: cargo install --locked cargo-deny")?;
    process::run(process::cargo(["deny", "check"]).args(arguments))
}
