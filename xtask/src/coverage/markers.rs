//! Markers beside tests: a comment `covers: name, name` above the test's attributes.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::tidy;

const MARK: &str = "// covers: ";
/// Programs of checks rather than tests; every function in them runs.
const PROGRAMS: &[&str] = &["tests/src/bin/interop/"];

pub(super) struct Marker {
    pub(super) covers: Vec<String>,
    /// From the root of the workspace.
    pub(super) file: String,
    pub(super) test: String,
}

impl Marker {
    pub(super) fn place(&self) -> String {
        format!("{}: {}", self.file, self.test)
    }
}

/// All markers of the workspace, and what is wrong with some.
pub(super) fn collect(root: &Path) -> Result<(Vec<Marker>, Vec<String>)> {
    let mut files = Vec::new();
    for package in tidy::LAYERS.iter().chain(&["tests"]) {
        tidy::rust_files(&root.join(package), &mut files)?;
    }
    files.sort();
    let mut markers = Vec::new();
    let mut complaints = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        let (found, wrong) = read(&name, &text);
        markers.extend(found);
        complaints.extend(wrong);
    }
    Ok((markers, complaints))
}

pub(super) fn read(file: &str, text: &str) -> (Vec<Marker>, Vec<String>) {
    let mut markers = Vec::new();
    let mut complaints = Vec::new();
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    for (place, line) in lines.iter().enumerate() {
        let Some(names) = line.strip_prefix(MARK) else { continue };
        let after = &lines[place + 1..];
        let head = after.iter().position(|line| function(line).is_some());
        let Some(head) = head else {
            complaints.push(format!("{file}:{}: a marker above no function", place + 1));
            continue;
        };
        let attributes = &after[..head];
        let is_test = attributes.iter().any(|line| {
            let name = line.trim_start_matches("#[").split(['(', ']']).next().unwrap_or_default();
            line.starts_with("#[") && (name == "test" || name.ends_with("::test"))
        });
        let runs = (is_test || PROGRAMS.iter().any(|path| file.starts_with(path)))
            && !attributes.iter().any(|line| line.starts_with("#[ignore"));
        if !runs {
            complaints.push(format!("{file}:{}: a marker above no test that runs", place + 1));
            continue;
        }
        markers.push(Marker {
            covers: names.split(',').map(|name| name.trim().to_owned()).collect(),
            file: file.to_owned(),
            test: function(after[head]).unwrap_or_default().to_owned(),
        });
    }
    (markers, complaints)
}

/// The name of the function that a line begins.
fn function(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().skip_while(|word| {
        matches!(*word, "async" | "const" | "pub" | "pub(super)" | "pub(crate)")
    });
    if words.next() != Some("fn") {
        return None;
    }
    words.next()?.split(['(', '<']).next()
}
