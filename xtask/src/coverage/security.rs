//! The page of attacks names tests; each of them must be there.

use std::{fs, path::Path};

use anyhow::{Context, Result};

const PAGE: &str = "docs/reference/security.md";

/// What the page names and nobody tests.
pub(super) fn complaints(root: &Path) -> Result<Vec<String>> {
    let page = fs::read_to_string(root.join(PAGE)).context(PAGE)?;
    let mut complaints = Vec::new();
    for (file, test) in named(&page) {
        // A file that is not there has no tests.
        let text = fs::read_to_string(root.join(file)).unwrap_or_default();
        if !has_test(&text, test) {
            complaints.push(format!("{PAGE}: there is no test `{test}` in {file}"));
        }
    }
    if named(&page).next().is_none() {
        complaints.push(format!("{PAGE} names no tests"));
    }
    Ok(complaints)
}

/// Files and tests, as in `tests/it/era.rs: both`.
fn named(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.split('`').skip(1).step_by(2).filter_map(|code| {
        let (file, test) = code.split_once(": ")?;
        Path::new(file).extension().is_some_and(|end| end == "rs").then_some((file, test))
    })
}

/// Whether a file has a test of this name that runs.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let head = format!("fn {name}(");
    lines.iter().enumerate().any(|(at, line)| {
        let attributes = || lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
        line.trim_start_matches("async ").starts_with(&head)
            && attributes().any(|line| line.contains("test"))
            && !attributes().any(|line| line.starts_with("#[ignore"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tests_that_run_count() {
        let text =
            "#[tokio::test]\nasync fn one() {}\nfn two() {}\n#[test]\n#[ignore]\nfn three() {}";
        assert!(has_test(text, "one"));
        assert!(!has_test(text, "two") && !has_test(text, "three") && !has_test(text, "on"));
        let page = "| `a` | `x/y.rs: one`, `x/y.rs: two` | `b: c` |";
        assert_eq!(named(page).collect::<Vec<_>>(), [("x/y.rs", "one"), ("x/y.rs", "two")]);
    }
}
