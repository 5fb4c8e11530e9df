//! The page of the documentation that holds the last run; the words around it are people's.

use anyhow::{Context, Result};
use std::fs;

use crate::process;

const PAGE: &str = "docs/reference/performance.md";
const BEGIN: &str = "<!-- cargo xtask bench client --write: begin -->\n";
const END: &str = "<!-- end -->\n";

/// Replaces what is between the marks.
pub(crate) fn write(text: &str) -> Result<()> {
    let path = process::root().join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| format!("cannot read {PAGE}"))?;
    fs::write(&path, replaced(&page, text).with_context(|| format!("{PAGE} lacks the marks"))?)?;
    eprintln!("bench: wrote {PAGE}");
    Ok(())
}

fn replaced(page: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{}\n\n{END}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let page = format!("words\n{BEGIN}old\n{END}more\n");
        let new = replaced(&page, "new").unwrap();
        assert_eq!(new, format!("words\n{BEGIN}\nnew\n\n{END}more\n"));
        assert_eq!(replaced("no marks", "new"), None);
    }
}
