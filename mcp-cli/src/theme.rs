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
