//! The transport itself.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use http::{HeaderMap, Method};
use mcp_protocol::version::Era;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    headers::Kind,
    legacy_session::END_LIMIT,
    legacy_stream,
    outbox::{Outbox, Script},
    pool::Lane,
    post,
    shared::{Draft, Shared},
    tasks::Tasks,
};
use crate::{
    BoxFuture, DeliveryError, Exchange, OutgoingMessage, OutgoingRequest, Transport, Unsolicited,
};

/// How many unasked messages wait for their reader before the server is read no further.
const MAX_UNREAD: usize = 64;

/// Streamable HTTP to one endpoint. Its tasks end with it.
#[derive(Debug)]
pub(super) struct HttpTransport {
    shared: Arc<Shared>,
    tasks: Arc<Tasks>,
    /// Whether the stream of unasked messages was handed out.
    listening: AtomicBool,
}

impl HttpTransport {
    /// A transport over what the configuration made.
    pub(super) fn new(shared: Shared, tasks: Arc<Tasks>) -> Self {
        Self { shared: Arc::new(shared), tasks, listening: AtomicBool::new(false) }
    }

    async fn send_message(&self, message: OutgoingMessage) -> Result<(), DeliveryError> {
        self.shared.check_open()?;
        let session = match message.era {
            Era::Legacy => self.shared.session.id(),
            Era::Modern => None,
        };
        let kind = Kind {
            era: message.era,
            version: message.protocol_version,
            method: message.method.filter(|_| message.era == Era::Modern),
            named: false,
            session: session.clone(),
        };
        let draft = Draft {
            method: Method::POST,
            headers: || self.shared.headers.message(kind.clone(), message.body.len()),
            body: &message.body,
            lane: Lane::Side,
            first_byte: self.shared.limits.first_byte,
        };
        let answer = self.shared.ask(&draft, &mut false).await?;
        if answer.status.is_success() {
            answer.let_go().await;
            return Ok(());
        }
        let session_lost = message.era == Era::Legacy
            && self.shared.session.is_refused(session.as_ref(), answer.status);
        let failure = answer.into_failure().await;
        Err(crate::error::HttpFailure { session_lost, ..failure }.into())
    }

    /// Tells the server that a legacy session is over. It may refuse to hear it.
    async fn end_session(&self) {
        let Some(session) = self.shared.session.end() else { return };
        let headers = || -> Result<HeaderMap, DeliveryError> {
            self.shared.headers.bodiless(Some(session.clone()), None)
        };
        let draft = Draft {
            method: Method::DELETE,
            headers,
            body: &Bytes::new(),
            lane: Lane::Side,
            first_byte: None,
        };
        match timeout(END_LIMIT, self.shared.ask(&draft, &mut false)).await {
            Ok(Ok(answer)) => tracing::debug!(status = %answer.status, "session ended"),
            Ok(Err(error)) => tracing::debug!(%error, "session not ended"),
            Err(_) => tracing::debug!("session not ended in time"),
        }
    }
}

impl Transport for HttpTransport {
    fn exchange(&self, request: OutgoingRequest) -> Exchange {
        let outbox = Outbox::default();
        let (shared, tasks) = (Arc::clone(&self.shared), Arc::clone(&self.tasks));
        let run = post::run(shared, tasks, request, outbox.clone());
        Exchange::new(Script::new(outbox, run))
    }

    fn send(&self, message: OutgoingMessage) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(self.send_message(message))
    }

    fn unsolicited(&self) -> Option<Unsolicited> {
        let begun = self.shared.session.watch().borrow().generation > 0;
        if !begun || self.listening.swap(true, Ordering::Relaxed) {
            return None;
        }
        let (sender, receiver) = mpsc::channel(MAX_UNREAD);
        let (opened_sender, opened) = oneshot::channel();
        self.tasks.spawn_lasting(legacy_stream::listen(
            Arc::clone(&self.shared),
            sender,
            opened_sender,
        ));
        Some(Unsolicited::opening(receiver, opened))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if self.shared.closed.swap(true, Ordering::Relaxed) {
                return;
            }
            self.tasks.finish_brief(END_LIMIT).await;
            self.end_session().await;
            self.tasks.abort();
            self.shared.pool.close();
        })
    }

    fn is_asking(&self) -> bool {
        self.shared.authorize.as_ref().is_some_and(|authorize| authorize.is_asking())
    }

    fn authorization(&self) -> u64 {
        self.shared.shown.changes()
    }

    fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Relaxed)
    }
}

impl Drop for HttpTransport {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}
