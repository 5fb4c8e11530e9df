//! One request over HTTP, from its headers to its response.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use mcp_protocol::{
    decode::snippet,
    jsonrpc::{Message, ParseError, RequestId},
    version::Era,
};

use super::{
    answer::{Answer, Content},
    body::BodyFailure,
    events::Events,
    legacy_cancel::CancelOnDrop,
    legacy_stream::Resumable,
    outbox::Outbox,
    pool::Lane,
    shared::{Draft, Shared},
    tasks::Tasks,
};
use crate::{
    DeliveryError, OutgoingRequest,
    error::{DeliveryErrorKind, HttpFailure},
};

/// Sends a request; the result is its response, and what comes before goes to the outbox.
pub(super) async fn run(
    shared: Arc<Shared>,
    tasks: Arc<Tasks>,
    request: OutgoingRequest,
    outbox: Outbox,
) -> Result<Message, DeliveryError> {
    shared.check_open()?;
    let mut cancel = CancelOnDrop::new(&shared, &tasks, &request);
    let outcome = exchange(&shared, &request, &outbox, cancel.sent()).await;
    cancel.disarm();
    outcome
}

async fn exchange(
    shared: &Shared,
    request: &OutgoingRequest,
    outbox: &Outbox,
    sent: &mut bool,
) -> Result<Message, DeliveryError> {
    let handshake = request.era == Era::Legacy && request.method == "initialize";
    if handshake {
        shared.session.begin();
    }
    let session = match request.era {
        Era::Legacy => shared.session.id(),
        Era::Modern => None,
    };
    let draft = Draft {
        method: Method::POST,
        headers: || shared.headers.request(request, session.clone()),
        body: &request.body,
        lane: Lane::Request,
        first_byte: shared.limits.first_byte,
    };
    let mut answer = shared.ask(&draft, sent).await?;
    if handshake && answer.status.is_success() {
        shared.session.establish(&answer.headers);
    }
    if !answer.status.is_success() {
        let session_lost = request.era == Era::Legacy
            && !handshake
            && shared.session.is_refused(session.as_ref(), answer.status);
        let failure = answer.into_failure().await;
        return Err(HttpFailure { session_lost, ..failure }.into());
    }
    match answer.content() {
        Content::Json => {
            let text = answer.body.whole(shared.limits.message_bytes).await?;
            read_json(&text, request, outbox).await
        }
        Content::Events => read_events(shared, request, answer, session, outbox).await,
        // Some servers forget the header; what reads as a message is one.
        Content::Unnamed if answer.status == StatusCode::OK => {
            let text = answer.body.whole(shared.limits.message_bytes).await?;
            match Message::parse(&text) {
                Ok(_) => read_json(&text, request, outbox).await,
                Err(_) => Err(super::answer::failure(answer.status, &answer.headers, text).into()),
            }
        }
        Content::Unnamed | Content::Other => Err(answer.into_failure().await.into()),
    }
}

/// Reads one message, or the batch that revision 2025-03-26 allows.
async fn read_json(
    text: &Bytes,
    request: &OutgoingRequest,
    outbox: &Outbox,
) -> Result<Message, DeliveryError> {
    if !is_batch(text, request.era) {
        return match Message::parse(text).map_err(not_mcp)? {
            Message::Response(response) if answers(response.id.as_ref(), &request.id) => {
                Ok(Message::Response(response))
            }
            other => Err(not_mcp(unexpected(&other, request, text))),
        };
    }
    let messages = Message::parse_batch(text).map_err(not_mcp)?;
    sort(messages, request, outbox).await.ok_or_else(|| truncated(None))
}

/// Whether a text is a batch, which only the legacy lifecycle knows.
pub(super) fn is_batch(text: &[u8], era: Era) -> bool {
    era == Era::Legacy && text.trim_ascii_start().first() == Some(&b'[')
}

/// Gives the response, if it is among the messages; what is no response goes to the outbox.
async fn sort(
    messages: Vec<Message>,
    request: &OutgoingRequest,
    outbox: &Outbox,
) -> Option<Message> {
    let mut last = None;
    for message in messages {
        match message {
            Message::Response(response) if answers(response.id.as_ref(), &request.id) => {
                last = Some(Message::Response(response));
            }
            Message::Response(response) => {
                tracing::debug!(id = ?response.id, "response to another request");
            }
            other => outbox.put(other).await,
        }
    }
    last
}

/// Reads messages until the response is there.
async fn read_events(
    shared: &Shared,
    request: &OutgoingRequest,
    mut answer: Answer,
    session: Option<HeaderValue>,
    outbox: &Outbox,
) -> Result<Message, DeliveryError> {
    if request.method == "subscriptions/listen" {
        // Silence is its normal state.
        answer.body.set_idle(None);
    }
    let limit_bytes = shared.limits.message_bytes;
    let mut events = Events::new(answer.body, limit_bytes);
    let mut resumable = Resumable::new(request.era, session);
    loop {
        match events.next().await {
            Ok(Some(event)) => {
                if !resumable.is_new(&event) || !event.is_message() {
                    continue;
                }
                let parsed = if is_batch(&event.data, request.era) {
                    match Message::parse_batch(&event.data) {
                        Ok(messages) => match Box::pin(sort(messages, request, outbox)).await {
                            Some(response) => Ok(response),
                            None => continue,
                        },
                        Err(error) => Err(error),
                    }
                } else {
                    Message::parse(&event.data)
                };
                let message = match parsed {
                    Ok(message) => message,
                    // Cut off, rather than wrong.
                    Err(_) if events.has_ended() => {
                        resumable.take_back(&event);
                        continue;
                    }
                    Err(error) => return Err(not_mcp(error)),
                };
                match message {
                    Message::Response(response) if answers(response.id.as_ref(), &request.id) => {
                        events.let_go().await;
                        return Ok(Message::Response(response));
                    }
                    Message::Response(response) => {
                        tracing::debug!(id = ?response.id, "response to another request");
                    }
                    other => outbox.put(other).await,
                }
            }
            Ok(None) => {
                events = Box::pin(resumable.resume(shared, None)).await?;
            }
            Err(BodyFailure::Broken(source)) => {
                events = Box::pin(resumable.resume(shared, Some(source))).await?;
            }
            Err(other) => return Err(other.into()),
        }
    }
}

/// Whether a response belongs to a request. Servers that could not read the id leave it out.
fn answers(id: Option<&RequestId>, expected: &RequestId) -> bool {
    id.is_none_or(|id| id == expected)
}

fn unexpected(message: &Message, request: &OutgoingRequest, text: &[u8]) -> ParseError {
    let reason = match message {
        Message::Response(response) => {
            let found = response.id.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("the answer to request {} has the id {found}", request.id)
        }
        Message::Request(_) => "a request in place of the response".to_owned(),
        Message::Notification(_) => "a notification in place of the response".to_owned(),
    };
    ParseError::NotJsonRpc { reason, snippet: snippet(text) }
}

fn not_mcp(error: ParseError) -> DeliveryError {
    DeliveryError::maybe_sent(DeliveryErrorKind::NotMcp(error))
}

pub(super) fn truncated(source: Option<crate::error::BoxError>) -> DeliveryError {
    DeliveryError::maybe_sent(DeliveryErrorKind::Truncated { source })
}
