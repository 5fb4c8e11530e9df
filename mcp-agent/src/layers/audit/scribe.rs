//! Writes the book, and keeps count of what could not be written.

use std::{io, time::Duration};

use tokio::time::Instant;

use super::{
    book::Book,
    record::{Entry, Gap},
};

/// What takes longer is left to the thread.
const AT_ONCE: Duration = Duration::from_millis(2);

/// How long it stays with the thread then.
const SLOW_FOR: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Scribe {
    book: Book,
    gap: Option<Gap>,
    /// Until when the file is taken for a slow one.
    slow_until: Option<Instant>,
}

impl Scribe {
    pub(super) fn new(book: Book) -> Self {
        Self { book, gap: None, slow_until: None }
    }

    pub(super) fn record(&mut self, entry: &Entry) -> io::Result<()> {
        let written = self.close_gap().and_then(|()| self.book.append(entry));
        written.inspect_err(|error| self.gap(error).unrecorded += 1)
    }

    /// Writes a line if nothing speaks for that it takes time; `None` if something does.
    pub(super) fn record_at_once(&mut self, entry: &Entry) -> Option<io::Result<()>> {
        let began = Instant::now();
        if self.gap.is_some() || self.slow_until.is_some_and(|until| began < until) {
            return None;
        }
        let written = self.book.append_at_once(entry)?;
        let end = Instant::now();
        self.slow_until = (end - began > AT_ONCE).then(|| end + SLOW_FOR);
        Some(written.inspect_err(|error| self.gap(error).unrecorded += 1))
    }

    pub(super) fn try_again(&mut self) -> io::Result<()> {
        self.close_gap().inspect_err(|error| self.gap(error).not_made += 1)
    }

    fn gap(&mut self, error: &io::Error) -> &mut Gap {
        self.gap.get_or_insert_with(|| Gap::because(error))
    }

    /// Says how many calls have no line, before anything else is written.
    fn close_gap(&mut self) -> io::Result<()> {
        let Some(gap) = &mut self.gap else { return Ok(()) };
        self.book.mend()?;
        gap.ends_now();
        self.book.append(gap)?;
        self.gap = None;
        Ok(())
    }
}
