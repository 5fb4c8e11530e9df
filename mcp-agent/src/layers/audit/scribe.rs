//! Writes the book, and keeps count of what could not be written.

use std::{io, time::Duration};

use tokio::time::Instant;

use super::{
    book::Book,
    record::{Entry, Gap},
};

/// What takes longer is left to the thread.
const AT_ONCE: Duration = Duration::from_millis(2);

/// After how many lines in a row that took no time the thread is not needed any more. It may have
/// been another process that had the processor meanwhile, and not the file that was slow.
const QUICK_LINES: u32 = 32;

#[derive(Debug)]
pub(super) struct Scribe {
    book: Book,
    gap: Option<Gap>,
    /// How many more lines must take no time before the file is not taken for a slow one.
    distrust: u32,
}

impl Scribe {
    pub(super) fn new(book: Book) -> Self {
        Self { book, gap: None, distrust: 0 }
    }

    pub(super) fn record(&mut self, entry: &Entry) -> io::Result<()> {
        let began = Instant::now();
        let written = self.close_gap().and_then(|()| self.book.append(entry));
        self.took(began.elapsed());
        written.inspect_err(|error| self.gap(error).unrecorded += 1)
    }

    /// Writes a line if nothing speaks for that it takes time; `None` if something does.
    pub(super) fn record_at_once(&mut self, entry: &Entry) -> Option<io::Result<()>> {
        if self.gap.is_some() || self.distrust > 0 {
            return None;
        }
        let began = Instant::now();
        let written = self.book.append_at_once(entry)?;
        self.took(began.elapsed());
        Some(written.inspect_err(|error| self.gap(error).unrecorded += 1))
    }

    fn took(&mut self, time: Duration) {
        let is_slow = time > AT_ONCE;
        self.distrust = if is_slow { QUICK_LINES } else { self.distrust.saturating_sub(1) };
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
