//! The pages of the documentation that hold the last runs; the words around them are people's.

use anyhow::{Context, Result};
use std::fs;

use crate::process;

const END: &str = "<!-- end -->\n";

/// A page, and the mark before what a command writes into it.
pub(crate) struct Page {
    path: &'static str,
    begin: &'static str,
}

pub(crate) const CLIENT: Page = Page {
    path: "docs/reference/performance.md",
    begin: "<!-- cargo xtask bench client --write: begin -->\n",
};

pub(crate) const GATEWAY: Page = Page {
    path: "docs/reference/gateway-performance.md",
    begin: "<!-- cargo xtask bench gateway --write: begin -->\n",
};

impl Page {
    /// Replaces what is between the marks.
    pub(crate) fn write(&self, text: &str) -> Result<()> {
        let Self { path, begin } = self;
        let file = process::root().join(path);
        let page = fs::read_to_string(&file).with_context(|| format!("cannot read {path}"))?;
        let page =
            replaced(&page, begin, text).with_context(|| format!("{path} lacks the marks"))?;
        fs::write(&file, page)?;
        eprintln!("bench: wrote {path}");
        Ok(())
    }
}

fn replaced(page: &str, begin: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(begin)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{begin}\n{}\n\n{END}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let begin = CLIENT.begin;
        let page = format!("words\n{begin}old\n{END}more\n");
        let new = replaced(&page, begin, "new").unwrap();
        assert_eq!(new, format!("words\n{begin}\nnew\n\n{END}more\n"));
        assert_eq!(replaced("no marks", begin, "new"), None);
    }
}
