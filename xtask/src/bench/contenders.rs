//! Who is measured, and how each is built or found.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::cells::{Cell, Who};
use crate::process;

/// One column of the table.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The program and the arguments in front of the job.
    pub(crate) command: Vec<PathBuf>,
    /// How often slower it is expected to be, so that rounds take about as long.
    pub(crate) slowness: usize,
    /// What it is, for the page.
    pub(crate) version: String,
}

/// In what a contender differs from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Limit,
    Ours,
}

impl Contender {
    /// All that there are here; and for each that is not, why.
    pub(crate) fn all(_quick: bool) -> Result<(Vec<Self>, Vec<String>)> {
        let folder =
            build("mcp-benches", "bench-ours", &["bench-server", "bench-limit", "bench-start"])?;
        let own = |name, kind, program: &str, version: String| Self {
            name,
            kind,
            command: vec![folder.join(program)],
            slowness: 1,
            version,
        };
        let contenders = vec![
            own("limit", Kind::Limit, "bench-limit", locked("hyper")? + " on " + &locked("tokio")?),
            own("ours", Kind::Ours, "bench-ours", "mcp-client of this tree".to_owned()),
        ];
        Ok((contenders, Vec::new()))
    }

    pub(crate) fn takes_part(&self, cell: &Cell) -> bool {
        match cell.who {
            Who::All => true,
            Who::Tokio => matches!(self.kind, Kind::Limit | Kind::Ours),
            Who::Ours => matches!(self.kind, Kind::Limit | Kind::Ours),
        }
    }
}

/// Builds for release; returns the folder.
fn build(package: &str, binary: &str, others: &[&str]) -> Result<PathBuf> {
    let mut flags = vec!["--release"];
    for other in others {
        flags.extend(["--bin", other]);
    }
    let built = process::build(package, binary, &flags)?;
    built.parent().map(Path::to_path_buf).context("a binary is in a folder")
}

/// The name and version of a package as `Cargo.lock` has it.
fn locked(package: &str) -> Result<String> {
    let path = process::root().join("Cargo.lock");
    let lock = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let entry = format!("name = \"{package}\"\nversion = \"");
    let (_, rest) = lock.split_once(&entry).with_context(|| format!("no {package} is locked"))?;
    let version = rest.split('"').next().unwrap_or_default();
    Ok(format!("{package} {version}"))
}

/// The server that all talk to, and the program that measures whole processes.
pub(crate) fn server_and_starter() -> Result<(PathBuf, PathBuf)> {
    let folder = build("mcp-benches", "bench-server", &["bench-start"])?;
    Ok((folder.join("bench-server"), folder.join("bench-start")))
}
