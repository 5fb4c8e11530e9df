//! What a conversation is called in lists.

use crate::{model::Part, run::Run, transcript::Entry};

/// The longest title, in characters.
const TITLE: usize = 60;

/// The beginning of the first thing that a person said.
pub(super) fn title_of(run: &Run) -> String {
    let entries = run.transcript().entries().iter();
    let text = entries.filter_map(|entry| match entry {
        Entry::User(parts) => parts.iter().find_map(Part::as_text),
        _ => None,
    });
    let text = text.map(str::trim).find(|text| !text.is_empty()).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(TITLE) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line.to_owned(),
    }
}
