//! Multi-round-trip requests of revision 2026-07-28: the server answers `input_required`, the
//! client gathers the inputs and asks again.

use std::{sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use mcp_protocol::{
    decode::DecodeError,
    extensions,
    input_required::{InputRequests, InputResponses, RequestState},
    method::Method,
    outcome::Outcome,
    raw::RawJson,
    tasks::CreatedTask,
    version::Era,
};
use serde::{Deserialize, Serialize};

use crate::{
    CallError, CallErrorKind, Client, InputError,
    extension::ExtendedResult,
    link::Link,
    request::{Flow, Sending},
};

/// How often a server may ask before the call fails.
const MAX_ROUNDS: u32 = 16;

/// The pause before asking again when the server wanted nothing but patience.
const PATIENCE: Duration = Duration::from_millis(200);

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
    let client = request.client;
    let link = client.link();
    let method = M::NAME;
    let mirrored = request.mirrored();
    let (params, options) = (&request.params, &mut request.options);
    let mut result = link.request(method, params, mirrored.clone(), options).await?;
    for _ in 0..MAX_ROUNDS {
        let outcome = match M::decode(&result) {
            Ok(outcome) => outcome,
            Err(error) => extended::<M>(client, &result, error).await?,
        };
        let asked = match outcome {
            Outcome::Complete(complete) => return Ok(Ended::Complete(complete)),
            Outcome::InputRequired(asked) if link.era == Era::Modern => asked,
            Outcome::InputRequired(_) => {
                return Err(unexpected(link, method, "input_required"));
            }
            Outcome::Task(task) => {
                let is_expected = match &*task {
                    CreatedTask::Extension(_) => link.extensions.contains(extensions::TASKS),
                    _ => link.era == Era::Legacy,
                };
                if is_expected {
                    return Ok(Ended::Task(task));
                }
                return Err(unexpected(link, method, "task"));
            }
            _ => return Err(unexpected(link, method, "unknown")),
        };
        if asked.input_requests.is_empty() {
            tokio::time::sleep(PATIENCE).await;
        }
        let input_responses = answer_all(link, method, &asked.input_requests).await?;
        let request_state = asked.request_state;
        let retry = Retry { params, input_responses, request_state };
        result = link.request(method, &retry, mirrored.clone(), options).await?;
    }
    Err(link.error(CallErrorKind::Input(InputError::TooManyRounds(MAX_ROUNDS)), method))
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

fn unexpected(link: &Link, method: &'static str, kind: &str) -> CallError {
    let error = InputError::UnexpectedResultType(kind.to_owned());
    link.error(CallErrorKind::Input(error), method)
}

/// Answers all questions side by side.
pub(crate) async fn answer_all(
    link: &Arc<Link>,
    method: &'static str,
    questions: &InputRequests,
) -> Result<InputResponses, CallError> {
    let fail = |error| link.error(CallErrorKind::Input(error), method);
    // Nothing is asked of a person before it is clear that all can be answered.
    for (_, question) in questions.iter() {
        if !link.handlers.can_resolve(question.method()) {
            let method = question.method().to_owned();
            return Err(fail(InputError::Undeclared { method }));
        }
    }
    let _question = link.question();
    let answers = try_join_all(questions.iter().map(|(key, question)| async move {
        let answer = link.handlers.resolve(question.clone(), &link.endpoint).await;
        answer
            .map(|answer| (key, answer))
            .map_err(|source| InputError::Handler { method: question.method().to_owned(), source })
    }))
    .await
    .map_err(fail)?;
    let mut responses = InputResponses::default();
    for (key, answer) in answers {
        responses.insert(key, answer);
    }
    Ok(responses)
}

/// The original parameters with the answers beside them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Retry<'a, P: Serialize> {
    #[serde(flatten)]
    params: &'a P,
    #[serde(skip_serializing_if = "InputResponses::is_empty")]
    input_responses: InputResponses,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_state: Option<RequestState>,
}
