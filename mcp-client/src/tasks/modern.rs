//! The tasks extension: everything is in the answer to `tasks/get`.

use std::{collections::HashSet, sync::Arc, time::Duration};

use bytes::Bytes;
use mcp_protocol::{
    input_required::{InputRequests, InputResponses},
    tasks::{DetailedTask, GetTask, TaskParams, TaskState, UpdateTask, UpdateTaskParams},
};

use super::{TaskHandle, TaskReport, follow::News};
use crate::{CallError, CallErrorKind, Client, answering::Answering, input_required::answer_all};

/// One task of the extension.
pub(super) struct ModernTask<'a> {
    client: &'a Client,
    handle: &'a TaskHandle,
    idle: Option<Duration>,
    answering: Option<Arc<Answering>>,
    /// Keys are never used for two questions, so an answered one is not asked again.
    answered: HashSet<String>,
    /// Answers that may not have arrived. A person is not asked twice, so they are sent again.
    given: InputResponses,
}

impl<'a> ModernTask<'a> {
    pub(super) fn new(
        client: &'a Client,
        handle: &'a TaskHandle,
        idle: Option<Duration>,
        answering: Option<&Arc<Answering>>,
    ) -> Self {
        let (answered, given) = (HashSet::new(), InputResponses::default());
        Self { client, handle, idle, answering: answering.cloned(), answered, given }
    }

    /// Asks how the task stands, and answers what it asks.
    pub(super) async fn ask(&mut self) -> Result<News, CallError> {
        let params = TaskParams::new(&self.handle.task_id);
        let asking = self.client.request::<GetTask>(params).timeout(self.idle);
        let found = asking.answered_by(self.answering.clone()).await?;
        let (report, state) = report(found);
        match state {
            TaskState::Completed(result) => {
                Ok(News::Result(Bytes::copy_from_slice(result.as_str().as_bytes())))
            }
            TaskState::Failed(error) => {
                Err(self.client.link().error(CallErrorKind::Rejected(error), "tools/call"))
            }
            TaskState::Cancelled => Ok(News::Cancelled(report)),
            TaskState::InputRequired(questions) => {
                self.answer(&questions).await?;
                Ok(News::Goes(report))
            }
            _ => Ok(News::Goes(report)),
        }
    }

    async fn answer(&mut self, questions: &InputRequests) -> Result<(), CallError> {
        let mut open = InputRequests::default();
        for (key, question) in questions.iter() {
            if !self.answered.contains(key) && self.given.get(key).is_none() {
                open.insert(key, question.clone());
            }
        }
        if !open.is_empty() {
            let (link, answering) = (self.client.link(), self.answering.as_deref());
            let responses = answer_all(link, "tools/call", answering, &open).await?;
            for (key, response) in responses.iter() {
                self.given.insert(key, response.clone());
            }
        }
        let mut due = InputResponses::default();
        for (key, _) in questions.iter().filter(|(key, _)| !self.answered.contains(*key)) {
            if let Some(response) = self.given.get(key) {
                due.insert(key, response.clone());
            }
        }
        if due.is_empty() {
            return Ok(());
        }
        let keys: Vec<_> = due.iter().map(|(key, _)| key.to_owned()).collect();
        update(self.client, self.handle, due, self.idle, self.answering.clone()).await?;
        self.answered.extend(keys);
        Ok(())
    }
}

/// Gives a task what it asked for.
pub(super) async fn update(
    client: &Client,
    handle: &TaskHandle,
    responses: InputResponses,
    idle: Option<Duration>,
    answering: Option<Arc<Answering>>,
) -> Result<(), CallError> {
    let params = UpdateTaskParams::new(&handle.task_id, responses);
    let giving = client.request::<UpdateTask>(params).timeout(idle);
    giving.answered_by(answering).await.map(drop)
}

pub(super) fn report(found: DetailedTask) -> (TaskReport, TaskState) {
    let DetailedTask { task, state } = found;
    let input_requests = match &state {
        TaskState::InputRequired(questions) => questions.clone(),
        _ => InputRequests::default(),
    };
    let report = TaskReport {
        status: task.status,
        message: task.status_message,
        input_requests,
        ttl_ms: task.ttl_ms,
        poll_interval_ms: task.poll_interval_ms,
    };
    (report, state)
}
