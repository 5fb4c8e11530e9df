//! A conversation for people to read.

use std::fmt::Write as _;

use crate::{
    model::Part,
    transcript::{CallState, Entry, Transcript, TurnPart},
};

/// The conversation in Markdown. Pictures and sounds are named, not included.
pub fn to_markdown(transcript: &Transcript) -> String {
    let mut text = String::new();
    for entry in transcript.entries() {
        match entry {
            Entry::System(parts) => section(&mut text, "System", &words(parts)),
            Entry::User(parts) => section(&mut text, "User", &words(parts)),
            Entry::Summary(summary) => {
                section(&mut text, "Summary of what was said before", summary);
            }
            Entry::Assistant(turn) => {
                section(&mut text, "Assistant", "");
                for part in turn.parts() {
                    match part {
                        TurnPart::Said(part) => {
                            let said = words(std::slice::from_ref(part));
                            if !said.is_empty() {
                                // Writing to a `String` cannot fail.
                                let _ = writeln!(text, "{said}\n");
                            }
                        }
                        TurnPart::Called(record) => {
                            let (name, arguments) = (&record.call.name, &record.call.arguments);
                            let _ = writeln!(text, "Called `{name}` with `{arguments}`:\n");
                            let result = match &record.state {
                                CallState::Done(output) => words(&output.content),
                                CallState::Pending => "(no result yet)".to_owned(),
                                CallState::Cancelled { reason } => format!("(cancelled: {reason})"),
                            };
                            quote(&mut text, &result);
                        }
                    }
                }
            }
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn section(text: &mut String, title: &str, words: &str) {
    let _ = writeln!(text, "## {title}\n");
    if !words.is_empty() {
        let _ = writeln!(text, "{words}\n");
    }
}

/// In a block that is fenced by more backticks than it contains.
fn quote(text: &mut String, words: &str) {
    let longest = words.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    let _ = writeln!(text, "{fence}\n{words}\n{fence}\n");
}

fn words(parts: &[Part]) -> String {
    let words = parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.clone()),
        Part::Json(value) => Some(value.to_string()),
        Part::Image(media) => Some(format!("(a picture, {})", media.mime_type)),
        Part::Audio(media) => Some(format!("(a sound, {})", media.mime_type)),
        Part::Document(media) => Some(format!("(a file, {})", media.mime_type)),
        _ => None,
    });
    words.collect::<Vec<_>>().join("\n\n")
}
