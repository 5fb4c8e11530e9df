//! Measures whole processes: starts a contender over and over, each time for one job.
//!
//! Usage: `bench-start RUNS PROGRAM ARG...`. CPU time is that of the program and of what it
//! started and waited for, a server on stdio included.

#![forbid(unsafe_code)]

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use mcp_bench_kit::{Meter, Report};
use tokio::time::Instant;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let runs: usize = arguments.next().context("RUNS is missing")?.parse()?;
    let program = arguments.next().context("PROGRAM is missing")?;
    let rest: Vec<String> = arguments.collect();
    let meter = Meter::of_children()?;
    let mut peak = 0;
    let mut laps = Vec::with_capacity(runs);
    for _ in 0..runs {
        let start = Instant::now();
        let output = Command::new(&program)
            .args(&rest)
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot start {program}"))?;
        laps.push(start.elapsed());
        ensure!(output.status.success(), "{program} failed ({})", output.status);
        let report: Report = serde_json::from_slice(&output.stdout)?;
        peak = peak.max(report.peak_rss_kib);
    }
    let report = meter.finish(laps)?;
    Report { peak_rss_kib: peak, ..report }.print()
}
