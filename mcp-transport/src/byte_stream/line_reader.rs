//! Splits a byte stream into lines without copying them.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

/// What a connection in use keeps.
const SMALLEST_BUFFER: usize = 2 << 10;

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

    pub(crate) fn source(&self) -> &R {
        &self.source
    }

    /// Reads more into the buffer.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        // The lines given away last may still share this buffer, so a new one is due only when
        // little of it is left.
        if self.buffer.capacity() - self.buffer.len() < self.ask / 4 {
            self.buffer.reserve(self.ask);
        }
        let room = self.buffer.capacity() - self.buffer.len();
        let read = poll_read_buf(Pin::new(&mut self.source), cx, &mut self.buffer);
        let count = ready!(read).map_err(Ended::Failed)?;
        if count == 0 {
            return Poll::Ready(Err(Ended::Eof { rest: self.buffer.split().freeze() }));
        }
        if count == room {
            self.ask = (self.ask * 2).min(LARGEST_READ);
        }
        Poll::Ready(Ok(()))
    }

    /// Keeps no buffer until there is something to read again.
    pub(crate) fn rest(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
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
            poll_fn(|cx| self.poll_fill(cx)).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives out the text in pieces, as a pipe might.
    struct Pieces(Vec<&'static [u8]>);

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if !self.0.is_empty() {
                let piece = self.0.remove(0);
                buffer.put_slice(piece);
            }
            Poll::Ready(Ok(()))
        }
    }

    async fn read(pieces: &[&'static [u8]], limit: usize) -> (Vec<Bytes>, Ended) {
        let mut reader = LineReader::new(Pieces(pieces.to_vec()), limit);
        let mut lines = Vec::new();
        loop {
            match reader.next().await {
                Ok(line) => lines.push(line),
                Err(ended) => return (lines, ended),
            }
        }
    }

    #[tokio::test]
    async fn splits_wherever_the_pieces_end() {
        for pieces in [
            &[&b"one\ntwo\r\n\nthree"[..]][..],
            &[b"o", b"ne", b"\n", b"two\r", b"\n", b"\nthr", b"ee"],
            &[b"one\ntw", b"o\r\n\n", b"three"],
        ] {
            let (lines, ended) = read(pieces, 100).await;
            assert_eq!(lines, ["one", "two", ""]);
            assert!(matches!(ended, Ended::Eof { rest } if rest == "three"));
        }
    }

    #[tokio::test]
    async fn refuses_a_line_above_the_limit() {
        for pieces in [&[&b"12345\n"[..]][..], &[b"12345"], &[b"12", b"34", b"5"]] {
            let (lines, ended) = read(pieces, 4).await;
            assert!(lines.is_empty());
            assert!(matches!(ended, Ended::TooLong), "{ended:?}");
        }
        let (lines, ended) = read(&[b"1234\n12", b"34\n"], 4).await;
        assert_eq!(lines, ["1234", "1234"]);
        assert!(matches!(ended, Ended::Eof { rest } if rest.is_empty()));
    }

    #[tokio::test]
    async fn keeps_no_large_buffer() {
        let text = [vec![b'x'; 1 << 20], b"\nsmall\n".to_vec()].concat();
        let mut reader = LineReader::new(&text[..], 2 << 20);
        assert_eq!(reader.next().await.unwrap().len(), 1 << 20);
        assert_eq!(reader.next().await.unwrap(), "small");
        assert!(matches!(reader.next().await, Err(Ended::Eof { .. })));
        assert!(reader.buffer.capacity() <= SMALLEST_BUFFER);
    }
}
