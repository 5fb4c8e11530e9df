//! The reading half of a line connection.

use std::{
    io, mem,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncRead;

use super::{Ended, LineReader};
use crate::routing::{Connection, Progress, Source};

/// A byte stream that tells when there is something to read: a pipe, a socket.
pub(crate) trait Readable: AsyncRead + Unpin {
    /// Waits until a read would give something.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// Passes each line on to the connection.
#[derive(Debug)]
pub(crate) struct LineSource<R> {
    lines: LineReader<R>,
    /// Whether the last read brought several answers.
    many: bool,
    ended: Option<Ended>,
}

impl<R: Readable> LineSource<R> {
    pub(crate) fn new(source: R, max_line_bytes: usize) -> Self {
        Self { lines: LineReader::new(source, max_line_bytes), many: false, ended: None }
    }

    /// Why there are no more lines.
    pub(crate) fn into_end(self) -> Option<Ended> {
        self.ended
    }

    fn read(
        &mut self,
        connection: &Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, Ended>> {
        // A buffer is only needed once there is something to put in.
        ready!(self.lines.source().poll_readable(cx)).map_err(Ended::Failed)?;
        ready!(self.lines.poll_fill(cx))?;
        let mut answers = 0;
        while let Some(line) = self.lines.buffered()? {
            answers += connection.receive(&line);
        }
        if mem::replace(&mut self.many, answers > 1) || self.many {
            connection.outbox.expect(if self.many { answers } else { 0 });
        }
        self.lines.relax();
        Poll::Ready(Ok(answers))
    }
}

impl<R: Readable> Source for LineSource<R> {
    type Sink = Connection;

    fn poll_read(&mut self, connection: &Connection, cx: &mut Context<'_>) -> Poll<Progress> {
        if self.ended.is_some() {
            return Poll::Ready(Progress::Over);
        }
        Poll::Ready(match ready!(self.read(connection, cx)) {
            Ok(answers) => Progress::Read { answers },
            Err(ended) => {
                self.ended = Some(ended);
                Progress::Over
            }
        })
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.ended {
            Some(_) => Poll::Ready(()),
            None => self.lines.source().poll_readable(cx).map(|_| ()),
        }
    }

    fn rest(&mut self) {
        self.lines.rest();
    }
}
