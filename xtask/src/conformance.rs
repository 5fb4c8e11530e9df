//! The official client scenarios, each singly, against the adapter `conformance-client`.
//!
//! Singly, because a run of a whole set ignores exit codes, warnings, and clients that did
//! nothing. A scenario passes here when at least the expected number of checks succeeded, none
//! failed or warned, and the client ended as expected and in time.

mod run;
mod scenarios;

use std::fs;
use std::path::PathBuf;

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

/// Runs all scenarios, or those of one era, or those named; with our adapter, or with another
/// client for comparison.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
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
    let mut failed = 0;
    println!(
        "{:<12}{:<8}{:<44}{:>7}{:>8}  result",
        "revision", "era", "scenario", "checks", "time"
    );
    // As told, and once more by finding out what the server speaks.
    let runs = chosen.iter().flat_map(|scenario| [(scenario, false), (scenario, true)]);
    for (scenario, finds_out) in runs.clone() {
        let time = Stopwatch::start();
        let outcome = suite.run(scenario, finds_out)?;
        let complaints = scenario.judge(&outcome);
        let result = if complaints.is_empty() { "ok".to_owned() } else { complaints.join("; ") };
        println!(
            "{:<12}{:<8}{:<44}{:>7}{:>8}  {result}",
            scenario.era.revision(),
            if finds_out { "auto" } else { "told" },
            scenario.name,
            outcome.passed,
            show(time.elapsed())
        );
        if !complaints.is_empty() {
            failed += 1;
            let log = fs::read_to_string(&outcome.log)?;
            let lines: Vec<_> = log.lines().collect();
            for line in &lines[lines.len().saturating_sub(LOG_LINES)..] {
                println!("    {line}");
            }
            println!("    all of it: {}", outcome.log.display());
        }
    }
    let count = runs.count();
    if failed > 0 {
        bail!("{failed} of {count} runs failed");
    }
    println!("{} scenarios passed, each as told and by finding out", chosen.len());
    Ok(())
}
