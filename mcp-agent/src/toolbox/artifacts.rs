//! Results that are too long for a model, kept whole so that it can read on.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    LocalTools, PreparedCall, ProgressSink, ToolError, ToolFacts, ToolOutput, ToolSnapshot, Toolset,
};
use crate::{
    model::{BoxFuture, ToolDefinition},
    stable_hash::StableHash,
};

/// Results that were too long for a model, in memory, up to a number of bytes; the oldest go
/// first. Cloning gives another handle to the same results.
///
/// As a toolset it has `read_artifact` and `search_artifact`, which are revealed to a model with the
/// first result that is cut, and cost nothing before.
#[derive(Clone, Debug)]
pub struct Artifacts {
    kept: Arc<Mutex<Kept>>,
    tools: LocalTools,
    nothing: Arc<ToolSnapshot>,
}

#[derive(Debug)]
struct Kept {
    /// Oldest first.
    texts: VecDeque<(String, Arc<str>)>,
    bytes: usize,
    max_bytes: usize,
}

/// How much one call reads at most, in bytes.
const MAX_READ: usize = 16 * 1024;
/// How many places one search shows.
const MAX_HITS: usize = 20;
/// How much is shown before and after a place, in bytes.
const AROUND: usize = 100;

/// Reads a part of a result that was too long to be shown whole.
#[derive(Deserialize, JsonSchema)]
struct Read {
    /// The artifact, as named where the result was cut.
    artifact: String,
    /// The byte to begin with; 0 is the start.
    #[serde(default)]
    offset: usize,
    /// How many bytes, at most 16384.
    length: Option<usize>,
}

/// Finds places in a result that was too long to be shown whole.
#[derive(Deserialize, JsonSchema)]
struct Search {
    /// The artifact, as named where the result was cut.
    artifact: String,
    /// What to look for, word by word as it stands there; letter case does not count.
    text: String,
}

impl Default for Artifacts {
    fn default() -> Self {
        Self::new(64 << 20)
    }
}

impl Artifacts {
    /// Keeps up to so many bytes.
    pub fn new(max_bytes: usize) -> Self {
        let kept = Arc::new(Mutex::new(Kept { texts: VecDeque::new(), bytes: 0, max_bytes }));
        let (reading, searching) = (Arc::clone(&kept), Arc::clone(&kept));
        let tools = LocalTools::new()
            .tool(
                "read_artifact",
                "Reads a part of a result that was too long to be shown whole.",
                move |call: Read| std::future::ready(read(&reading, &call)),
            )
            .tool(
                "search_artifact",
                "Finds places in a result that was too long to be shown whole.",
                move |call: Search| std::future::ready(search(&searching, &call)),
            );
        Self { kept, tools, nothing: Arc::default() }
    }

    /// Keeps a text and returns its name, which is the same for the same text. A text that is
    /// longer than all that may be kept is not.
    pub fn keep(&self, text: &str) -> Option<String> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if text.len() > kept.max_bytes {
            return None;
        }
        let name = format!("{:016x}", StableHash::new().field(text).finish());
        if kept.get(&name).is_none() {
            kept.bytes += text.len();
            kept.texts.push_back((name.clone(), text.into()));
            while kept.bytes > kept.max_bytes {
                let Some((_, oldest)) = kept.texts.pop_front() else { break };
                kept.bytes -= oldest.len();
            }
        }
        Some(name)
    }

    /// A kept text.
    pub fn get(&self, name: &str) -> Option<Arc<str>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(name)
    }

    /// The tools that read what is kept.
    pub fn definitions(&self) -> Arc<[ToolDefinition]> {
        Arc::clone(&self.tools.snapshot().tools)
    }
}

impl Kept {
    fn get(&self, name: &str) -> Option<Arc<str>> {
        self.texts.iter().find(|(known, _)| known == name).map(|(_, text)| Arc::clone(text))
    }
}

fn find(kept: &Mutex<Kept>, name: &str) -> Result<Arc<str>, String> {
    let found = kept.lock().unwrap_or_else(PoisonError::into_inner).get(name);
    found.ok_or_else(|| {
        format!("the artifact `{name}` is not kept any more; call the tool that gave it again")
    })
}

fn read(kept: &Mutex<Kept>, call: &Read) -> Result<String, String> {
    let text = find(kept, &call.artifact)?;
    let start = boundary(&text, call.offset);
    let length = call.length.unwrap_or(MAX_READ).clamp(4, MAX_READ);
    let end = boundary(&text, start.saturating_add(length));
    let rest = match text.len() - end {
        0 => "that is the end".to_owned(),
        more => format!("{more} more from offset {end} on"),
    };
    Ok(format!("[bytes {start} to {end} of {}; {rest}]\n{}", text.len(), &text[start..end]))
}

fn search(kept: &Mutex<Kept>, call: &Search) -> Result<String, String> {
    let text = find(kept, &call.artifact)?;
    let wanted = call.text.to_ascii_lowercase();
    if wanted.trim().is_empty() {
        return Err("say what to look for".to_owned());
    }
    // Of the same length as the text, so that places agree.
    let folded = text.to_ascii_lowercase();
    let mut hits = folded.match_indices(&wanted);
    let mut shown = String::new();
    for (at, found) in hits.by_ref().take(MAX_HITS) {
        let start = boundary(&text, at.saturating_sub(AROUND));
        let end = boundary(&text, at + found.len() + AROUND);
        let line = text[start..end].replace(['\n', '\r'], " ");
        // Writing to a `String` cannot fail.
        let _ = writeln!(shown, "offset {at}: …{line}…");
    }
    let more = hits.count();
    match (shown.is_empty(), more) {
        (true, _) => Ok(format!("`{}` does not stand there", call.text)),
        (false, 0) => Ok(shown),
        (false, more) => Ok(format!("{shown}and {more} more places")),
    }
}

/// The nearest place at or before this where a character begins.
fn boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl Toolset for Artifacts {
    fn snapshot(&self) -> Arc<ToolSnapshot> {
        Arc::clone(&self.nothing)
    }

    fn catalog(&self) -> Arc<ToolSnapshot> {
        self.tools.snapshot()
    }

    fn facts(&self, name: &str) -> ToolFacts {
        let mut facts = ToolFacts::new(name);
        facts.annotations.read_only_hint = Some(true);
        facts
    }

    fn call(
        &self,
        call: PreparedCall,
        progress: ProgressSink,
    ) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        self.tools.call(call, progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_searches_by_bytes_without_breaking_characters() {
        let artifacts = Artifacts::default();
        let text = format!("{}needle{}", "ä".repeat(5000), "ö".repeat(9000));
        let name = artifacts.keep(&text).unwrap();
        assert_eq!(artifacts.keep(&text), Some(name.clone()));
        let call = |offset| Read { artifact: name.clone(), offset, length: Some(9) };
        let part = read(&artifacts.kept, &call(9_997)).unwrap();
        assert_eq!(
            part,
            "[bytes 9996 to 10005 of 28006; 18001 more from offset 10005 on]\nääneedl"
        );
        assert!(read(&artifacts.kept, &call(usize::MAX)).unwrap().contains("the end"));
        let wanted = |text: &str| Search { artifact: name.clone(), text: text.into() };
        let places = search(&artifacts.kept, &wanted("NEEDLE")).unwrap();
        assert!(places.starts_with("offset 10000: …ä") && places.contains("needleö"), "{places}");
        assert!(search(&artifacts.kept, &wanted("ä")).unwrap().ends_with("and 4980 more places"));
        assert!(search(&artifacts.kept, &wanted("hay")).unwrap().contains("does not stand"));
    }

    #[test]
    fn the_oldest_go_first() {
        let artifacts = Artifacts::new(10);
        let first = artifacts.keep("123456").unwrap();
        let second = artifacts.keep("7890").unwrap();
        assert!(artifacts.get(&first).is_some());
        artifacts.keep("abc").unwrap();
        assert!(artifacts.get(&first).is_none() && artifacts.get(&second).is_some());
        assert_eq!(artifacts.keep("longer than that"), None);
        let gone = Read { artifact: first, offset: 0, length: None };
        assert!(read(&artifacts.kept, &gone).unwrap_err().contains("not kept any more"));
    }
}
