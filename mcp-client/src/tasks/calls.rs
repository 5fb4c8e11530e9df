//! What can be done with tasks by hand.

use std::{fmt, future::IntoFuture, time::Duration};

use mcp_protocol::{
    cache_hint::CacheHint,
    error_code,
    input_required::InputResponses,
    jsonrpc::ErrorObject,
    list::SkippedItem,
    pagination::Cursor,
    tasks::{CancelTask, CreatedTask, GetTask, TaskParams, legacy},
    tools::CallToolResult,
    version::{Era, ProtocolVersion},
};
use mcp_transport::BoxFuture;

use super::{
    TaskHandle, TaskReport,
    follow::{Following, follow},
    legacy::report as legacy_report,
    modern::{report, update},
};
use crate::{CallError, CallErrorKind, Client, List, Page, PageCursor, TaskError};

/// What becomes of a task whose follower is dropped before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenDropped {
    /// The server is told to cancel it.
    Cancel,
    /// It goes on and can be resumed.
    Leave,
}

impl Client {
    /// Follows a task to its end, also one that another process started.
    ///
    /// # Errors
    /// As the call that became the task; and [`CallErrorKind::Task`] when it was cancelled, has
    /// outlived its time, or belongs to another server. The result of a call that was to be checked
    /// is checked here, by the schema that the tool had then.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the task alone; see [`FollowTask::when_dropped`].
    pub fn resume_task(&self, handle: TaskHandle) -> FollowTask<'_> {
        let following = Following {
            idle: self.0.call_timeout,
            total: None,
            on_task: None,
            when_dropped: WhenDropped::Leave,
            answering: None,
        };
        FollowTask { client: self, handle, following }
    }

    /// Asks once how a task stands.
    ///
    /// # Errors
    /// As any call; a task that the server does not know is refused with code -32602.
    pub async fn task_report(&self, handle: &TaskHandle) -> Result<TaskReport, CallError> {
        self.check_handle(handle)?;
        let params = TaskParams::new(&handle.task_id);
        Ok(match self.0.info.era {
            Era::Modern => report(self.request::<GetTask>(params).await?).0,
            Era::Legacy => legacy_report(self.request::<legacy::GetTask>(params).await?),
        })
    }

    /// Answers what a task asked for, some of it or all. The server may take a moment to notice.
    ///
    /// # Errors
    /// As any call. Servers of revision 2025-11-25 ask by requests of their own, which the client's
    /// callbacks answer; here they are refused with [`TaskError::Unsupported`].
    pub async fn update_task(
        &self,
        handle: &TaskHandle,
        responses: InputResponses,
    ) -> Result<(), CallError> {
        self.check_handle(handle)?;
        if self.0.info.era == Era::Legacy {
            let error = TaskError::Unsupported { method: "tasks/update" };
            return Err(self.link().error(CallErrorKind::Task(error), "tasks/update"));
        }
        update(self, handle, responses, self.0.call_timeout, None).await
    }

    /// Asks the server to stop a task. It is a wish: the task may still end in another way.
    ///
    /// # Errors
    /// As any call. A task that has ended is no error.
    pub async fn cancel_task(&self, handle: &TaskHandle) -> Result<(), CallError> {
        self.check_handle(handle)?;
        let params = TaskParams::new(&handle.task_id);
        match self.0.info.era {
            Era::Modern => self.request::<CancelTask>(params).await.map(drop),
            Era::Legacy => match self.request::<legacy::CancelTask>(params.clone()).await {
                // Servers of this revision refuse when the task has ended.
                Err(error)
                    if error.error_object().is_some_and(|object: &ErrorObject| {
                        object.code == error_code::INVALID_PARAMS
                    }) =>
                {
                    let found = self.request::<legacy::GetTask>(params).await;
                    if found.is_ok_and(|task| task.status.is_terminal()) {
                        Ok(())
                    } else {
                        Err(error)
                    }
                }
                outcome => outcome.map(drop),
            },
        }
    }

    /// Lists the tasks of a server of revision 2025-11-25; the extension has no such list.
    pub fn list_tasks(&self) -> List<'_, legacy::ListTasks> {
        List::new(self)
    }

    pub(crate) fn task_handle(&self, created: &CreatedTask) -> TaskHandle {
        TaskHandle::new(self.endpoint(), self.protocol_version(), created)
    }

    fn protocol_version(&self) -> ProtocolVersion {
        self.0.info.protocol_version.clone()
    }

    /// Whether the handle is one of this server: an id is told to no other.
    pub(super) fn check_handle(&self, handle: &TaskHandle) -> Result<(), CallError> {
        let same_era = handle.protocol_version.era() == self.0.info.era;
        if handle.endpoint == self.endpoint() && same_era {
            return Ok(());
        }
        let error = TaskError::OtherServer {
            endpoint: handle.endpoint.clone(),
            version: handle.protocol_version.clone(),
        };
        Err(self.link().error(CallErrorKind::Task(error), "tasks/get"))
    }
}

/// Follows a task to its end when awaited.
#[must_use = "nothing is asked before it is awaited"]
pub struct FollowTask<'a> {
    client: &'a Client,
    handle: TaskHandle,
    following: Following,
}

impl FollowTask<'_> {
    /// The longest silence of one question about the task. `None` waits for ever.
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.following.idle = limit.into();
        self
    }

    /// The longest time in all. No limit by default but the task's own.
    pub fn max_time(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.following.total = limit.into();
        self
    }

    /// Hears how the task stands, each time the server was asked.
    pub fn on_task(mut self, handler: impl FnMut(&TaskReport) + Send + 'static) -> Self {
        self.following.on_task = Some(Box::new(handler));
        self
    }

    /// What becomes of the task when this is dropped, or its time runs out; by default it is left
    /// alone.
    pub fn when_dropped(mut self, choice: WhenDropped) -> Self {
        self.following.when_dropped = choice;
        self
    }
}

impl<'a> IntoFuture for FollowTask<'a> {
    type Output = Result<CallToolResult, CallError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(follow(self.client, self.handle, self.following))
    }
}

impl fmt::Debug for FollowTask<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FollowTask").field("handle", &self.handle).finish_non_exhaustive()
    }
}

impl Page for legacy::ListTasksResult {
    type Item = legacy::Task;

    fn into_parts(self) -> (Vec<legacy::Task>, Vec<SkippedItem>, Option<Cursor>) {
        (self.tasks, self.skipped, self.next_cursor)
    }

    fn cache_hint(&self) -> Option<CacheHint> {
        // Tasks change all the time.
        Some(CacheHint::default())
    }
}

impl PageCursor for legacy::ListTasksResult {
    fn next_cursor(&self) -> Option<&Cursor> {
        self.next_cursor.as_ref()
    }
}
