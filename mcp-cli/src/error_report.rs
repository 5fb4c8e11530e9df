//! Errors as people and programs read them.

use std::{error::Error, io, ops::Range};

use serde_json::{Value, json};

use crate::{
    exit_code::{ErrorCode, ExitCode},
    signature::Signature,
    terminal_text::{clean, one_line},
    theme::{Role, Theme},
};

/// Why a command ends without success.
#[derive(Debug)]
pub(crate) enum CliError {
    /// Something to tell.
    Report(Report),
    /// Whoever read standard output has seen enough. No error: the exit code is 0.
    BrokenPipe,
}

/// `Result` of the commands.
pub(crate) type Result<T, E = CliError> = std::result::Result<T, E>;

/// One error screen.
#[derive(Debug)]
pub(crate) struct Report(Box<Parts>);

#[derive(Debug, Default)]
struct Parts {
    code: Option<ErrorCode>,
    message: String,
    /// The line under the message with a mark under a part of it.
    marked: Option<(String, Range<usize>)>,
    causes: Vec<String>,
    /// Labelled lines, such as `ran` and the command.
    facts: Vec<(&'static str, String)>,
    said: Vec<String>,
    help: Option<String>,
    server: Option<String>,
    retryable: bool,
}

impl Report {
    /// An error of a kind, in words.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(Box::new(Parts { code: Some(code), message: message.into(), ..Parts::default() }))
    }

    /// Adds the chain of causes below an error, without the error itself.
    pub(crate) fn causes_of(mut self, error: &(dyn Error + 'static)) -> Self {
        let mut next = error.source();
        while let Some(cause) = next {
            let text = one_line(&cause.to_string());
            // Some errors repeat their source in their own words.
            let known = self.0.message.contains(&text)
                || self.0.causes.last().is_some_and(|last| last.contains(&text));
            if !text.is_empty() && !known {
                self.0.causes.push(text);
            }
            next = cause.source();
        }
        self
    }

    /// Adds one cause.
    pub(crate) fn cause(mut self, cause: impl Into<String>) -> Self {
        self.0.causes.push(cause.into());
        self
    }

    /// Shows the signature with a mark under one parameter.
    pub(crate) fn signature(mut self, signature: &Signature, parameter: Option<&str>) -> Self {
        let columns = parameter.and_then(|name| {
            let head = name.split(['.', '[']).next()?;
            signature.columns_of(name).or_else(|| signature.columns_of(head))
        });
        self.0.marked = Some((signature.text.clone(), columns.unwrap_or(0..0)));
        self
    }

    /// Adds a labelled line.
    pub(crate) fn fact(mut self, label: &'static str, text: impl Into<String>) -> Self {
        self.0.facts.push((label, text.into()));
        self
    }

    /// Adds the server's own last words.
    pub(crate) fn said<T: AsRef<str>>(mut self, lines: impl IntoIterator<Item = T>) -> Self {
        self.0.said.extend(lines.into_iter().map(|line| line.as_ref().to_owned()));
        self
    }

    /// Adds what to do about it.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Adds what to do about it, if there is something.
    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.0.help = help.or(self.0.help);
        self
    }

    /// Names the server that it is about.
    pub(crate) fn server(mut self, server: impl Into<String>) -> Self {
        self.0.server = Some(server.into());
        self
    }

    /// Says whether the same command may simply be repeated.
    pub(crate) fn retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    fn code(&self) -> ErrorCode {
        self.0.code.unwrap_or(ErrorCode::Unexpected)
    }

    /// The first line, without its label.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// The code that the program ends with.
    pub(crate) fn exit_code(&self) -> ExitCode {
        self.code().exit_code()
    }

    /// The screen for people.
    pub(crate) fn to_text(&self, theme: Theme) -> String {
        let mut lines =
            vec![format!("{} {}", theme.paint(Role::Error, "error:"), clean(&self.0.message))];
        if let Some((text, marked)) = &self.0.marked {
            lines.push(format!("  {text}"));
            if !marked.is_empty() {
                let mark = "^".repeat(marked.len());
                let mark = theme.paint(Role::Error, mark);
                lines.push(format!("  {}{mark}", " ".repeat(marked.start)));
            }
        }
        let mut labelled: Vec<(&str, String)> = Vec::new();
        labelled.extend(self.0.causes.iter().map(|cause| ("cause", clean(cause).into_owned())));
        labelled
            .extend(self.0.facts.iter().map(|(label, text)| (*label, clean(text).into_owned())));
        labelled.extend(self.0.said.iter().map(|line| ("said", clean(line).into_owned())));
        labelled.extend(self.0.help.iter().map(|help| ("help", clean(help).into_owned())));
        let width = labelled.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        let mut last = "";
        for (label, text) in &labelled {
            for line in text.lines() {
                // A label stands once; further lines of the same kind are aligned with the first.
                let shown = if last == *label { String::new() } else { format!("{label}:") };
                last = label;
                let padding = " ".repeat(width + 2 - shown.len());
                let shown = theme.paint(Role::Label, shown);
                lines.push(format!("  {shown}{padding}{line}").trim_end().to_owned());
            }
        }
        lines.join("\n")
    }

    /// The same for programs.
    pub(crate) fn to_json(&self) -> Value {
        let mut error = json!({
            "code": self.code().as_str(),
            "message": self.0.message,
            "hint": self.0.help,
            "server": self.0.server,
            "retryable": self.0.retryable,
            "cause": self.0.causes,
        });
        if !self.0.said.is_empty() {
            error["said"] = json!(self.0.said);
        }
        json!({ "error": error })
    }
}

impl From<Report> for CliError {
    fn from(report: Report) -> Self {
        Self::Report(report)
    }
}

impl CliError {
    /// An error while writing to standard output.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::BrokenPipe;
        }
        Report::new(ErrorCode::Unexpected, "cannot write to standard output")
            .cause(error.to_string())
            .into()
    }

    /// The code that the program ends with.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Report(report) => report.exit_code(),
            Self::BrokenPipe => ExitCode::Success,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schema;

    #[test]
    fn a_screen_has_its_parts_in_order() {
        let report = Report::new(ErrorCode::Unreachable, "could not start server `pg`")
            .fact("ran", "uvx postgres-mcp")
            .said(["one", "\u{1b}[31mtwo\u{1b}[0m"])
            .help("set PG_PASSWORD");
        assert_eq!(
            report.to_text(Theme::Plain),
            "error: could not start server `pg`\n\
             \x20 ran:  uvx postgres-mcp\n\
             \x20 said: one\n\
             \x20       two\n\
             \x20 help: set PG_PASSWORD"
        );
        let json = report.to_json();
        assert_eq!(json["error"]["code"], "unreachable");
        assert_eq!(json["error"]["said"][0], "one");
        assert_eq!(report.exit_code(), ExitCode::Unreachable);
    }

    #[test]
    fn marks_the_wrong_argument() {
        let schema = json!({"properties": {"a": {"type": "number"}, "b": {"type": "number"}},
            "required": ["a", "b"]});
        let signature = Signature::new("get-sum", Schema::new(&schema));
        let text = |name| {
            Report::new(ErrorCode::InvalidArguments, "wrong")
                .signature(&signature, name)
                .to_text(Theme::Plain)
        };
        assert_eq!(text(Some("a")), "error: wrong\n  get-sum(a: num, b: num)\n          ^^^^^^");
        assert_eq!(text(None), "error: wrong\n  get-sum(a: num, b: num)");
    }
}
