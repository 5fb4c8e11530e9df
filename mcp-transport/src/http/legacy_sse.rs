//! HTTP+SSE, the binding of revision 2024-11-05.
//!
//! One GET opens a stream of events for everything that the server says. Its first event, `endpoint`,
//! names the address for everything that the client says, each message in a POST that is answered
//! 202. The stream cannot be resumed: when it ends, the connection is over.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use mcp_protocol::{
    jsonrpc::Message,
    version::{Era, ProtocolVersion},
};
use tokio::time::timeout;

use super::{
    answer::Content,
    body::BodyFailure,
    endpoint::Endpoint,
    events::Events,
    headers::Kind,
    legacy_cancel::CancelOnDrop,
    legacy_session::END_LIMIT,
    outbox::{Outbox, Script},
    pool::Lane,
    shared::{Draft, Shared},
    tasks::Tasks,
};
use crate::{
    BoxFuture, ConnectError, DeliveryError, Exchange, OutgoingMessage, OutgoingRequest, Transport,
    Unsolicited,
    error::{BoxError, DeliveryErrorKind, Sent},
    routing::{Awaited, Connection, End},
};

/// How long a server may take to open the stream and to name the address for messages.
const OPENING_LIMIT: Duration = Duration::from_secs(30);

/// How long a POST is waited for whose answer has already come on the stream. Leaving it would
/// close its connection.
const LATE_RECEIPT: Duration = Duration::from_millis(100);

/// HTTP+SSE to one server. Its tasks end with it.
#[derive(Debug)]
pub(super) struct LegacySse {
    link: Arc<Link>,
    tasks: Arc<Tasks>,
}

#[derive(Debug)]
struct Link {
    /// Leads to the address for messages.
    posts: Arc<Shared>,
    connection: Arc<Connection>,
}

impl LegacySse {
    /// Opens the stream and waits for the address.
    pub(super) async fn open(shared: Shared, tasks: Arc<Tasks>) -> Result<Self, ConnectError> {
        let begun = timeout(OPENING_LIMIT, begin(&shared)).await.unwrap_or_else(|_| {
            let phase = "`endpoint` event";
            let kind = DeliveryErrorKind::TimedOut { phase, after: OPENING_LIMIT };
            Err(DeliveryError::not_sent(kind))
        });
        let (endpoint, events) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                tasks.abort();
                // No message of ours was sent, whatever the server has seen of the GET.
                return Err(ConnectError::Failed(DeliveryError { sent: Sent::No, ..error }));
            }
        };
        let link = Arc::new(Link {
            posts: Arc::new(shared.moved_to(endpoint)),
            connection: Arc::new(Connection::popped()),
        });
        tasks.spawn_lasting(read(Arc::clone(&link), events));
        tasks.spawn_lasting(refuse(Arc::clone(&link)));
        Ok(Self { link, tasks })
    }
}

/// Opens the stream and reads its first event.
async fn begin(shared: &Shared) -> Result<(Endpoint, Events), DeliveryError> {
    let draft = Draft {
        method: Method::GET,
        headers: || shared.headers.bodiless(None, None),
        body: &Bytes::new(),
        lane: Lane::Side,
        first_byte: None,
    };
    let mut answer = shared.ask(&draft, &mut false).await?;
    if answer.status != StatusCode::OK || answer.content() != Content::Events {
        return Err(answer.into_failure().await.into());
    }
    // Silence is its normal state.
    answer.body.set_idle(None);
    let mut events = Events::new(answer.body, shared.limits.message_bytes);
    let first = loop {
        match events.next().await? {
            Some(event) if event.data.is_empty() => (),
            Some(event) => break event,
            None => return Err(super::post::truncated(None)),
        }
    };
    if first.name.as_deref() != Some(b"endpoint") {
        return Err(refused("the event stream does not begin with an `endpoint` event"));
    }
    let address = HeaderValue::from_bytes(first.data.trim_ascii())
        .map_err(|_| refused("the `endpoint` event holds no address"))?;
    let endpoint = shared.endpoint.redirected(&address).map_err(|shown| {
        refused(format!("the server wants messages sent elsewhere, to {shown}; they stay here"))
    })?;
    Ok((endpoint, events))
}

fn refused(reason: impl Into<BoxError>) -> DeliveryError {
    DeliveryError::not_sent(DeliveryErrorKind::Broken(reason.into()))
}

/// Hands on what the server says until the stream ends.
async fn read(link: Arc<Link>, mut events: Events) {
    let note = loop {
        match events.next().await {
            Ok(Some(event)) if event.is_message() => _ = link.connection.receive(&event.data),
            Ok(Some(_)) => (),
            Ok(None) => break "the server has ended its event stream".to_owned(),
            Err(BodyFailure::TooLarge(limit_bytes)) => {
                return link.end(End::TooLarge { limit_bytes });
            }
            Err(error) => break format!("the event stream failed: {error}"),
        }
    };
    link.end(End::closed(note));
}

/// Sends what the table of requests itself has to say: refusals of the server's requests.
async fn refuse(link: Arc<Link>) {
    while let Some(body) = link.connection.outbox.pop().await {
        let sent = link.posts.tell(kind(None), &body, Lane::Side, &mut false).await;
        if let Err(error) = sent {
            tracing::debug!(%error, "a refusal was not delivered");
        }
    }
}

fn kind(version: Option<ProtocolVersion>) -> Kind {
    Kind { era: Era::Legacy, version, method: None, named: false, session: None }
}

impl Link {
    fn end(&self, end: End) {
        self.connection.outbox.shut();
        self.connection.routes.end(end);
    }

    /// Sends a request; the result is its response, and what comes before goes to the outbox.
    async fn run(
        &self,
        tasks: &Arc<Tasks>,
        request: OutgoingRequest,
        outbox: Outbox,
    ) -> Result<Message, DeliveryError> {
        let mut cancel = CancelOnDrop::new(&self.posts, tasks, &request);
        let outcome = self.converse(&request, &outbox, cancel.sent()).await;
        cancel.disarm();
        outcome
    }

    async fn converse(
        &self,
        request: &OutgoingRequest,
        outbox: &Outbox,
        sent: &mut bool,
    ) -> Result<Message, DeliveryError> {
        let mut awaited = Awaited::open(&self.connection, &request.id, request.era)
            .map_err(DeliveryError::not_sent)?;
        let mut early = None;
        {
            let kind = kind(request.protocol_version.clone());
            let mut post = pin!(self.posts.tell(kind, &request.body, Lane::Request, sent));
            loop {
                let message = tokio::select! {
                    biased;
                    taken = &mut post => {
                        taken?;
                        break;
                    }
                    message = awaited.next() => message,
                };
                match message {
                    Some(Ok(Message::Response(response))) => {
                        if timeout(LATE_RECEIPT, &mut post).await.is_err() {
                            tracing::debug!("the server answered, but did not take the request");
                        }
                        return Ok(Message::Response(response));
                    }
                    Some(Ok(other)) => outbox.put(other).await,
                    end => {
                        early = Some(end);
                        break;
                    }
                }
            }
        }
        loop {
            let next = match early.take() {
                Some(end) => end,
                None => awaited.next().await,
            };
            match next {
                Some(Ok(Message::Response(response))) => return Ok(Message::Response(response)),
                Some(Ok(other)) => outbox.put(other).await,
                Some(Err(kind)) => {
                    let sent = if *sent { Sent::Maybe } else { Sent::No };
                    return Err(DeliveryError { kind, sent });
                }
                None => return Err(super::post::truncated(None)),
            }
        }
    }
}

impl Transport for LegacySse {
    fn exchange(&self, request: OutgoingRequest) -> Exchange {
        let outbox = Outbox::default();
        let (link, tasks, put) = (Arc::clone(&self.link), Arc::clone(&self.tasks), outbox.clone());
        Exchange::new(Script::new(outbox, async move { link.run(&tasks, request, put).await }))
    }

    fn send(&self, message: OutgoingMessage) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move {
            if let Some(end) = self.link.connection.routes.ended() {
                return Err(DeliveryError::not_sent(end.kind()));
            }
            let kind = kind(message.protocol_version);
            self.link.posts.tell(kind, &message.body, Lane::Side, &mut false).await
        })
    }

    fn unsolicited(&self) -> Option<Unsolicited> {
        self.link.connection.unsolicited()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.link.end(End::closed("it was closed from this side"));
            self.tasks.finish_brief(END_LIMIT).await;
            self.tasks.abort();
            self.link.posts.pool.close();
        })
    }

    fn is_closed(&self) -> bool {
        self.link.connection.routes.is_over()
    }
}

impl Drop for LegacySse {
    fn drop(&mut self) {
        self.link.end(End::closed("its owner let go of it"));
        self.tasks.abort();
    }
}
