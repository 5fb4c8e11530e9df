//! All of CI: every step runs, the summary says which failed and how long each took.

use anyhow::{Result, bail};

use crate::stopwatch::{Stopwatch, show};
use crate::{
    bench, conformance, coverage, dashboard, databases, deploy, docs, fidelity, interop, live,
    openai, openapi, process, soak, test, tidy, tools,
};

type Step = (&'static str, fn() -> Result<()>);

/// In order: what is quick to tell first, then what needs a build, then what needs other programs.
const STEPS: &[Step] = &[
    ("fmt", || process::run(&mut process::cargo(["fmt", "--all", "--check"]))),
    ("tidy", || tidy::run(&[])),
    ("coverage", || coverage::run(&[])),
    ("clippy", clippy),
    ("docs", || docs::run(&[])),
    ("test", || test::run(&[])),
    ("fidelity", || fidelity::run(&[])),
    ("tools", || tools::run(&[])),
    ("dashboard", || dashboard::run(&[])),
    ("interop", || interop::run(&[])),
    ("openai", || openai::run(&[])),
    ("openapi", || openapi::run(&[])),
    ("databases", || databases::run(&[])),
    ("deploy", || deploy::run(&[])),
    ("live", || live::run(&[])),
    // Long enough for a leak to show as a slope.
    ("soak", || soak::run(&["--minutes".to_owned(), "1".to_owned()])),
    ("conformance", || conformance::run(&[])),
    ("service", || conformance::run(&["service".to_owned()])),
    ("bench", || bench::run(&["client".to_owned(), "--instructions".to_owned()])),
];

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if let Some(unknown) = arguments.first() {
        bail!("unknown argument `{unknown}`");
    }
    let whole = Stopwatch::start();
    let mut rows = Vec::new();
    for (name, step) in STEPS {
        eprintln!("\n== {name}");
        let time = Stopwatch::start();
        let outcome = step();
        if let Err(error) = &outcome {
            eprintln!("{name}: {error:#}");
        }
        rows.push((name, outcome, time.elapsed()));
    }

    println!("\n{:<14}{:>9}", "step", "time");
    for (name, outcome, time) in &rows {
        let result =
            outcome.as_ref().map_or_else(|error| format!("FAILED  {error:#}"), |()| "ok".into());
        println!("{name:<14}{:>9}  {result}", show(*time));
    }
    let failed = rows.iter().filter(|(_, outcome, _)| outcome.is_err()).count();
    println!(
        "{:<14}{:>9}  {}",
        "all",
        show(whole.elapsed()),
        if failed == 0 { "ok" } else { "FAILED" }
    );
    if failed > 0 {
        bail!("{failed} of {} steps failed", rows.len());
    }
    Ok(())
}

fn clippy() -> Result<()> {
    // With what no default build has.
    let features = ["--features", "mcp-agent/genai"];
    let mut clippy = process::cargo(["clippy", "--workspace", "--all-targets"]);
    process::run(clippy.args(features).args(["--", "-D", "warnings"]))?;
    // With what no member of the workspace takes: as others may.
    let mut clippy = process::cargo(["clippy", "--package", "mcp-agent", "--no-default-features"]);
    process::run(clippy.args(["--", "-D", "warnings"]))
}
