//! The `text/event-stream` format: bytes in, events out.
//!
//! Follows the parsing rules of the HTML standard (section 9.2.6). The bytes of an event whose data
//! is one line within one chunk are handed on without a copy.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memchr2};

/// One event, or a change of the stream's state that came without data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// The `event` field; `None` means `message`.
    pub(super) name: Option<Bytes>,
    /// The `id` field of this event.
    pub(super) id: Option<Bytes>,
    /// The `data` lines, joined by line feeds.
    pub(super) data: Bytes,
    /// The `retry` field.
    pub(super) retry: Option<Duration>,
}

impl Event {
    /// Whether the data is for the reader of messages. Empty data primes a stream.
    pub(super) fn is_message(&self) -> bool {
        !self.data.is_empty()
            && self.name.as_ref().is_none_or(|name| name.is_empty() || name == &b"message"[..])
    }
}

/// An event is larger than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

/// Cuts a stream of bytes into events.
#[derive(Debug)]
pub(super) struct Parser {
    limit_bytes: usize,
    /// What has arrived and is not looked at yet.
    chunk: Bytes,
    /// The start of a line whose end has not arrived.
    partial: BytesMut,
    /// The last line ended with CR at the end of a chunk; an LF may belong to it.
    after_cr: bool,
    /// No line was seen yet, so a byte order mark may come.
    at_start: bool,
    pending: Pending,
}

/// The fields of the event that is being read.
#[derive(Debug, Default)]
struct Pending {
    event: Event,
    /// Whether any field was seen.
    touched: bool,
    /// The data lines after the first, when there are several.
    more: Vec<Bytes>,
    data_bytes: usize,
    has_data: bool,
}

impl Parser {
    /// A parser that refuses events of more than `limit_bytes`.
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            chunk: Bytes::new(),
            partial: BytesMut::new(),
            after_cr: false,
            at_start: true,
            pending: Pending::default(),
        }
    }

    /// Adds what arrived. All events of the former chunk must have been taken.
    pub(super) fn feed(&mut self, chunk: Bytes) {
        debug_assert!(self.chunk.is_empty(), "events were left in the former chunk");
        self.chunk = chunk;
    }

    /// The next complete event, `None` when more bytes are needed.
    pub(super) fn next(&mut self) -> Result<Option<Event>, TooLarge> {
        while let Some(line) = self.line()? {
            if line.is_empty() {
                if let Some(event) = self.pending.take() {
                    return Ok(Some(event));
                }
            } else {
                self.field(&line)?;
            }
        }
        Ok(None)
    }

    /// What an orderly end of the stream leaves: an event that lacks its blank line.
    pub(super) fn finish(&mut self) -> Result<Option<Event>, TooLarge> {
        if !self.partial.is_empty() {
            let mut line = self.partial.split().freeze();
            self.strip_byte_order_mark(&mut line);
            self.field(&line)?;
        }
        Ok(self.pending.take())
    }

    fn line(&mut self) -> Result<Option<Bytes>, TooLarge> {
        if self.after_cr && !self.chunk.is_empty() {
            self.after_cr = false;
            if self.chunk[0] == b'\n' {
                let _ = self.chunk.split_to(1);
            }
        }
        let Some(end) = memchr2(b'\r', b'\n', &self.chunk) else {
            if self.partial.len() + self.chunk.len() > self.limit_bytes {
                return Err(TooLarge);
            }
            self.partial.extend_from_slice(&self.chunk);
            self.chunk.clear();
            return Ok(None);
        };
        let mut line = self.chunk.split_to(end);
        // The line end itself: LF, CR or CRLF, of which the LF may come with the next chunk.
        match &self.chunk[..] {
            [b'\r'] => self.after_cr = true,
            [b'\r', b'\n', ..] => drop(self.chunk.split_to(1)),
            _ => (),
        }
        let _ = self.chunk.split_to(1);
        if !self.partial.is_empty() {
            self.partial.extend_from_slice(&line);
            line = self.partial.split().freeze();
        }
        if line.len() > self.limit_bytes {
            return Err(TooLarge);
        }
        self.strip_byte_order_mark(&mut line);
        Ok(Some(line))
    }

    fn strip_byte_order_mark(&mut self, line: &mut Bytes) {
        if std::mem::take(&mut self.at_start) && line.starts_with(b"\xEF\xBB\xBF") {
            let _ = line.split_to(3);
        }
    }

    fn field(&mut self, line: &Bytes) -> Result<(), TooLarge> {
        let (name, value) = match memchr(b':', line) {
            // A comment, which servers send to keep the stream open.
            Some(0) => return Ok(()),
            Some(colon) => {
                let space = usize::from(line.get(colon + 1) == Some(&b' '));
                (&line[..colon], line.slice(colon + 1 + space..))
            }
            None => (&line[..], Bytes::new()),
        };
        match name {
            b"data" => self.pending.add_data(value, self.limit_bytes)?,
            b"event" => {
                self.pending.event.name = Some(value);
                self.pending.touched = true;
            }
            b"id" if memchr(0, &value).is_none() => {
                self.pending.event.id = Some(value);
                self.pending.touched = true;
            }
            b"retry" => {
                let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
                let text = std::str::from_utf8(&value).ok().filter(|_| digits);
                if let Some(milliseconds) = text.and_then(|text| text.parse().ok()) {
                    self.pending.event.retry = Some(Duration::from_millis(milliseconds));
                    self.pending.touched = true;
                }
            }
            _ => (),
        }
        Ok(())
    }
}

impl Pending {
    fn add_data(&mut self, value: Bytes, limit_bytes: usize) -> Result<(), TooLarge> {
        self.touched = true;
        self.data_bytes += value.len() + usize::from(self.has_data);
        if self.data_bytes > limit_bytes {
            return Err(TooLarge);
        }
        if std::mem::replace(&mut self.has_data, true) {
            self.more.push(value);
        } else {
            self.event.data = value;
        }
        Ok(())
    }

    fn take(&mut self) -> Option<Event> {
        if !self.touched {
            return None;
        }
        let Self { mut event, more, data_bytes, .. } = std::mem::take(self);
        if !more.is_empty() {
            let mut joined = BytesMut::with_capacity(data_bytes);
            joined.extend_from_slice(&event.data);
            for line in more {
                joined.extend_from_slice(b"\n");
                joined.extend_from_slice(&line);
            }
            event.data = joined.freeze();
        }
        Some(event)
    }
}

#[cfg(test)]
mod tests;
