//! The few colors, in one place.

use std::fmt::{self, Display};

use anstyle::{AnsiColor, Style};

/// What a piece of text is, which decides how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// `error:`
    Error,
    /// `warning:`
    Warning,
    /// `help:` and other labels
    Label,
    /// A name that stands out
    Name,
    /// Beside the point
    Dim,
    /// It went well
    Good,
    /// It did not
    Bad,
}

impl Role {
    fn style(self) -> Style {
        let color = |color: AnsiColor| Style::new().fg_color(Some(color.into()));
        match self {
            Self::Error => color(AnsiColor::Red).bold(),
            Self::Warning => color(AnsiColor::Yellow).bold(),
            Self::Label => color(AnsiColor::Cyan),
            Self::Name => Style::new().bold(),
            Self::Dim => Style::new().dimmed(),
            Self::Good => color(AnsiColor::Green),
            Self::Bad => color(AnsiColor::Red),
        }
    }
}

/// All sequences that colors are written with.
pub(crate) const SEQUENCES: [&str; 7] =
    ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[36m"];

/// Whether one stream gets colors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Theme {
    /// It does.
    Colored,
    /// It does not.
    Plain,
}

impl Theme {
    /// The text in its colors.
    pub(crate) fn paint<T: Display>(self, role: Role, text: T) -> Painted<T> {
        let style = match self {
            Self::Colored => role.style(),
            Self::Plain => Style::new(),
        };
        Painted { style, text }
    }
}

/// Text with its colors.
#[derive(Debug)]
pub(crate) struct Painted<T> {
    style: Style,
    text: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = self.style;
        write!(f, "{style}{}{style:#}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal_text::clean_painted;

    #[test]
    fn colors_pass_where_nothing_else_does() {
        use Role::{Bad, Dim, Error, Good, Label, Name, Warning};
        for role in [Error, Warning, Label, Name, Dim, Good, Bad] {
            let painted = Theme::Colored.paint(role, "text").to_string();
            assert!(painted.contains('\u{1b}'));
            assert_eq!(clean_painted(&painted), painted);
            // Hidden, blinking, and all that is no color.
            let text = "a\u{1b}[8mb\u{1b}[5mc\u{1b}[2Jd\u{1b}]0;t\u{7}e\u{9b}31mf\u{202e}";
            let painted = Theme::Colored.paint(role, text).to_string();
            assert_eq!(clean_painted(&painted), painted.replace(text, "abcdef"));
        }
    }
}
