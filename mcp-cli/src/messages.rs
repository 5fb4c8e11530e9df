//! Standard error: notes, warnings, errors, and one live line that never stays.

use std::{
    fmt::Display,
    io::{self, IsTerminal as _, Write as _},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crate::{
    error_report::Report,
    terminal_text::{clean, clean_painted, escape_json},
    theme::{Painted, Role, Theme},
};

/// How much is said on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loudness {
    /// Nothing at all.
    Silent,
    /// Errors.
    Errors,
    /// Also warnings, notes and summaries.
    Normal,
}

/// Whether errors are for people or for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorForm {
    /// A screen.
    Text,
    /// A line of JSON.
    Json,
}

/// Writes to standard error. There is nobody to tell when that fails, so it is not looked at.
#[derive(Debug)]
pub(crate) struct Messages {
    theme: Theme,
    loudness: Loudness,
    form: ErrorForm,
    terminal: bool,
    live: bool,
    drawn: AtomicBool,
    /// How many questions are open, during which nothing is drawn.
    held: AtomicUsize,
    /// Whether all of it is for the log.
    logged: AtomicBool,
}

impl Messages {
    /// Messages in a form; `live` allows the line that shows progress.
    pub(crate) fn new(theme: Theme, loudness: Loudness, form: ErrorForm, live: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        let live = live && terminal && loudness == Loudness::Normal;
        Self {
            theme,
            loudness,
            form,
            terminal,
            live,
            drawn: AtomicBool::new(false),
            held: AtomicUsize::new(0),
            logged: AtomicBool::new(false),
        }
    }

    /// Logs from now on what would be printed, so that standard error has nothing else.
    pub(crate) fn log_instead(&self) {
        self.logged.store(true, Ordering::Relaxed);
    }

    fn logs(&self) -> bool {
        self.logged.load(Ordering::Relaxed)
    }

    /// Whether progress may be drawn.
    pub(crate) fn is_live(&self) -> bool {
        self.live
    }

    /// Text in its colors, if there are any.
    pub(crate) fn paint<T: Display>(&self, role: Role, text: T) -> Painted<T> {
        self.theme.paint(role, text)
    }

    /// Something worth knowing.
    pub(crate) fn note(&self, text: impl Display) {
        if self.loudness >= Loudness::Normal {
            self.print(text);
        }
    }

    /// Something that only people who watch want to know, such as how long it took.
    pub(crate) fn aside(&self, text: impl Display) {
        if self.terminal {
            self.note(text);
        }
    }

    /// Something that may be wrong.
    pub(crate) fn warning(&self, text: impl Display) {
        if self.logs() {
            tracing::warn!(target: "mcp", "{}", plain(text));
            return;
        }
        let label = self.paint(Role::Warning, "warning:");
        self.note(format_args!("{label} {text}"));
    }

    /// Why the command ends without success.
    pub(crate) fn error(&self, report: &Report) {
        if self.logs() {
            tracing::error!(target: "mcp", "{}", plain(report.to_text(Theme::Plain)));
            return;
        }
        if self.loudness < Loudness::Errors {
            return;
        }
        match self.form {
            ErrorForm::Text => self.print(report.to_text(self.theme)),
            ErrorForm::Json => self.print(escape_json(&report.to_json().to_string())),
        }
    }

    /// Shows a line in place of the last live one, cut to the terminal.
    pub(crate) fn draw(&self, line: &str) {
        if self.live && !self.logs() && self.held.load(Ordering::Relaxed) == 0 {
            let width = terminal_width().saturating_sub(1);
            let line: String =
                clean(line).chars().map(|c| if c < ' ' { ' ' } else { c }).take(width).collect();
            let _ = write!(io::stderr(), "\r\x1b[K{line}");
            self.drawn.store(true, Ordering::Relaxed);
        }
    }

    /// Removes the live line.
    pub(crate) fn clear(&self) {
        if self.drawn.swap(false, Ordering::Relaxed) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    /// Draws nothing until the returned value is dropped, so that a person can type.
    pub(crate) fn hold(&self) -> Held<'_> {
        self.held.fetch_add(1, Ordering::Relaxed);
        self.clear();
        Held(&self.held)
    }

    /// Something that belongs to a question, and is told however quiet the rest is.
    pub(crate) fn say(&self, text: impl Display) {
        self.print(text);
    }

    /// Asks something that is answered on the same line; the answer is read by the caller.
    pub(crate) fn ask(&self, question: impl Display) {
        self.clear();
        let mut stderr = io::stderr();
        let _ = write!(stderr, "{} ", clean_painted(&question.to_string()));
        let _ = stderr.flush();
    }

    fn print(&self, text: impl Display) {
        if self.logs() {
            tracing::info!(target: "mcp", "{}", plain(text));
            return;
        }
        self.clear();
        let _ = writeln!(io::stderr(), "{}", clean_painted(&text.to_string()));
    }
}

/// A question is open: see [`Messages::hold`].
#[derive(Debug)]
pub(crate) struct Held<'a>(&'a AtomicUsize);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Without colors, and without what would be taken for some.
fn plain(text: impl Display) -> String {
    anstream::adapter::strip_str(&clean_painted(&text.to_string())).to_string()
}

/// The columns of the terminal; 80 when there is none to ask.
pub(crate) fn terminal_width() -> usize {
    terminal_size::terminal_size().map_or(80, |(width, _)| width.0.into())
}
