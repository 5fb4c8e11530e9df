//! How fast the client is: cells × contenders, and counted instructions beside a baseline.
//!
//! Every figure is taken in the same run from contenders that take turns, so that the load of the
//! machine, which falls on all of them, is in no ratio.

mod cells;
mod contenders;
mod gateway;
mod instructions;
mod machine;
mod measure;
mod page;
mod statistics;
mod table;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use cells::CELLS;
use contenders::{Contender, Programs};
use measure::{Bench, Measured};

/// What was asked for.
#[derive(Debug, Default)]
struct Options {
    quick: bool,
    cells: Vec<String>,
    rounds: Option<usize>,
    write: bool,
    /// The programs as they were built last.
    built: Option<PathBuf>,
    instructions: Option<Baseline>,
}

/// What to do with counted instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Baseline {
    /// Compare them with those committed.
    Compare,
    /// Commit to them.
    Write,
}

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    match arguments.split_first() {
        Some((what, rest)) if what == "client" => {
            let options = options(rest)?;
            match options.instructions {
                Some(baseline) => instructions::run(baseline, options.built.as_deref()),
                None => client(&options),
            }
        }
        Some((what, rest)) if what == "gateway" => gateway::run(rest),
        _ => bail!(
            "usage: cargo xtask bench client [--built DIR] ([--quick] [--cell NAME] [--rounds N] \
             [--write] | --instructions [--bless])\n       cargo xtask bench gateway [--quick] \
             [--only NAME] [--rounds N] [--write]"
        ),
    }
}

fn options(arguments: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--quick" => options.quick = true,
            "--cell" => options.cells.push(rest.next().context("--cell needs a name")?.clone()),
            "--rounds" => {
                options.rounds = Some(rest.next().context("--rounds needs a number")?.parse()?);
            }
            "--write" => options.write = true,
            "--built" => {
                options.built = Some(rest.next().context("--built needs a folder")?.into());
            }
            "--instructions" => {
                options.instructions.get_or_insert(Baseline::Compare);
            }
            "--bless" => options.instructions = Some(Baseline::Write),
            other => bail!("unknown argument `{other}`"),
        }
    }
    if options.rounds == Some(0) {
        bail!("--rounds is at least 1");
    }
    if options.instructions.is_some()
        && (options.write || options.quick || options.rounds.is_some() || !options.cells.is_empty())
    {
        bail!("--instructions goes with --bless and nothing else");
    }
    if options.write && (options.quick || !options.cells.is_empty()) {
        bail!("only a whole run is written down: --write goes without --quick and --cell");
    }
    Ok(options)
}

fn client(options: &Options) -> Result<()> {
    let cells: Vec<_> = CELLS
        .iter()
        .filter(|cell| {
            options.cells.is_empty() || options.cells.iter().any(|name| cell.name.contains(name))
        })
        .collect();
    if cells.is_empty() {
        bail!("no such cell; they are in xtask/src/bench/cells.rs");
    }
    let built = options.built.as_deref();
    let programs = Programs::of(built)?;
    let (contenders, absent) = Contender::all(&programs, built, options.quick)?;
    let rounds = options.rounds.unwrap_or(if options.quick { 1 } else { 3 });
    let bench = Bench::new(programs, if options.quick { 10 } else { 1 })?;
    let versions: Vec<_> = contenders.iter().map(|one| (one.name, one.version.as_str())).collect();
    let conditions = machine::describe(&versions, rounds)?;
    let mut rows: Vec<Measured> = Vec::with_capacity(cells.len());
    for cell in cells {
        eprintln!("bench: {}", cell.name);
        let row = bench.measure(cell, &contenders, rounds)?;
        eprintln!("       {}", table::line(&contenders, &row));
        rows.push(row);
    }
    let text = table::markdown(&conditions, &contenders, &absent, &rows)?;
    println!("{text}");
    if options.write {
        page::CLIENT.write(&text)?;
    }
    let broken: Vec<_> = rows.iter().filter_map(Measured::broken).collect();
    if !broken.is_empty() {
        bail!("ours or the limit failed in {}", broken.join(", "));
    }
    Ok(())
}
