//! Lines that contain all of some words.

use std::fmt::Write as _;

/// The most lines that are shown.
const MAX_LINES: usize = 50;
/// How much of a line is shown, in characters.
const MAX_LINE_CHARS: usize = 300;

/// A search under way.
#[derive(Debug)]
pub(super) struct Search {
    words: Vec<String>,
    found: usize,
    shown: String,
}

impl Search {
    /// A search for words; letter case does not count.
    pub(super) fn new(words: &str) -> Result<Self, String> {
        let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
        if words.is_empty() {
            return Err("there is no word to search for".to_owned());
        }
        Ok(Self { words, found: 0, shown: String::new() })
    }

    /// Looks into a text, which has a name or is the only one.
    pub(super) fn look_in(&mut self, name: Option<&str>, text: &str) {
        for (index, line) in text.lines().enumerate() {
            let folded = line.to_lowercase();
            if !self.words.iter().all(|word| folded.contains(word.as_str())) {
                continue;
            }
            self.found += 1;
            if self.found <= MAX_LINES {
                let place = name.map(|name| format!("{name}:")).unwrap_or_default();
                let line: String = line.trim().chars().take(MAX_LINE_CHARS).collect();
                // Writing to a `String` cannot fail.
                let _ = writeln!(self.shown, "{place}{}: {line}", index + 1);
            }
        }
    }

    /// The lines that were found, with their numbers.
    pub(super) fn finish(self) -> String {
        let mut text = match self.found {
            0 => return format!("no line contains all of: {}", self.words.join(" ")),
            _ => self.shown.trim_end().to_owned(),
        };
        if self.found > MAX_LINES {
            let _ = write!(text, "\n… {} more lines", self.found - MAX_LINES);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(words: &str, text: &str) -> String {
        let mut search = Search::new(words).unwrap();
        search.look_in(Some("n"), text);
        search.finish()
    }

    #[test]
    fn finds_lines_with_all_words() {
        let text = "Buy milk\nbuy bread and Milk\nsell bread";
        assert_eq!(search("milk buy", text), "n:1: Buy milk\nn:2: buy bread and Milk");
        assert_eq!(search("bread", text), "n:2: buy bread and Milk\nn:3: sell bread");
        assert_eq!(search("eggs", text), "no line contains all of: eggs");
        assert!(search("x", &"x\n".repeat(60)).ends_with("n:50: x\n… 10 more lines"));
        assert!(Search::new("  ").is_err());
    }
}
