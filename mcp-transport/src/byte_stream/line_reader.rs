//! Splits a byte stream into lines without copying them.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What a quiet connection keeps.
const SMALLEST_BUFFER: usize = 4 << 10;

/// What one read asks for at most; a pipe holds no more.
const LARGEST_READ: usize = 64 << 10;

/// Reads lines; each shares the buffer that it was read into.
#[derive(Debug)]
pub(crate) struct LineReader<R> {
    source: R,
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line end.
    searched: usize,
    /// How much the next read asks for. Grows while reads fill it.
    ask: usize,
    max_line_bytes: usize,
}

/// Why there are no more lines.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The stream ended, perhaps in the middle of a line.
    Eof {
        /// The start of a line whose end never came.
        rest: Bytes,
    },
    /// A line exceeds the limit.
    TooLong,
    /// The stream broke.
    Failed(io::Error),
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    pub(crate) fn new(source: R, max_line_bytes: usize) -> Self {
        let (buffer, ask) = (BytesMut::new(), SMALLEST_BUFFER);
        Self { source, buffer, searched: 0, ask, max_line_bytes }
    }

    /// The next line, without its end, if it is in the buffer already.
    pub(crate) fn buffered(&mut self) -> Result<Option<Bytes>, Ended> {
        let found = memchr::memchr(b'\n', &self.buffer[self.searched..]);
        let Some(end) = found.map(|offset| self.searched + offset) else {
            self.searched = self.buffer.len();
            if self.searched > self.max_line_bytes {
                self.buffer = BytesMut::new();
                self.searched = 0;
                return Err(Ended::TooLong);
            }
            return Ok(None);
        };
        self.searched = 0;
        if end > self.max_line_bytes {
            return Err(Ended::TooLong);
        }
        let mut line = self.buffer.split_to(end + 1);
        line.truncate(if end > 0 && line[end - 1] == b'\r' { end - 1 } else { end });
        Ok(Some(line.freeze()))
    }

    /// Reads more into the buffer.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn fill(&mut self) -> Result<(), Ended> {
        // The lines given away last may still share this buffer, so a new one is due only when
        // little of it is left.
        if self.buffer.capacity() - self.buffer.len() < self.ask / 4 {
            self.buffer.reserve(self.ask);
        }
        let room = self.buffer.capacity() - self.buffer.len();
        let count = self.source.read_buf(&mut self.buffer).await.map_err(Ended::Failed)?;
        if count == 0 {
            return Err(Ended::Eof { rest: self.buffer.split().freeze() });
        }
        if count == room {
            self.ask = (self.ask * 2).min(LARGEST_READ);
        }
        Ok(())
    }

    /// Lets go of a large buffer once everything in it has been given away.
    pub(crate) fn relax(&mut self) {
        if self.buffer.is_empty() && self.ask > SMALLEST_BUFFER {
            self.buffer = BytesMut::new();
            self.ask = SMALLEST_BUFFER;
        }
    }

    /// The next line, without its end.
    ///
    /// # Cancel safety
    /// No line is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Result<Bytes, Ended> {
        loop {
            if let Some(line) = self.buffered()? {
                return Ok(line);
            }
            self.relax();
            self.fill().await?;
        }
    }
}
