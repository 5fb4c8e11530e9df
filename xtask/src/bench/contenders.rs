//! Who is measured, and how each is built or found.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::cells::{Cell, Figure, Who};
use crate::{process, tools};

/// One column of the table.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The program and the arguments in front of the job.
    pub(crate) command: Vec<PathBuf>,
    /// About how often slower it is, so that all take about as long.
    pub(crate) slowness: usize,
    /// What it is, for the page.
    pub(crate) version: String,
}

/// In what a contender differs from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Limit,
    Ours,
    /// As its README has it: a runtime of many threads everywhere.
    Rmcp,
    /// One thread where the cell has one, connections kept.
    RmcpTuned,
    /// Not on tokio.
    Other,
}

/// The programs of package `mcp-benches`.
pub(crate) struct Programs {
    pub(crate) server: PathBuf,
    pub(crate) limit: PathBuf,
    pub(crate) ours: PathBuf,
    pub(crate) start: PathBuf,
}

impl Programs {
    /// Those in the folder, as someone built them before, or built now for release.
    pub(crate) fn of(folder: Option<&Path>) -> Result<Self> {
        const BINARIES: &[&str] = &["bench-server", "bench-limit", "bench-start"];
        let folder = if let Some(folder) = folder {
            folder.to_path_buf()
        } else {
            let mut flags = vec!["--release"];
            for binary in BINARIES {
                flags.extend(["--bin", binary]);
            }
            let built = process::build("mcp-benches", "bench-ours", &flags)?;
            let built = built.parent().context("a binary is in a folder")?;
            built.to_path_buf()
        };
        let [server, limit, start, ours] =
            ["bench-server", "bench-limit", "bench-start", "bench-ours"]
                .map(|name| folder.join(name));
        Ok(Self { server, limit, ours, start })
    }
}

impl Contender {
    /// The limit and ours, and unless that is all that is wanted, all others that there are here.
    /// For each that is not: why.
    pub(crate) fn all(
        programs: &Programs,
        built: Option<&Path>,
        only_ours: bool,
    ) -> Result<(Vec<Self>, Vec<String>)> {
        let mut contenders = vec![
            Self {
                name: "limit",
                kind: Kind::Limit,
                command: vec![programs.limit.clone()],
                slowness: 1,
                version: format!(
                    "{} on {}, looks for the id only",
                    locked("hyper")?,
                    locked("tokio")?
                ),
            },
            Self {
                name: "ours",
                kind: Kind::Ours,
                command: vec![programs.ours.clone()],
                slowness: 1,
                version: "mcp-client of this tree".to_owned(),
            },
        ];
        let mut absent = Vec::new();
        if only_ours {
            return Ok((contenders, absent));
        }
        let rmcp = match built {
            Some(folder) => folder.join("bench-rmcp"),
            None => process::build("mcp-benches-rmcp", "bench-rmcp", &["--release"])?,
        };
        let version = locked("rmcp")?;
        contenders.push(Self {
            name: "rmcp",
            kind: Kind::Rmcp,
            command: vec![rmcp.clone()],
            slowness: 4,
            version: format!("{version} as in its README: `#[tokio::main]`, `from_uri`"),
        });
        contenders.push(Self {
            name: "rmcp-tuned",
            kind: Kind::RmcpTuned,
            command: vec![rmcp],
            slowness: 4,
            version: format!("{version} on one thread, its connections kept"),
        });
        for other in [typescript(), python()] {
            match other {
                Ok(contender) => contenders.push(contender),
                Err(reason) => {
                    eprintln!("bench: NOT MEASURED: {reason:#}");
                    absent.push(format!("{reason:#}"));
                }
            }
        }
        Ok((contenders, absent))
    }

    pub(crate) fn takes_part(&self, cell: &Cell) -> bool {
        match cell.who {
            Who::All => true,
            Who::Tokio => self.kind != Kind::Other,
            Who::Ours => matches!(self.kind, Kind::Limit | Kind::Ours),
        }
    }

    pub(crate) fn threads(&self, cell: &Cell) -> &'static str {
        if cell.many_threads || self.kind == Kind::Rmcp { "many" } else { "one" }
    }

    /// How often the operation of the cell is repeated.
    pub(crate) fn operations(&self, cell: &Cell, haste: usize) -> usize {
        // Large texts take all about as long.
        let slowness = if cell.operations > 1_000 || cell.figure == Figure::Process {
            self.slowness
        } else {
            self.slowness.min(20)
        };
        let least = cell.in_flight.max(cell.connections).max(3);
        (cell.operations / slowness / haste).max(least.min(cell.operations))
    }
}

fn typescript() -> Result<Contender> {
    const MISSING: &str = "the TypeScript SDK, for there is no node here";
    let node = process::require("node", "Install Node.js 20 or newer.").context(MISSING)?;
    let folder = tools::benches().context("the TypeScript SDK, which could not be installed")?;
    let version = process::output(Command::new(&node).arg("--version"))?;
    let lock: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("package-lock.json"))?)?;
    let package = "@modelcontextprotocol/client";
    let locked = lock["packages"][format!("node_modules/{package}")]["version"].as_str();
    let locked = locked.context("package-lock.json has no version of the client")?;
    Ok(Contender {
        name: "typescript",
        kind: Kind::Other,
        command: vec![node, folder.join("typescript.mjs")],
        slowness: 60,
        version: format!("{package} {locked}, node {}", version.trim()),
    })
}

fn python() -> Result<Contender> {
    const MISSING: &str = "the Python SDK, for there is no python3 here";
    process::require("python3", "Install Python 3.10 or newer.").context(MISSING)?;
    let python = tools::python().context("the Python SDK, which could not be installed")?;
    let script = process::root().join("tests/benches/peers/python_sdk.py");
    let ask = "import importlib.metadata as m, platform as p; \
        print('mcp', m.version('mcp') + ', Python', p.python_version())";
    let version = process::output(Command::new(&python).args(["-c", ask]))?;
    Ok(Contender {
        name: "python",
        kind: Kind::Other,
        command: vec![python, script],
        slowness: 100,
        version: version.trim().to_owned(),
    })
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
