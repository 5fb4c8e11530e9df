//! The tables, in Markdown.

use std::fmt::Write as _;

use anyhow::Result;

use super::cells::{Cell, Figure};
use super::contenders::{Contender, Kind};
use super::measure::{Figures, Measured};
use super::statistics::show;

/// The conditions, what counts in each cell, then latencies and memory.
pub(crate) fn markdown(
    conditions: &str,
    contenders: &[Contender],
    absent: &[String],
    rows: &[Measured],
) -> Result<String> {
    let mut text = String::from(conditions);
    for reason in absent {
        writeln!(text, "- **not measured: {reason}**")?;
    }
    writeln!(text, "\n### What counts: CPU time of the process per operation, unless said\n")?;
    figures(&mut text, contenders, rows)?;
    let timed: Vec<_> = rows.iter().filter(|row| row.cell.figure != Figure::Memory).collect();
    detail(&mut text, "Median latency, µs wall", contenders, &timed, |f| f.p50_us)?;
    detail(&mut text, "99th percentile, µs wall", contenders, &timed, |f| f.p99_us)?;
    let large: Vec<_> = rows.iter().filter(|row| weighs(row.cell)).collect();
    detail(&mut text, "Peak memory of the process, MiB", contenders, &large, |f| f.peak_mib)?;
    failures(&mut text, contenders, rows)?;
    Ok(text)
}

/// One row as it comes, for those who wait.
pub(crate) fn line(contenders: &[Contender], row: &Measured) -> String {
    let shown = contenders.iter().zip(&row.outcomes).filter_map(|(contender, outcome)| {
        let figure = match outcome.as_ref()? {
            Ok(figures) => show(figures.figure),
            Err(reason) => format!("fails ({reason})"),
        };
        Some(format!("{} {figure}", contender.name))
    });
    format!("{}: {}", row.cell.figure.unit(), shown.collect::<Vec<_>>().join(", "))
}

fn weighs(cell: &Cell) -> bool {
    cell.work.starts_with("blob") || cell.work == "list" || cell.figure == Figure::Process
}

fn figures(text: &mut String, contenders: &[Contender], rows: &[Measured]) -> Result<()> {
    let names: Vec<_> = contenders.iter().map(|contender| contender.name).collect();
    writeln!(text, "| cell | unit | {} | ours/limit | rmcp/ours | target | |", names.join(" | "))?;
    writeln!(text, "|---|---|{}---:|---:|---:|---|", "---:|".repeat(names.len()))?;
    for row in rows {
        write!(text, "| {} | {} |", row.cell.name, row.cell.figure.unit())?;
        for outcome in &row.outcomes {
            match outcome {
                Some(Ok(figures)) => write!(text, " {} |", show(figures.figure))?,
                Some(Err(_)) => write!(text, " fails |")?,
                None => write!(text, " – |")?,
            }
        }
        let ours = row.figure(Kind::Ours);
        let ratio = ours.zip(row.figure(Kind::Limit)).map(|(ours, limit)| ours / limit);
        let gain = row.figure(Kind::Rmcp).zip(ours).map(|(rmcp, ours)| rmcp / ours);
        for ratio in [ratio, gain] {
            write!(text, " {} |", ratio.map_or("–".to_owned(), show))?;
        }
        writeln!(text, " {} | {} |", target(row.cell), verdict(row.cell, ours, ratio))?;
    }
    Ok(())
}

fn target(cell: &Cell) -> String {
    match (cell.target, cell.target_ratio) {
        (Some(target), Some(ratio)) => format!("{}, {}x", show(target), show(ratio)),
        (Some(target), None) => show(target),
        _ => "–".to_owned(),
    }
}

/// Whether the target is met. On a loaded machine the ratio is the better judge, so either counts.
fn verdict(cell: &Cell, ours: Option<f64>, ratio: Option<f64>) -> &'static str {
    let within = |value: Option<f64>, most: Option<f64>| Some(value? <= most?);
    match (within(ours, cell.target), within(ratio, cell.target_ratio)) {
        (None, None) => "",
        (Some(true) | None, Some(true)) | (Some(true), None) => "met",
        (Some(true), Some(false)) => "met, not the ratio",
        (Some(false), Some(true)) => "the ratio is met",
        (_, _) => "**missed**",
    }
}

fn detail(
    text: &mut String,
    title: &str,
    contenders: &[Contender],
    rows: &[&Measured],
    pick: impl Fn(&Figures) -> f64,
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = contenders.iter().map(|contender| contender.name).collect();
    writeln!(text, "\n### {title}\n\n| cell | {} |", names.join(" | "))?;
    writeln!(text, "|---|{}", "---:|".repeat(names.len()))?;
    for row in rows {
        write!(text, "| {} |", row.cell.name)?;
        for outcome in &row.outcomes {
            let shown = outcome.as_ref().and_then(|outcome| outcome.as_ref().ok());
            write!(text, " {} |", shown.map_or("–".to_owned(), |figures| show(pick(figures))))?;
        }
        writeln!(text)?;
    }
    Ok(())
}

fn failures(text: &mut String, contenders: &[Contender], rows: &[Measured]) -> Result<()> {
    let mut heading = "\n### Failures\n\n";
    for row in rows {
        for (contender, outcome) in contenders.iter().zip(&row.outcomes) {
            if let Some(Err(reason)) = outcome {
                writeln!(text, "{heading}- `{}` in {}: {reason}", contender.name, row.cell.name)?;
                heading = "";
            }
        }
    }
    Ok(())
}
