//! Names and URIs by pattern: `*` is any text, `?` any character. Letter case does not count.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A pattern for a whole name or URI.
///
/// ```
/// use mcp_agent::glob::Glob;
///
/// assert!(Glob::new("file:///project/*.rs").matches("file:///project/src/main.rs"));
/// assert!(!Glob::new("read_?").matches("read_file"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Glob(String);

impl Glob {
    /// Every text is a pattern.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the text matches as a whole.
    pub fn matches(&self, text: &str) -> bool {
        matches(&self.0, text)
    }
}

impl<T: Into<String>> From<T> for Glob {
    fn from(pattern: T) -> Self {
        Self::new(pattern)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a name matches as a whole.
pub fn matches(pattern: &str, name: &str) -> bool {
    let fold = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<_>>();
    let (pattern, name) = (fold(pattern), fold(name));
    let (mut at, mut next) = (0, 0);
    // Where the last star stands, and up to where it reaches so far.
    let mut star: Option<(usize, usize)> = None;
    while next < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, next));
                at += 1;
            }
            Some(c) if *c == '?' || *c == name[next] => {
                at += 1;
                next += 1;
            }
            _ => {
                let Some((position, reach)) = star else { return false };
                star = Some((position, reach + 1));
                at = position + 1;
                next = reach + 1;
            }
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_whole_names() {
        for (pattern, name, want) in [
            ("*", "", true),
            ("read*", "read_file", true),
            ("*file*", "read_file", true),
            ("*FILE", "read_file", true),
            ("r?ad_*e", "read_file", true),
            ("*a*b*c", "xxaybzbc", true),
            ("read", "read_file", false),
            ("?", "", false),
            ("*x", "read", false),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
    }
}
