//! Standard output. Nothing else in the program writes to it.

use std::{
    fmt::Display,
    io::{self, BufWriter, IsTerminal as _, Stdout, Write as _},
};

use serde::Serialize;

use crate::{
    args::Output,
    error_report::Report,
    error_report::{CliError, Result},
    exit_code::ErrorCode,
    terminal_text::{clean, clean_painted, escape_json},
    theme::{Painted, Role, Theme},
};

/// Writes results: data only, in the form that was asked for.
#[derive(Debug)]
pub(crate) struct Printer {
    out: BufWriter<Stdout>,
    output: Output,
    theme: Theme,
    terminal: bool,
    /// Whether the last thing written left the cursor at the start of a line.
    at_line_start: bool,
}

impl Printer {
    /// A printer for one form of output.
    pub(crate) fn new(output: Output, theme: Theme) -> Self {
        let out = io::stdout();
        let terminal = out.is_terminal();
        Self { out: BufWriter::new(out), output, theme, terminal, at_line_start: true }
    }

    /// The form that was asked for.
    pub(crate) fn output(&self) -> Output {
        self.output
    }

    /// Whether people read along.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Text in its colors, if there are any.
    pub(crate) fn paint<T: Display>(&self, role: Role, text: T) -> Painted<T> {
        self.theme.paint(role, text)
    }

    /// One line of our own words.
    pub(crate) fn line(&mut self, line: impl Display) -> Result<()> {
        self.whole_line(&clean_painted(&line.to_string()))
    }

    fn whole_line(&mut self, line: &str) -> Result<()> {
        writeln!(self.out, "{line}").map_err(|error| CliError::output(&error))?;
        self.at_line_start = true;
        Ok(())
    }

    /// Text of a server or a model, as it is: only a terminal is protected from it.
    pub(crate) fn text(&mut self, text: &str) -> Result<()> {
        if self.terminal { self.write(clean(text).as_bytes()) } else { self.write(text.as_bytes()) }
    }

    /// Whether the next text begins a line.
    pub(crate) fn is_at_line_start(&self) -> bool {
        self.at_line_start
    }

    /// Ends a line that is not ended yet.
    pub(crate) fn end_line(&mut self) -> Result<()> {
        if self.at_line_start { Ok(()) } else { self.write(b"\n") }
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        if self.terminal && std::str::from_utf8(bytes).is_err() {
            return Err(Report::new(
                ErrorCode::Usage,
                "will not write binary data to the terminal",
            )
            .help("send it to a file with `> FILE`, or use --save DIR")
            .into());
        }
        if self.terminal { self.text(&String::from_utf8_lossy(bytes)) } else { self.write(bytes) }
    }

    /// One JSON document: laid out for people on a terminal, else on one line.
    pub(crate) fn json<T: Serialize + ?Sized>(&mut self, document: &T) -> Result<()> {
        if self.terminal && self.output != Output::Ndjson {
            let text =
                serde_json::to_string_pretty(document).map_err(|error| unserializable(&error))?;
            self.whole_line(&escape_json(&text))
        } else {
            let text = serde_json::to_string(document).map_err(|error| unserializable(&error))?;
            let text = if self.terminal { escape_json(&text) } else { text.into() };
            self.whole_line(&text)
        }
    }

    /// Brings everything out.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.out.flush().map_err(|error| CliError::output(&error))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(last) = bytes.last() {
            self.at_line_start = *last == b'\n';
        }
        self.out.write_all(bytes).map_err(|error| CliError::output(&error))
    }
}

fn unserializable(error: &serde_json::Error) -> CliError {
    Report::new(ErrorCode::Unexpected, "the result cannot be written as JSON")
        .cause(error.to_string())
        .into()
}
