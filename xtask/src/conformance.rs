//! The official client scenarios against the adapter `conformance-client`: each singly, and those
//! that a revision requires as the sets that the suite itself makes of them.
//!
//! Singly, because a run of a whole set ignores exit codes, warnings, and clients that did
//! nothing. A scenario passes here when at least the expected number of checks succeeded, none
//! failed or warned, and the client ended as expected and in time.

mod required;
mod run;
mod scenarios;
mod service;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::stopwatch::{Stopwatch, show};
use crate::{lock, process, tools};
use run::Suite;
use scenarios::{Era, SCENARIOS};

/// How much of a failed run is shown.
const LOG_LINES: usize = 40;

/// Whether a scenario of this name runs.
pub(crate) fn has(name: &str) -> bool {
    SCENARIOS.iter().any(|scenario| scenario.name == name)
}

/// Runs all scenarios and sets, or those of one era, or the scenarios named; with our adapter, or
/// with another client for comparison. With `service`, those for servers through `mcp serve`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if arguments == ["service"] {
        return service::run();
    }
    let mut era = None;
    let mut flags: &[&str] = &[];
    let mut names = Vec::new();
    let mut client = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--era" => {
                era = match rest.next().map(String::as_str) {
                    Some("legacy") => Some(Era::Legacy),
                    Some("modern") => Some(Era::Modern),
                    _ => bail!("--era is legacy or modern"),
                }
            }
            "--release" => flags = &["--release"],
            "--client" => {
                client = Some(PathBuf::from(rest.next().context("--client needs a path")?));
            }
            flag if flag.starts_with('-') => bail!("unknown argument `{flag}`"),
            name => names.push(name),
        }
    }
    let chosen: Vec<_> = SCENARIOS
        .iter()
        .filter(|scenario| era.is_none_or(|era| scenario.era == era))
        .filter(|scenario| names.is_empty() || names.contains(&scenario.name))
        .collect();
    if chosen.is_empty() {
        bail!("no such scenario; they are in xtask/src/conformance/scenarios.rs");
    }

    let folder = tools::conformance()?;
    let client = match client {
        Some(client) => client,
        None => process::build("mcp-tests", "conformance-client", flags)?,
    };
    let _lock = lock::hold(&folder.join("results"))?;
    let suite = Suite::new(folder, &client)?;
    println!(
        "{:<12}{:<8}{:<44}{:>7}{:>8}  result",
        "revision", "era", "scenario", "checks", "time"
    );
    let (mut failed, mut count) = (0, 0);
    let mut show_run = |run: &Run<'_>| -> Result<()> {
        count += 1;
        failed += usize::from(!run.complaints.is_empty());
        run.show()
    };
    // As told, and once more by finding out what the server speaks.
    for (scenario, finds_out) in chosen.iter().flat_map(|one| [(one, false), (one, true)]) {
        let time = Stopwatch::start();
        let outcome = suite.run(scenario, finds_out)?;
        show_run(&Run {
            era: scenario.era,
            finds_out,
            name: scenario.name,
            passed: outcome.passed,
            time: time.elapsed(),
            complaints: scenario.judge(&outcome),
            log: &outcome.log,
        })?;
    }
    let eras = [Era::Legacy, Era::Modern].into_iter();
    let eras = eras.filter(|one| names.is_empty() && era.is_none_or(|era| era == *one));
    for (era, finds_out) in eras.flat_map(|era| [(era, false), (era, true)]) {
        let time = Stopwatch::start();
        let (report, log) = suite.run_required(era, finds_out)?;
        show_run(&Run {
            era,
            finds_out,
            name: "all that the revision requires",
            passed: report.passed,
            time: time.elapsed(),
            complaints: report.complaints,
            log: &log,
        })?;
    }
    if failed > 0 {
        bail!("{failed} of {count} runs failed");
    }
    println!("{count} runs passed: {} scenarios, as told and by finding out", chosen.len());
    Ok(())
}

/// A row of the table.
struct Run<'a> {
    era: Era,
    finds_out: bool,
    name: &'a str,
    passed: usize,
    time: Duration,
    complaints: Vec<String>,
    log: &'a Path,
}

impl Run<'_> {
    /// Prints it, and the end of its log if something is wrong.
    fn show(&self) -> Result<()> {
        let Self { era, finds_out, name, passed, time, complaints, log } = self;
        let result = if complaints.is_empty() { "ok".to_owned() } else { complaints.join("; ") };
        let mode = if *finds_out { "auto" } else { "told" };
        println!(
            "{:<12}{mode:<8}{name:<44}{passed:>7}{:>8}  {result}",
            era.revision(),
            show(*time)
        );
        if !complaints.is_empty() {
            let text = fs::read_to_string(log)?;
            let lines: Vec<_> = text.lines().collect();
            for line in &lines[lines.len().saturating_sub(LOG_LINES)..] {
                println!("    {line}");
            }
            println!("    all of it: {}", log.display());
        }
        Ok(())
    }
}
