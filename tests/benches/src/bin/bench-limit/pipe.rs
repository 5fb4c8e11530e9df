//! A child process and its two pipes.

use std::collections::VecDeque;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Duration, Instant};

use crate::message::{Message, answers};

/// Where the id of a response is to be found.
const START_BYTES: usize = 64;

pub(crate) struct Pipe {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    out: Vec<u8>,
    buffer: Vec<u8>,
}

impl Pipe {
    pub(crate) fn start(program: &str, args: &[String]) -> Result<Self> {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let input = child.stdin.take().context("its standard input is a pipe")?;
        let output = child.stdout.take().context("its standard output is a pipe")?;
        Ok(Self { child, input, output, out: Vec::new(), buffer: Vec::new() })
    }

    pub(crate) async fn notify(&mut self, message: &Message) -> Result<()> {
        self.out.clear();
        message.write_notification(&mut self.out);
        self.out.push(b'\n');
        Ok(self.input.write_all(&self.out).await?)
    }

    /// Nothing is kept of the reply but its start; how long it was is told.
    pub(crate) async fn call(&mut self, message: &Message, id: u64) -> Result<usize> {
        self.out.clear();
        message.write(id, &mut self.out);
        self.out.push(b'\n');
        self.input.write_all(&self.out).await?;
        // Replies of one call at a time: the newline is the last byte.
        if self.buffer.is_empty() {
            self.buffer.resize(2 * 1024, 0);
        }
        let mut filled = 0;
        let mut length = 0;
        let mut known = false;
        loop {
            let read = self.output.read(&mut self.buffer[filled..]).await?;
            ensure!(read > 0, "the server is gone");
            filled += read;
            length += read;
            if filled == self.buffer.len() {
                self.buffer.resize(64 * 1024, 0);
            }
            let whole = memchr::memchr(b'\n', &self.buffer[filled - read..filled]).is_some();
            if !known && (whole || filled >= START_BYTES) {
                ensure!(answers(&self.buffer[..filled.min(START_BYTES)], id), "not our reply");
                known = true;
            }
            if whole {
                return Ok(length);
            }
            if known {
                filled = 0;
            }
        }
    }

    /// Keeps so many calls under way: for every reply that a read brings, another request goes
    /// into the next write.
    pub(crate) async fn crowd(
        &mut self,
        message: &Message,
        first: u64,
        in_flight: usize,
        operations: usize,
    ) -> Result<Vec<Duration>> {
        let mut laps = Vec::with_capacity(operations);
        let mut sent = VecDeque::with_capacity(in_flight);
        let mut id = first;
        let mut left = operations;
        let mut wanted = in_flight;
        let (mut filled, mut written) = (0, 0);
        self.out.clear();
        self.buffer.resize(64 * 1024, 0);
        while laps.len() < operations {
            if written == self.out.len() {
                self.out.clear();
                written = 0;
            }
            let now = Instant::now();
            for _ in 0..wanted.min(left) {
                message.write(id, &mut self.out);
                self.out.push(b'\n');
                sent.push_back((id, now));
                id += 1;
                left -= 1;
            }
            wanted = 0;
            // Both ways at once: a server that waits to be read must not wait for ever.
            let read = tokio::select! {
                biased;
                wrote = self.input.write(&self.out[written..]), if written < self.out.len() => {
                    written += wrote?;
                    continue;
                }
                read = self.output.read(&mut self.buffer[filled..]) => read?,
            };
            ensure!(read > 0, "the server is gone");
            filled += read;
            let now = Instant::now();
            let mut start = 0;
            while let Some(length) = memchr::memchr(b'\n', &self.buffer[start..filled]) {
                let (id, since) = sent.pop_front().context("a reply to nothing")?;
                let line = &self.buffer[start..start + length];
                ensure!(answers(&line[..line.len().min(START_BYTES)], id), "not our reply");
                laps.push(now - since);
                wanted += 1;
                start += length + 1;
            }
            self.buffer.copy_within(start..filled, 0);
            filled -= start;
        }
        Ok(laps)
    }

    /// Ends the server by the end of its input.
    pub(crate) async fn close(self) -> Result<()> {
        let Self { mut child, input, output, .. } = self;
        drop(input);
        let status = child.wait().await?;
        drop(output);
        ensure!(status.success(), "the server failed ({status})");
        Ok(())
    }
}
