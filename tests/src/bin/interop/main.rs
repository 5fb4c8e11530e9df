//! Our client against servers that others wrote: every peer, transport, era and operation that
//! `peers.json` names. Prints a table and fails on any miss.

#![expect(clippy::print_stdout, reason = "its output is the table")]

mod case;
mod operation;
mod peers;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};

use self::{
    case::{Case, Findings},
    peers::Peers,
};

/// A case that takes longer hangs.
const WATCHDOG: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let settings = Settings::read(std::env::args().skip(1))?;
    let peers = Peers::read(&settings)?;
    let mut rows = Vec::new();
    for case in peers.cases(&settings.filters) {
        let started = std::time::SystemTime::now();
        let findings = tokio::time::timeout(WATCHDOG, case.run(&settings)).await;
        let findings = findings.unwrap_or_else(|_| Findings::only("case", Err("hangs".to_owned())));
        let seconds = started.elapsed().unwrap_or_default().as_secs_f64();
        let row = Row { case, findings, seconds };
        println!("{}", row.line());
        for (operation, outcome) in &row.findings.results {
            if let Err(reason) = outcome {
                println!("    {operation}: {reason}");
            }
        }
        rows.push(row);
    }
    if rows.is_empty() {
        bail!("no case matches {:?}", settings.filters);
    }
    println!("\n| peer | transport | era asked | era found | revision | operations | time |");
    println!("|---|---|---|---|---|---:|---:|");
    for row in &rows {
        println!("{}", row.table());
    }
    let missed = rows.iter().filter(|row| row.passed() < row.findings.results.len()).count();
    println!("\n{} cases, {missed} with misses", rows.len());
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where the peers are installed.
pub(crate) struct Settings {
    /// `peers.json`.
    peers: PathBuf,
    /// The folder of the peers, as installed.
    dir: PathBuf,
    /// The Python that has their packages.
    python: PathBuf,
    /// Where cargo puts binaries.
    bin: PathBuf,
    /// Parts of `peer/transport/era`; none means all.
    filters: Vec<String>,
}

impl Settings {
    /// The two folders come from the environment, the filters are the arguments.
    fn read(filters: impl Iterator<Item = String>) -> Result<Self> {
        let folder = |name: &str| -> Result<PathBuf> {
            let value = std::env::var_os(name).with_context(|| {
                format!("{name} is not set; run this with `cargo xtask interop`")
            })?;
            Ok(PathBuf::from(value).canonicalize()?)
        };
        let dir = folder("MCP_INTEROP_DIR")?;
        Ok(Self {
            peers: dir.join("peers.json"),
            python: dir.join("venv/bin/python"),
            bin: folder("MCP_INTEROP_BIN")?,
            dir,
            filters: filters.collect(),
        })
    }
}

/// What came of one case.
struct Row {
    case: Case,
    findings: Findings,
    seconds: f64,
}

impl Row {
    fn passed(&self) -> usize {
        self.findings.results.iter().filter(|(_, outcome)| outcome.is_ok()).count()
    }

    /// The negotiated one.
    fn revision(&self) -> &str {
        self.findings.revision.as_deref().unwrap_or("-")
    }

    fn line(&self) -> String {
        let mark = if self.passed() == self.findings.results.len() { "ok  " } else { "MISS" };
        format!(
            "{mark} {} {} {}/{} {:.1} s",
            self.case,
            self.revision(),
            self.passed(),
            self.findings.results.len(),
            self.seconds
        )
    }

    fn table(&self) -> String {
        let Case { peer, transport, era, expected, .. } = &self.case;
        let found = expected.as_deref().unwrap_or("refused, as it must");
        format!(
            "| {peer} | {transport} | {era} | {found} | {} | {}/{} | {:.1} s |",
            self.revision(),
            self.passed(),
            self.findings.results.len(),
            self.seconds
        )
    }
}
