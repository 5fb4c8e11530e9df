//! What a child writes to its standard error: passed to the log, its last lines kept for errors.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

/// How many lines are kept.
const LINES: usize = 50;

/// How much of a line is kept.
const LINE_BYTES: usize = 2 << 10;

/// The last lines.
#[derive(Debug, Default)]
pub(super) struct Tail {
    lines: Mutex<VecDeque<String>>,
}

impl Tail {
    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn push(&self, line: String) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// Reads until the stream ends. Lines are cut, never waited for in memory.
    pub(super) async fn follow(&self, mut source: impl AsyncRead + Unpin, program: &str) {
        let mut line = Line::default();
        loop {
            match poll_fn(|cx| self.poll_part(&mut source, &mut line, program, cx)).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(program, %error, "cannot read the server's standard error");
                    break;
                }
            }
        }
        if !line.is_empty() {
            self.keep(line.finish(), program);
        }
    }

    /// Reads once. The buffer lives no longer than that, so that a quiet server costs none.
    fn poll_part(
        &self,
        source: &mut (impl AsyncRead + Unpin),
        line: &mut Line,
        program: &str,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut buffer = [0; 1024];
        let mut buffer = ReadBuf::new(&mut buffer);
        ready!(Pin::new(source).poll_read(cx, &mut buffer))?;
        for part in buffer.filled().split_inclusive(|byte| *byte == b'\n') {
            line.extend(part);
            if part.ends_with(b"\n") {
                self.keep(line.finish(), program);
            }
        }
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn keep(&self, line: String, program: &str) {
        tracing::debug!(target: "mcp_transport::stderr", program, "{line}");
        self.push(line);
    }
}

/// A line that is being read.
#[derive(Debug, Default)]
struct Line {
    text: Vec<u8>,
    cut: bool,
}

impl Line {
    fn extend(&mut self, part: &[u8]) {
        let part = part.strip_suffix(b"\n").unwrap_or(part);
        let kept = &part[..part.len().min(LINE_BYTES - self.text.len())];
        self.text.extend_from_slice(kept);
        self.cut |= kept.len() < part.len();
    }

    fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    fn finish(&mut self) -> String {
        let mut line = String::from_utf8_lossy(&self.text).trim_end_matches('\r').to_owned();
        if self.cut {
            line.push('…');
        }
        self.text.clear();
        self.cut = false;
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn tail_of(text: &[u8]) -> Vec<String> {
        let tail = Tail::default();
        tail.follow(text, "test").await;
        tail.lines()
    }

    #[tokio::test]
    async fn keeps_the_last_fifty_lines() {
        let text: Vec<_> = (0..60).map(|number| format!("line {number}\r\n")).collect();
        let lines = tail_of(text.concat().as_bytes()).await;
        assert_eq!(lines.len(), LINES);
        assert_eq!((lines[0].as_str(), lines[49].as_str()), ("line 10", "line 59"));
    }

    #[tokio::test]
    async fn keeps_half_a_line_and_foreign_bytes() {
        assert_eq!(tail_of(b"good\nba\xffd").await, ["good", "ba\u{fffd}d"]);
    }

    #[tokio::test]
    async fn cuts_a_long_line() {
        let lines = tail_of(&vec![b'x'; 10 * LINE_BYTES]).await;
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with("xxx") && lines[0].ends_with("x…"));
        assert_eq!(lines[0].chars().count(), LINE_BYTES + 1);
    }
}
