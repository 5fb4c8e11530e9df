//! Multi-round-trip requests of revision 2026-07-28: the server answers `input_required`, the
//! client gathers the inputs and asks again.

use std::{sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use mcp_protocol::{
    input_required::{InputRequired, InputResponses, RequestState},
    method::Method,
    outcome::Outcome,
    version::Era,
};
use serde::Serialize;

use crate::{
    CallError, CallErrorKind, InputError,
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
        let link = Arc::clone(request.client.link());
        let method = M::NAME;
        let mirrored = request.mirrored();
        let (params, options) = (&request.params, &mut request.options);
        let mut result = link.request(method, params, mirrored.clone(), options).await?;
        for _ in 0..MAX_ROUNDS {
            let outcome = M::decode(&result)
                .map_err(|error| link.error(CallErrorKind::Undecodable(error), method))?;
            let asked = match outcome {
                Outcome::Complete(complete) => return Ok(complete),
                Outcome::InputRequired(asked) if link.era == Era::Modern => asked,
                Outcome::InputRequired(_) => {
                    return Err(unexpected(&link, method, "input_required"));
                }
                Outcome::Task(_) => return Err(unexpected(&link, method, "task")),
                _ => return Err(unexpected(&link, method, "unknown")),
            };
            if asked.input_requests.is_empty() {
                tokio::time::sleep(PATIENCE).await;
            }
            let input_responses = resolve(&link, method, &asked).await?;
            let request_state = asked.request_state;
            let retry = Retry { params, input_responses, request_state };
            result = link.request(method, &retry, mirrored.clone(), options).await?;
        }
        Err(link.error(CallErrorKind::Input(InputError::TooManyRounds(MAX_ROUNDS)), method))
    }
}

fn unexpected(link: &Link, method: &'static str, kind: &str) -> CallError {
    let error = InputError::UnexpectedResultType(kind.to_owned());
    link.error(CallErrorKind::Input(error), method)
}

/// Answers all questions side by side.
async fn resolve(
    link: &Arc<Link>,
    method: &'static str,
    asked: &InputRequired,
) -> Result<InputResponses, CallError> {
    let fail = |error| link.error(CallErrorKind::Input(error), method);
    // Nothing is asked of a person before it is clear that all can be answered.
    for (_, question) in asked.input_requests.iter() {
        if !link.handlers.can_resolve(question.method()) {
            let method = question.method().to_owned();
            return Err(fail(InputError::Undeclared { method }));
        }
    }
    let _question = link.question();
    let answers = try_join_all(asked.input_requests.iter().map(|(key, question)| async move {
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
