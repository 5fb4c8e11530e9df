//! Names by pattern.

/// Whether a text matches a pattern as a whole: `*` is any text, `?` any character. Letter case
/// counts.
///
/// ```
/// use mcp_client::config::glob_matches;
///
/// assert!(glob_matches("file:///notes/*.md", "file:///notes/a/b.md"));
/// assert!(!glob_matches("read", "read_file"));
/// ```
pub fn glob_matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<_>, Vec<_>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut next) = (0, 0);
    // Where the last star stands, and up to where it reaches so far.
    let mut star: Option<(usize, usize)> = None;
    while next < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, next));
                at += 1;
            }
            Some(c) if *c == '?' || *c == text[next] => {
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
    fn matches_whole_texts() {
        for (pattern, text, want) in [
            ("*", "", true),
            ("read*", "read_file", true),
            ("*file*", "read_file", true),
            ("*FILE", "read_file", false),
            ("r?ad_*e", "read_file", true),
            ("*a*b*c", "xxaybzbc", true),
            ("read", "read_file", false),
            ("?", "", false),
            ("*x", "read", false),
        ] {
            assert_eq!(glob_matches(pattern, text), want, "{pattern} {text}");
        }
    }
}
