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

use mcp_client::config::glob_matches;

/// Whether a name matches as a whole.
pub fn matches(pattern: &str, name: &str) -> bool {
    glob_matches(&pattern.to_lowercase(), &name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letter_case_does_not_count() {
        assert!(matches("*FILE", "read_file") && matches("r?ad*", "READ_file"));
        assert!(!matches("read", "read_file"));
    }
}
