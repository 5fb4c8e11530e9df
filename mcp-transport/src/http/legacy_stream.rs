//! Legacy event streams that go on after a break, and the one for what a server says unasked.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use mcp_protocol::{jsonrpc::Message, version::Era};
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};

use super::{
    answer::Content,
    events::Events,
    pool::Lane,
    post::truncated,
    shared::{Draft, Shared},
    sse::Event,
};
use crate::{
    DeliveryError,
    error::{BoxError, DeliveryErrorKind, HttpFailure},
};

/// The wait before a stream is taken up again, when the server has not said.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait, unless the server asks for more.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How often in a row a stream may break without an event in between.
const MAX_FAILURES: u32 = 6;
/// How many event ids are remembered to recognize repeated events.
const MAX_SEEN: usize = 1024;
/// The longest event id that is remembered. After a longer one there is nowhere to go on.
const MAX_ID_BYTES: usize = 1024;

/// Where a stream can be taken up again.
pub(super) struct Resumable {
    era: Era,
    /// The session that the stream belongs to.
    session: Option<HeaderValue>,
    /// The ids of the latest events; the last one is where to go on.
    seen: VecDeque<Box<[u8]>>,
    /// Whether events may come again.
    resumed: bool,
    retry: Option<Duration>,
    /// Breaks since the last event.
    failures: u32,
}

impl Resumable {
    /// A stream from its beginning.
    pub(super) fn new(era: Era, session: Option<HeaderValue>) -> Self {
        Self { era, session, seen: VecDeque::new(), resumed: false, retry: None, failures: 0 }
    }

    /// Notes where the stream stands. False for an event that came before.
    pub(super) fn is_new(&mut self, event: &Event) -> bool {
        if self.era == Era::Modern {
            return true;
        }
        self.failures = 0;
        self.retry = event.retry.or(self.retry);
        let Some(id) = &event.id else { return true };
        if self.resumed && self.seen.iter().any(|seen| **seen == id[..]) {
            return false;
        }
        if id.is_empty() || id.len() > MAX_ID_BYTES {
            // The server takes its ids back, or they are no positions: there is nowhere to go on.
            self.seen.clear();
            return true;
        }
        if self.seen.len() == MAX_SEEN {
            self.seen.pop_front();
        }
        // A copy, since the slice would keep the whole chunk alive.
        self.seen.push_back(id[..].into());
        true
    }

    /// An event turned out to be cut off: the stream goes on before it.
    pub(super) fn take_back(&mut self, event: &Event) {
        let is_last = self.seen.back().map(AsRef::as_ref) == event.id.as_deref();
        if is_last {
            self.seen.pop_back();
        }
    }

    /// Opens the rest of a stream that broke before its response.
    ///
    /// # Errors
    /// The stream has no ids, as all modern ones, or the server does not go on. It has taken the
    /// request, so a lost session is no reason to send it again.
    pub(super) async fn resume(
        &mut self,
        shared: &Shared,
        mut cause: Option<BoxError>,
    ) -> Result<Events, DeliveryError> {
        while !self.seen.is_empty() && self.failures < MAX_FAILURES {
            self.pause().await;
            match self.open(shared, shared.limits.idle).await {
                Ok(events) => return Ok(events),
                Err(error) if is_passing(&error) => cause = Some(error.into()),
                Err(error) => return Err(truncated(Some(error.into()))),
            }
        }
        Err(truncated(cause))
    }

    async fn pause(&mut self) {
        sleep(self.next_wait()).await;
    }

    /// How long to wait before the stream is opened again: as long as the server says, and twice
    /// as long after each failure.
    fn next_wait(&mut self) -> Duration {
        let base = self.retry.unwrap_or(FIRST_WAIT);
        let grown = base.saturating_mul(1 << self.failures.min(16));
        self.failures += 1;
        grown.min(LONGEST_WAIT.max(base))
    }

    async fn open(
        &mut self,
        shared: &Shared,
        idle: Option<Duration>,
    ) -> Result<Events, DeliveryError> {
        let session = self.session.as_ref();
        let position = self.seen.back().map(AsRef::as_ref);
        self.resumed = position.is_some();
        let draft = Draft {
            method: Method::GET,
            headers: || shared.headers.bodiless(session.cloned(), position),
            body: &Bytes::new(),
            lane: Lane::Side,
            // Some servers send the head together with the first event.
            first_byte: None,
        };
        let mut answer = shared.ask(&draft, &mut false).await?;
        if answer.status == StatusCode::OK && answer.content() == Content::Events {
            answer.body.set_idle(idle);
            return Ok(Events::new(answer.body, shared.limits.message_bytes));
        }
        let session_lost = shared.session.is_refused(session, answer.status);
        Err(HttpFailure { session_lost, ..answer.into_failure().await }.into())
    }
}

/// Whether the same attempt may succeed later.
fn is_passing(error: &DeliveryError) -> bool {
    match &error.kind {
        DeliveryErrorKind::Http(failure) => {
            failure.status.is_server_error()
                || failure.status == StatusCode::TOO_MANY_REQUESTS
                || failure.status == StatusCode::REQUEST_TIMEOUT
        }
        DeliveryErrorKind::Authorization(_) | DeliveryErrorKind::Closed(_) => false,
        _ => true,
    }
}

/// Listens to what the server says on its own account, session after session, until the reader is
/// gone or the server does not offer it.
///
/// `opened` fires after the first attempt to open the stream, whatever came of it.
pub(super) async fn listen(
    shared: Arc<Shared>,
    messages: mpsc::Sender<Message>,
    opened: oneshot::Sender<()>,
) {
    let mut opened = Some(opened);
    let mut sessions = shared.session.watch();
    loop {
        let current = sessions.borrow_and_update().generation;
        let next_session = sessions.wait_for(|state| state.generation != current);
        let over = tokio::select! {
            over = listen_in_session(&shared, &messages, &mut opened) => over,
            () = messages.closed() => return,
            _ = next_session => continue,
        };
        if over == Over::ForGood {
            return;
        }
        tokio::select! {
            () = messages.closed() => return,
            next = sessions.wait_for(|state| state.generation != current) => {
                if next.is_err() {
                    return;
                }
            }
        }
    }
}

/// Why listening ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// Another session may offer it again.
    WithTheSession,
    /// The server offers no such stream, or nobody reads it.
    ForGood,
}

async fn listen_in_session(
    shared: &Shared,
    messages: &mpsc::Sender<Message>,
    opened: &mut Option<oneshot::Sender<()>>,
) -> Over {
    let mut resumable = Resumable::new(Era::Legacy, shared.session.id());
    loop {
        let attempt = resumable.open(shared, None).await;
        if let Some(opened) = opened.take() {
            // Nobody may be waiting.
            let _ = opened.send(());
        }
        match attempt {
            Ok(events) => {
                if !forward(events, &mut resumable, messages).await {
                    return Over::ForGood;
                }
            }
            Err(error) if is_passing(&error) => {
                tracing::debug!(%error, "the stream for unasked messages cannot be opened now");
            }
            Err(DeliveryError { kind: DeliveryErrorKind::Http(failure), .. })
                if failure.session_lost =>
            {
                return Over::WithTheSession;
            }
            Err(error) => {
                tracing::debug!(%error, "the server has no stream for unasked messages");
                return Over::ForGood;
            }
        }
        resumable.pause().await;
    }
}

/// Hands on messages until the stream ends. False when nobody reads them.
async fn forward(
    mut events: Events,
    resumable: &mut Resumable,
    messages: &mpsc::Sender<Message>,
) -> bool {
    loop {
        let event = match events.next().await {
            Ok(Some(event)) => event,
            Ok(None) => return true,
            Err(error) => {
                tracing::debug!(%error, "the stream for unasked messages broke");
                return true;
            }
        };
        if !resumable.is_new(&event) || !event.is_message() {
            continue;
        }
        match Message::parse_batch(&event.data) {
            Ok(batch) => {
                for message in batch {
                    if messages.send(message).await.is_err() {
                        return false;
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "an unasked message cannot be read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_are_no_positions_are_not_kept() {
        let mut stream = Resumable::new(Era::Legacy, None);
        let event = |id: Vec<u8>| Event { id: Some(id.into()), ..Event::default() };
        assert!(stream.is_new(&event(b"e1".to_vec())));
        assert!(stream.is_new(&event(vec![b'x'; MAX_ID_BYTES + 1])));
        assert!(stream.seen.is_empty());
    }

    #[test]
    fn the_server_says_how_long_to_wait() {
        let mut stream = Resumable::new(Era::Legacy, None);
        assert_eq!(stream.next_wait(), FIRST_WAIT);
        let retry = Some(Duration::from_millis(150));
        assert!(stream.is_new(&Event { retry, ..Event::default() }));
        let waits: Vec<_> = (0..3).map(|_| stream.next_wait().as_millis()).collect();
        assert_eq!(waits, [150, 300, 600], "and longer after each failure");
        // An event that says nothing of it changes nothing but the count of failures.
        assert!(stream.is_new(&Event::default()));
        assert_eq!(stream.next_wait(), Duration::from_millis(150));
        assert!((0..20).all(|_| stream.next_wait() <= LONGEST_WAIT));
        stream.retry = Some(LONGEST_WAIT * 2);
        assert_eq!(stream.next_wait(), LONGEST_WAIT * 2, "unless the server asks for more");
    }
}
