//! Multi-round-trip requests of revision 2026-07-28: the server answers `input_required`, the
//! client gathers the inputs and asks again.

mod answers;
mod pages;
mod stepwise;

use std::collections::HashSet;

use bytes::Bytes;
use mcp_protocol::{
    decode::DecodeError,
    extensions,
    input_required::{InputResponses, RequestState},
    method::Method,
    outcome::Outcome,
    raw::RawJson,
    tasks::CreatedTask,
    version::Era,
};
use serde::{Deserialize, Serialize};

use self::answers::Patience;
pub(crate) use self::answers::answer_all;
pub use self::stepwise::{PendingInput, Step, Steps, Stepwise, ToolSteps};
use crate::{
    CallError, CallErrorKind, Client, InputError,
    extension::ExtendedResult,
    link::Link,
    request::{Flow, Sending},
};

/// How often a server may ask before the call fails.
const MAX_ROUNDS: u32 = 16;

/// Carries a request through its rounds to the complete result.
#[derive(Debug)]
pub enum Rounds {}

impl<M, T> Flow<M> for Rounds
where
    M: Method<Output = Outcome<T>>,
    M::Params: Send + Sync,
    T: Send,
{
    type Output = T;

    async fn run(mut request: Sending<'_, M>) -> Result<T, CallError> {
        match rounds(&mut request).await? {
            Ended::Complete(result) => Ok(result),
            Ended::Task(_) => Err(unexpected(request.client.link(), M::NAME, "task")),
        }
    }
}

/// What the rounds of a request lead to.
#[derive(Debug)]
pub(crate) enum Ended<T> {
    Complete(T),
    Task(Box<CreatedTask>),
}

/// Carries a request through its rounds. It may be sent again afterwards.
pub(crate) async fn rounds<M, T>(request: &mut Sending<'_, M>) -> Result<Ended<T>, CallError>
where
    M: Method<Output = Outcome<T>>,
    M::Params: Send + Sync,
    T: Send,
{
    let link = request.client.link();
    let mirrored = request.mirrored();
    let sent = link.request(M::NAME, &request.params, mirrored, &mut request.options).await;
    if let Ok(result) = &sent
        && let Ok(Outcome::Complete(complete)) = M::decode(result)
    {
        return Ok(Ended::Complete(complete));
    }
    // In a box, since it is rare and would make the future of every call larger.
    Box::pin(further_rounds(request, sent)).await
}

/// Goes on after the first answer, which was no complete result.
async fn further_rounds<M, T>(
    request: &mut Sending<'_, M>,
    first: Result<Bytes, CallError>,
) -> Result<Ended<T>, CallError>
where
    M: Method<Output = Outcome<T>>,
    M::Params: Send + Sync,
    T: Send,
{
    let client = request.client;
    let link = client.link();
    let method = M::NAME;
    let mut patience = Patience::new(link);
    let mut first = Some(first);
    let mut answers = None;
    let mut rounds = 0;
    while rounds < MAX_ROUNDS {
        let asked = match send(request, first.take(), answers.take(), &mut patience).await? {
            Outcome::Complete(complete) => return Ok(Ended::Complete(complete)),
            Outcome::InputRequired(asked) => asked,
            Outcome::Task(task) => return Ok(Ended::Task(task)),
            _ => return Err(unexpected(link, method, "unknown")),
        };
        let answering = request.options.answering.as_deref();
        let answered = patience.answer(link, method, answering, &asked.input_requests);
        let (responses, is_new) = answered.await?;
        if is_new {
            rounds += 1;
        } else {
            // The server wants nothing but time, which the client's limit bounds.
            let pause = patience.pause();
            let waiting = async {
                tokio::time::sleep(pause).await;
                Ok(())
            };
            patience.within(link, method, waiting).await?;
            rounds += u32::from(link.input_timeout.is_none());
        }
        answers = Some(Answers { responses, state: asked.request_state });
    }
    Err(link.error(CallErrorKind::Input(InputError::TooManyRounds(MAX_ROUNDS)), method))
}

/// What goes with a request that is sent again.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    responses: InputResponses,
    state: Option<RequestState>,
}

/// Sends a request once, unless it was and this is what came of it; and again where a legacy server
/// first wants pages visited. What comes back is of a kind that the server may answer with.
async fn send<M, T>(
    request: &mut Sending<'_, M>,
    mut sent: Option<Result<Bytes, CallError>>,
    answers: Option<Answers>,
    patience: &mut Patience,
) -> Result<Outcome<T>, CallError>
where
    M: Method<Output = Outcome<T>>,
    M::Params: Send + Sync,
    T: Send,
{
    let client = request.client;
    let link = client.link();
    let method = M::NAME;
    request.options.took_rounds |= answers.is_some();
    let mut visited = HashSet::new();
    let mut is_again = false;
    let result = loop {
        let mirrored = request.mirrored();
        let (params, options) = (&request.params, &mut request.options);
        let sent = match (sent.take(), &answers) {
            (Some(sent), _) => sent,
            (None, None) => link.request(method, params, mirrored, options).await,
            (None, Some(Answers { responses, state })) => {
                let retry = Retry { params, input_responses: responses, request_state: state };
                link.request(method, &retry, mirrored, options).await
            }
        };
        match sent {
            Ok(result) => break result,
            Err(refusal) if !is_again && link.is_spoken_after_all(&refusal) => is_again = true,
            Err(refusal) => match pages::named_in(&refusal) {
                Some(pages) if link.era == Era::Legacy && link.handlers.url.is_some() => {
                    let visited = &mut visited;
                    pages::visit(link, method, refusal, pages, visited, patience).await?;
                }
                _ => return Err(refusal),
            },
        }
    };
    let outcome = match M::decode(&result) {
        Ok(outcome) => outcome,
        Err(error) => {
            request.options.took_rounds = true;
            extended::<M>(client, &result, error).await?
        }
    };
    let unexpected_kind = match &outcome {
        Outcome::InputRequired(_) if link.era == Era::Legacy => Some("input_required"),
        Outcome::Task(task) => {
            let is_expected = match &**task {
                CreatedTask::Extension(_) => link.extensions.contains(extensions::TASKS),
                _ => link.era == Era::Legacy,
            };
            (!is_expected).then_some("task")
        }
        _ => None,
    };
    match unexpected_kind {
        Some(kind) => Err(unexpected(link, method, kind)),
        None => Ok(outcome),
    }
}

/// A result that the protocol does not know, by way of the extension that does.
#[cold]
async fn extended<M: Method>(
    client: &Client,
    result: &[u8],
    error: DecodeError,
) -> Result<M::Output, CallError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Peek {
        result_type: String,
    }
    let link = client.link();
    let undecodable = |error| link.error(CallErrorKind::Undecodable(error), M::NAME);
    let Ok(Peek { result_type }) = serde_json::from_slice(result) else {
        return Err(undecodable(error));
    };
    let Some(extension) = link.extensions.of_result_type(&result_type) else {
        return Err(undecodable(error));
    };
    let Ok(result) = RawJson::parse_bytes(result) else { return Err(undecodable(error)) };
    let result_type = result_type.as_str();
    let result = ExtendedResult { client, method: M::NAME, result_type, result };
    let complete = extension.carry_on(result).await?;
    M::decode(complete.as_str().as_bytes()).map_err(undecodable)
}

pub(crate) fn unexpected(link: &Link, method: &'static str, kind: &str) -> CallError {
    let error = InputError::UnexpectedResultType(kind.to_owned());
    link.error(CallErrorKind::Input(error), method)
}

/// The original parameters with the answers beside them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Retry<'a, P: Serialize> {
    #[serde(flatten)]
    params: &'a P,
    #[serde(skip_serializing_if = "InputResponses::is_empty")]
    input_responses: &'a InputResponses,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_state: &'a Option<RequestState>,
}
