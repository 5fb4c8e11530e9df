//! Screens: `tests/screens/*.txt` hold commands and literally what they give.
//!
//! `$` begins a command for the shell, `=` its exit code when that is not 0, `|` a line of standard
//! output, `!` a line of standard error; everything else explains. `UPDATE_SCREENS=1 cargo test
//! -p mcp-cli` writes what the program gives now; read the difference before you commit it.

use std::{fmt::Write as _, fs, path::Path};

use crate::sandbox::{Ended, Sandbox};

fn check(name: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens").join(name);
    let want = fs::read_to_string(&file).unwrap();
    let sandbox = Sandbox::new();
    let mut got = String::new();
    for line in want.lines() {
        let is_output = ["| ", "! ", "= "].iter().any(|mark| line.starts_with(mark))
            || matches!(line, "|" | "!");
        if is_output {
            continue;
        }
        got.push_str(line);
        got.push('\n');
        if let Some(command) = line.strip_prefix("$ ") {
            write_screen(&mut got, &sandbox.shell(command), &sandbox);
        }
    }
    if std::env::var_os("UPDATE_SCREENS").is_some() {
        fs::write(&file, &got).unwrap();
        return;
    }
    if got != want {
        let first = want.lines().zip(got.lines()).find(|(want, got)| want != got);
        panic!("{name} differs: {first:#?}\n--- all that it gives now\n{got}");
    }
}

fn write_screen(screen: &mut String, ended: &Ended, sandbox: &Sandbox) {
    if ended.code != Some(0) {
        match ended.code {
            Some(code) => writeln!(screen, "= {code}").unwrap(),
            None => writeln!(screen, "= killed").unwrap(),
        }
    }
    for (mark, text) in [('|', &ended.stdout), ('!', &ended.stderr)] {
        for line in steady(text, sandbox).lines() {
            writeln!(screen, "{}", format!("{mark} {line}").trim_end()).unwrap();
        }
    }
}

/// Hides what differs from run to run: folders and times.
fn steady(text: &str, sandbox: &Sandbox) -> String {
    let text = text
        .replace(sandbox.path().to_str().unwrap(), "[DIR]")
        .replace(env!("CARGO_BIN_EXE_mcp"), "[MCP]");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let end = from.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(from.len());
        let (number, after) = from.split_at(end);
        let is_time = after.starts_with(" ms")
            || after.starts_with(" s") && !after[2..].starts_with(|c: char| c.is_alphabetic())
            || before.ends_with("Ms\":")
            || before.ends_with("\"ms\":");
        out.push_str(if is_time { "[N]" } else { number });
        // Whether it took less than half a second depends on the machine.
        let unit = [" ms", " s"].into_iter().find(|unit| is_time && after.starts_with(unit));
        rest = unit.map_or(after, |unit| &after[unit.len()..]);
    }
    out.push_str(rest);
    // Columns move with the length of what was replaced.
    out.lines().fold(String::new(), |mut all, line| {
        if line.contains("[N]") || line.contains("[DIR]") {
            let indent = line.len() - line.trim_start().len();
            let words: Vec<_> = line.split_whitespace().collect();
            all.push_str(&line[..indent]);
            all.push_str(&words.join(" "));
        } else {
            all.push_str(line);
        }
        all.push('\n');
        all
    })
}

#[test]
fn demo() {
    check("demo.txt");
}

#[test]
fn listing() {
    check("listing.txt");
}

#[test]
fn calling() {
    check("calling.txt");
}

#[test]
fn arguments() {
    check("arguments.txt");
}

#[test]
fn errors() {
    check("errors.txt");
}

#[test]
fn targets() {
    check("targets.txt");
}

#[test]
fn resources_and_prompts() {
    check("resources_and_prompts.txt");
}

#[test]
fn config() {
    check("config.txt");
}

// covers: stdio-consent
#[test]
fn trust() {
    check("trust.txt");
}

#[test]
fn usage() {
    check("usage.txt");
}
