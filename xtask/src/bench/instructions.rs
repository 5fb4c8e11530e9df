//! Instructions per operation in user space, counted by callgrind, beside a baseline.
//!
//! They do not depend on the load of the machine. The difference between a short run and a long
//! one is counted, so that start-up is in no figure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::Baseline;
use super::cells::{CELLS, Cell};
use super::contenders::Programs;
use super::measure::{HttpServer, job};
use super::statistics::show;
use crate::process;

const BASELINE: &str = "tests/benches/instructions.json";

/// How much more than the baseline is let through. Runs of one build differ by less than 0.1 % in
/// small cells and 0.4 % in large ones, whose replies come in as many pieces as the kernel likes;
/// the rest is for compilers.
const TOLERANCE_PERCENT: f64 = 5.0;

/// The cells and how often the operation is done in the short run and in the long one.
const COUNTED: &[(&str, usize, usize)] = &[
    ("echo/stdio", 200, 1_200),
    ("echo/http-json", 200, 1_200),
    ("echo/http-sse", 200, 1_200),
    ("echo/stdio, 2026-07-28", 200, 1_200),
    ("echo/http-json, 2026-07-28", 200, 1_200),
    ("list1000/stdio", 2, 8),
    ("list1000/http-json", 2, 8),
    ("blob1M/http-json", 2, 10),
    ("cold/http-json", 20, 120),
];

/// Counts and compares with the baseline, or writes it.
pub(crate) fn run(task: Baseline, built: Option<&Path>) -> Result<()> {
    let valgrind = process::require("valgrind", "Install it (Debian: apt-get install valgrind).")?;
    let count = Count { programs: Programs::of(built)?, valgrind, folder: folder()? };
    let bless = task == Baseline::Write;
    let baseline = if bless { BTreeMap::new() } else { read_baseline()? };
    let mut counts = BTreeMap::new();
    let mut worse = Vec::new();
    println!("{:<28}{:>14}{:>14}{:>9}", "instructions per operation", "now", "baseline", "change");
    for &(name, short, long) in COUNTED {
        let cell = CELLS.iter().find(|cell| cell.name == name).context("no such cell")?;
        let now = count.cell(cell, short, long)?;
        counts.insert(name, now.round());
        let Some(&before) = baseline.get(name) else {
            println!("{name:<28}{:>14}{:>14}{:>9}", show(now), "–", "–");
            if !bless {
                worse.push(format!("{name} has no baseline"));
            }
            continue;
        };
        let change = (now / before - 1.0) * 100.0;
        println!("{name:<28}{:>14}{:>14}{change:>+8.1}%", show(now), show(before));
        if change > TOLERANCE_PERCENT {
            worse.push(format!("{name} takes {change:.1} % more"));
        }
    }
    if bless {
        return write_baseline(&counts);
    }
    if !worse.is_empty() {
        bail!(
            "{}. The profiles are in {}; see callgrind_annotate. If the change is worth it, say so \
             in the commit that runs `cargo xtask bench client --instructions --bless`",
            worse.join("; "),
            count.folder.display(),
        );
    }
    Ok(())
}

struct Count {
    programs: Programs,
    valgrind: PathBuf,
    folder: PathBuf,
}

impl Count {
    fn cell(&self, cell: &Cell, short: usize, long: usize) -> Result<f64> {
        let server = HttpServer::start(&self.programs.server, cell, None)?;
        let few = self.total(cell, server.port, short)?;
        let many = self.total(cell, server.port, long)?;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        Ok((many as f64 - few as f64) / (long - short) as f64)
    }

    fn total(&self, cell: &Cell, port: u16, operations: usize) -> Result<u64> {
        let mut job = job(cell, &self.programs.server, port);
        job["operations"] = json!(operations);
        job["warm_up"] = json!(2);
        let name: String =
            cell.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let profile = self.folder.join(format!("{name}.{operations}.callgrind"));
        let output = Command::new(&self.valgrind)
            .args(["--tool=callgrind", "--trace-children=no"])
            .arg(format!("--callgrind-out-file={}", profile.display()))
            .arg(&self.programs.ours)
            .arg(job.to_string())
            .output()
            .context("cannot start valgrind")?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            bail!("{} under valgrind failed ({}): {said}", cell.name, output.status);
        }
        let collected =
            said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
        collected.with_context(|| format!("valgrind told no count: {said}"))
    }
}

fn folder() -> Result<PathBuf> {
    let folder = process::root().join("target/bench");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

fn read_baseline() -> Result<BTreeMap<String, f64>> {
    let text = std::fs::read_to_string(process::root().join(BASELINE))
        .with_context(|| format!("cannot read {BASELINE}; --bless makes it"))?;
    let baseline: Value = serde_json::from_str(&text).context(BASELINE)?;
    let counts = baseline["instructions"].as_object().context("no `instructions`")?;
    let number = |(name, count): (&String, &Value)| Some((name.clone(), count.as_f64()?));
    counts.iter().map(number).collect::<Option<_>>().context("a count is no number")
}

fn write_baseline(counts: &BTreeMap<&str, f64>) -> Result<()> {
    let rustc = process::output(Command::new("rustc").arg("--version"))?;
    let baseline = json!({
        "made_by": "cargo xtask bench client --instructions --bless",
        "made_with": rustc.trim(),
        "instructions": counts,
    });
    let text = serde_json::to_string_pretty(&baseline)? + "\n";
    std::fs::write(process::root().join(BASELINE), text)
        .with_context(|| format!("cannot write {BASELINE}"))?;
    eprintln!("bench: wrote {BASELINE}");
    Ok(())
}
