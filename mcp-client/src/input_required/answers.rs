//! Answering a server's questions by the client's callbacks.

use std::{collections::HashSet, future::Future, sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use mcp_protocol::{
    elicitation::{ElicitAction, ElicitParams, ElicitResult},
    input_required::{InputRequest, InputRequests, InputResponses},
};
use tokio::time::{Instant, timeout_at};

use crate::{Asker, CallError, CallErrorKind, InputError, answering::Answering, link::Link};

/// The pauses before asking a server again that waits for something outside of this program.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Answers all questions side by side, within the client's time for that.
pub(crate) async fn answer_all(
    link: &Arc<Link>,
    method: &'static str,
    answering: Option<&Answering>,
    questions: &InputRequests,
) -> Result<InputResponses, CallError> {
    Patience::new(link).within(link, method, ask(link, method, answering, questions)).await
}

async fn ask(
    link: &Arc<Link>,
    method: &'static str,
    answering: Option<&Answering>,
    questions: &InputRequests,
) -> Result<InputResponses, CallError> {
    let fail = |error| link.error(CallErrorKind::Input(error), method);
    // Nothing is asked of a person before it is clear that all can be answered.
    for (_, question) in questions.iter() {
        let checked = match answering {
            Some(answering) => answering.check(question),
            None => link.handlers.check(question),
        };
        checked.map_err(|source| {
            fail(InputError::Undeclared { method: question.method().to_owned(), source })
        })?;
    }
    let _question = link.question();
    let answers = try_join_all(questions.iter().map(|(key, question)| async move {
        let answer = match answering {
            Some(answering) => {
                let asker = Asker { endpoint: Arc::clone(&link.endpoint) };
                answering.resolve(question.clone(), asker).await
            }
            None => link.handlers.resolve(question.clone(), &link.endpoint).await,
        };
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

/// What is left of the time for one call's questions, and how long to pause between rounds in
/// which nothing new is asked.
pub(super) struct Patience {
    limit: Option<Duration>,
    deadline: Option<Instant>,
    pause: Duration,
    /// Pages to which a person has consented; a server that still waits names them again.
    consented: HashSet<(String, String)>,
}

impl Patience {
    pub(super) fn new(link: &Link) -> Self {
        let limit = link.input_timeout;
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        Self { limit, deadline, pause: FIRST_PAUSE, consented: HashSet::new() }
    }

    /// Waits for something that a person does.
    pub(super) async fn within<T>(
        &self,
        link: &Link,
        method: &'static str,
        waiting: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let Some(deadline) = self.deadline else { return waiting.await };
        timeout_at(deadline, waiting).await.unwrap_or_else(|_| {
            let error = InputError::Unanswered { after: self.limit.unwrap_or_default() };
            Err(link.error(CallErrorKind::Input(error), method))
        })
    }

    /// The next pause, longer each time.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        pause
    }

    /// Answers a round. A page that was consented to before is not asked for again: then the
    /// server waits for what happens there, and so does the caller of this. Says whether anything
    /// was new.
    pub(super) async fn answer(
        &mut self,
        link: &Arc<Link>,
        method: &'static str,
        answering: Option<&Answering>,
        questions: &InputRequests,
    ) -> Result<(InputResponses, bool), CallError> {
        let mut fresh = InputRequests::default();
        let mut known = Vec::new();
        for (key, question) in questions.iter() {
            match page(key, question) {
                Some(page) if self.consented.contains(&page) => known.push(key),
                _ => fresh.insert(key, question.clone()),
            }
        }
        let mut responses = if fresh.is_empty() {
            InputResponses::default()
        } else {
            self.within(link, method, ask(link, method, answering, &fresh)).await?
        };
        for (key, question) in fresh.iter() {
            let is_accepted = responses
                .get(key)
                .is_some_and(|answer| answer.parse::<ElicitResult>().is_ok_and(accepts));
            if let Some(page) = page(key, question).filter(|_| is_accepted) {
                self.consented.insert(page);
            }
        }
        for key in known {
            responses.insert(key, serde_json::json!(ElicitResult::accept_url()));
        }
        Ok((responses, !fresh.is_empty()))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `is_ok_and` wants")]
fn accepts(result: ElicitResult) -> bool {
    result.action == ElicitAction::Accept
}

/// The key and the address of a question about a page.
fn page(key: &str, question: &InputRequest) -> Option<(String, String)> {
    match question {
        InputRequest::Elicit(params) => match &**params {
            ElicitParams::Url(page) => Some((key.to_owned(), page.url.clone())),
            _ => None,
        },
        _ => None,
    }
}
