//! Tasks of revision 2025-11-25: the result is fetched by a request of its own, which waits for the
//! end and is also the stream on which the server asks for input.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use mcp_protocol::{
    input_required::InputRequests,
    tasks::{
        TaskParams, TaskStatus,
        legacy::{GetTask, GetTaskResult, Task},
    },
};

use super::{TaskHandle, TaskReport, follow::News};
use crate::{CallError, Client, answering::Answering};

/// One task of revision 2025-11-25.
pub(super) struct LegacyTask<'a> {
    client: &'a Client,
    handle: &'a TaskHandle,
    idle: Option<Duration>,
    answering: Option<Arc<Answering>>,
}

impl<'a> LegacyTask<'a> {
    pub(super) fn new(
        client: &'a Client,
        handle: &'a TaskHandle,
        idle: Option<Duration>,
        answering: Option<&Arc<Answering>>,
    ) -> Self {
        Self { client, handle, idle, answering: answering.cloned() }
    }

    /// Asks how the task stands, and fetches its result when there is one or the server needs
    /// something on the way to it.
    pub(super) async fn ask(&mut self) -> Result<News, CallError> {
        let params = TaskParams::new(&self.handle.task_id);
        let report =
            report(self.client.request::<GetTask>(params.clone()).timeout(self.idle).await?);
        match report.status {
            TaskStatus::Cancelled => Ok(News::Cancelled(report)),
            TaskStatus::InputRequired | TaskStatus::Completed | TaskStatus::Failed => {
                // While the task waits for a person and then goes on, silence means nothing.
                let limit = if report.status.is_terminal() { self.idle } else { None };
                let asking = self.client.request::<GetTaskResult>(params).timeout(limit);
                let result = asking.answered_by(self.answering.clone()).await?;
                Ok(News::Result(Bytes::copy_from_slice(result.as_str().as_bytes())))
            }
            _ => Ok(News::Goes(report)),
        }
    }
}

pub(super) fn report(task: Task) -> TaskReport {
    TaskReport {
        status: task.status,
        message: task.status_message,
        input_requests: InputRequests::default(),
        ttl_ms: task.ttl,
        poll_interval_ms: task.poll_interval,
    }
}
