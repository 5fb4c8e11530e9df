//! A body of events as messages.

use super::{
    body::{Body, BodyFailure},
    sse::{Event, Parser, TooLarge},
};

/// Reads events from a body.
pub(super) struct Events {
    body: Body,
    parser: Parser,
    limit_bytes: usize,
    ended: bool,
}

impl Events {
    /// Reads events of at most `limit_bytes`.
    pub(super) fn new(body: Body, limit_bytes: usize) -> Self {
        Self { body, parser: Parser::new(limit_bytes), limit_bytes, ended: false }
    }

    /// The next event; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, BodyFailure> {
        let too_large = |TooLarge| BodyFailure::TooLarge(self.limit_bytes);
        loop {
            if let Some(event) = self.parser.next().map_err(too_large)? {
                return Ok(Some(event));
            }
            if self.ended {
                return Ok(None);
            }
            let Some(chunk) = self.body.chunk().await.transpose()? else {
                self.ended = true;
                return self.parser.finish().map_err(too_large);
            };
            self.parser.feed(chunk);
        }
    }

    /// Ends the stream after its last message.
    pub(super) async fn let_go(self) {
        self.body.let_go().await;
    }

    /// Whether the stream has come to its end in order.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }
}
