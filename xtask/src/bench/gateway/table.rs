//! The table of a run, in Markdown.

use std::fmt::Write;

use super::stand::{Figures, Row};

const HEAD: &str = "\
| gateway | way | CPU ms per call, 1 caller | 16 callers | 1,000 clients | p50 µs | p99 µs | start ms | idle MiB | \
KiB per session |\n|---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n";

pub(super) fn markdown(conditions: &str, absent: &[String], rows: &[Row]) -> String {
    let mut text = format!("{conditions}\n{HEAD}");
    let mut failed = String::new();
    for Row { gateway, way, outcome, .. } in rows {
        match outcome {
            Ok(figures) => {
                let Figures { alone_ms, crowd_ms, p50_us, p99_us, .. } = *figures;
                let Figures { clients_ms, start_ms, idle_mib, session_kib, .. } = *figures;
                let cells = [
                    show(Some(alone_ms), 3),
                    show(Some(crowd_ms), 3),
                    clients_ms.map_or_else(|| "fails".to_owned(), |ms| show(Some(ms), 3)),
                    show(Some(p50_us), 0),
                    show(Some(p99_us), 0),
                    show(Some(start_ms), 0),
                    show(Some(idle_mib), 1),
                    show(session_kib, 2),
                ];
                line(&mut text, &format!("| {gateway} | {way} | {} |", cells.join(" | ")));
            }
            Err(reason) => {
                line(&mut text, &format!("| {gateway} | {way} | fails | | | | | | | |"));
                line(&mut failed, &format!("- {gateway}, {way}: {reason}"));
            }
        }
    }
    for reason in absent {
        line(&mut failed, &format!("- not measured: {reason}"));
    }
    if !failed.is_empty() {
        text.push('\n');
        text.push_str(&failed);
    }
    text
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").unwrap_or_else(|_| unreachable!("a String takes everything"));
}

fn show(figure: Option<f64>, digits: usize) -> String {
    match figure.filter(|figure| figure.is_finite()) {
        Some(figure) => format!("{figure:.digits$}"),
        None => "–".to_owned(),
    }
}
