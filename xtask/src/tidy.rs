//! What neither the compiler nor clippy checks: the order of the layers and the shape of files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process;

/// Each layer may depend on those before it.
pub(crate) const LAYERS: &[&str] =
    &["mcp-protocol", "mcp-transport", "mcp-client", "mcp-agent", "mcp-cli"];
/// Depend on whatever they like, and nothing depends on them.
const TESTS: &[&str] =
    &["tests", "tests/peers", "tests/benches", "tests/benches/kit", "tests/benches/rmcp"];
/// Depends on none of the others.
const TASKS: &str = "xtask";

const MAX_LINES: usize = 800;

/// Left-over marks: one of these words, then a colon, a parenthesis, a space or the line's end.
/// A file named so is something else.
const MARKS: &[&str] = &[concat!("TO", "DO"), concat!("XX", "X"), concat!("HA", "CK")];

/// Left-over words. In halves, so that this file passes its own check.
const FORBIDDEN: &[&str] = &[
    concat!("todo", "!("),
    concat!("unimple", "mented!("),
    concat!("dbg", "!("),
    concat!("coming", " soon"),
    concat!("not yet", " implemented"),
    concat!("place", "holder implementation"),
];

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if let Some(unknown) = arguments.first() {
        bail!("unknown argument `{unknown}`");
    }
    let root = process::root();
    let mut complaints = Vec::new();
    directions(&root, &mut complaints)?;
    let mut files = Vec::new();
    for package in LAYERS.iter().chain(&[TASKS, "tests"]) {
        rust_files(&root.join(package), &mut files)?;
    }
    for file in &files {
        let text = fs::read_to_string(file)?;
        let name = file.strip_prefix(&root).unwrap_or(file).display().to_string();
        complaints.extend(shape(&name, &text));
    }
    for complaint in &complaints {
        println!("{complaint}");
    }
    if !complaints.is_empty() {
        bail!("{} complaints", complaints.len());
    }
    eprintln!("tidy: {} files", files.len());
    Ok(())
}

fn directions(root: &Path, complaints: &mut Vec<String>) -> Result<()> {
    for (place, layer) in LAYERS.iter().enumerate() {
        check_direction(root, layer, &LAYERS[..place], complaints)?;
    }
    check_direction(root, TASKS, &[], complaints)?;
    for package in TESTS {
        if root.join(package).is_dir() {
            check_direction(root, package, LAYERS, complaints)?;
        }
    }
    Ok(())
}

fn check_direction(
    root: &Path,
    package: &str,
    allowed: &[&str],
    complaints: &mut Vec<String>,
) -> Result<()> {
    let path = root.join(package).join("Cargo.toml");
    let manifest =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    for dependency in dependencies(&manifest) {
        let ours = LAYERS.contains(&dependency) || matches!(dependency, "mcp-tests" | "xtask");
        if ours && !allowed.contains(&dependency) {
            complaints.push(format!(
                "{package}/Cargo.toml: {package} must not depend on {dependency}; the order is {}",
                LAYERS.join(" <- ")
            ));
        }
    }
    Ok(())
}

/// The names in every `[..dependencies]` table and every `[..dependencies.NAME]` header.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            inside = header.ends_with("dependencies");
            if let Some((_, name)) = header.split_once("dependencies.") {
                names.push(name);
            }
        } else if inside && !line.starts_with('#') {
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
            // A renamed dependency is known by its package.
            let package =
                line.split_once("package = \"").and_then(|(_, rest)| rest.split('"').next());
            names.extend(package.or((!name.is_empty()).then_some(name)));
        }
    }
    names
}

fn shape(name: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    // Unit tests beside the code they test need no introduction.
    let unit_tests =
        name.ends_with("/tests.rs") || name.contains("/src/") && name.contains("/tests/");
    if !unit_tests && !text.trim_start().starts_with("//!") {
        complaints.push(format!("{name}: begins without module documentation (//!)"));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        complaints.push(format!("{name}: {lines} lines; split it ({MAX_LINES} at most)"));
    }
    for (number, line) in text.lines().enumerate() {
        let marks = MARKS.iter().filter(|mark| marked(line, mark));
        for word in FORBIDDEN.iter().filter(|word| line.contains(**word)).chain(marks) {
            complaints.push(format!("{name}:{}: `{word}` is left over", number + 1));
        }
    }
    complaints
}

fn marked(line: &str, mark: &str) -> bool {
    line.match_indices(mark).any(|(at, _)| {
        matches!(line[at + mark.len()..].chars().next(), None | Some(':' | '(' | ' '))
    })
}

pub(crate) fn rust_files(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let mut entries = fs::read_dir(dir)
        .with_context(|| format!("cannot read {}", dir.display()))?
        .collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        let skipped = ["target", "node_modules"].iter().any(|name| path.ends_with(name));
        if path.is_dir() && !skipped {
            rust_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_tidy() {
        run(&[]).unwrap();
    }

    #[test]
    fn dependencies_are_found_in_every_spelling() {
        let manifest = "[package]\nname = \"mcp-cli\"\n[dependencies]\na.workspace = true\n\
            b = \"1\"\n# c = \"1\"\nx = { package = \"d\" }\n[dev-dependencies.e]\nversion = \"1\"\n\
            [target.'cfg(unix)'.dependencies]\nf = { path = \"..\" }\n";
        assert_eq!(dependencies(manifest), ["a", "b", "d", "e", "f"]);
    }

    #[test]
    fn a_bad_shape_is_said_with_its_line() {
        let text = format!("use a;\n// {0}: later\nopen(\"{0}.md\");\n", MARKS[0]);
        let complaints = shape("a.rs", &text);
        assert_eq!(complaints.len(), 2, "{complaints:?}");
        assert!(complaints[1].starts_with("a.rs:2:"), "{complaints:?}");
        assert!(shape("b.rs", "//! Fine.\n").is_empty());
        assert!(shape("mcp-client/src/hub/tests.rs", "use super::*;\n").is_empty());
        assert_eq!(shape("tests/src/lib.rs", "use super::*;\n").len(), 1);
    }
}
