//! A tool call whose task is handed out instead of being followed.

use std::time::Duration;

use mcp_protocol::{
    tasks::legacy::TaskMetadata,
    tools::{self, CallToolResult},
};

use super::TaskHandle;
#[cfg(feature = "schema")]
use crate::schema::{check_arguments, check_result, promised};
use crate::{
    CallError, CallTool, Request,
    input_required::Ended,
    request::{Flow, Sending},
    tools::{ToolFlow, call},
};

/// What a detached call came to.
#[derive(Clone, Debug)]
pub enum Started {
    /// The server finished at once.
    Done(CallToolResult),
    /// It goes on as a task.
    Task(TaskHandle),
}

/// The flow of a tool call that ends where its task begins.
#[derive(Debug)]
pub enum Detached {}

impl<'a> CallTool<'a> {
    /// Hands out the task that the call may become, instead of following it. A tool of revision
    /// 2025-11-25 that can run as a task does so.
    ///
    /// # Cancel safety
    /// Dropping the future before it gives a handle may leave a task behind that nobody knows.
    pub fn detached(mut self) -> Request<'a, tools::CallTool, Detached> {
        self.params_mut().task.get_or_insert_default();
        self.with_flow()
    }

    /// Runs the tool as a task where revision 2025-11-25 and the tool allow it, and asks the server
    /// to keep it for this long. Later revisions leave that to the server.
    pub fn as_task(self, ttl: Duration) -> Self {
        let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        self.run_as(TaskMetadata { ttl: Some(ttl) })
    }

    /// [`as_task`](Self::as_task) with what somebody else asked for.
    pub fn run_as(mut self, task: TaskMetadata) -> Self {
        self.params_mut().task = Some(task);
        self
    }

    /// Hears how the task stands into which the call turned, each time the server was asked.
    pub fn on_task(mut self, handler: impl FnMut(&super::TaskReport) + Send + 'static) -> Self {
        self.options_mut().on_task = Some(Box::new(handler));
        self
    }
}

impl Flow<tools::CallTool> for Detached {
    type Output = Started;

    async fn run(mut request: Sending<'_, tools::CallTool>) -> Result<Started, CallError> {
        #[cfg(feature = "schema")]
        let compiled =
            check_arguments(request.client, request.options.validate, &request.params).await?;
        Ok(match call(&mut request).await? {
            Ended::Complete(result) => {
                #[cfg(feature = "schema")]
                check_result(request.client, compiled.as_deref(), &result).await?;
                Started::Done(result)
            }
            Ended::Task(created) => {
                let handle = request.client.task_handle(&created);
                #[cfg(feature = "schema")]
                let handle = handle.promising(promised(compiled.as_deref()));
                Started::Task(handle)
            }
        })
    }
}

impl Flow<tools::CallTool> for ToolFlow {
    type Output = CallToolResult;

    #[expect(clippy::manual_async_fn, reason = "its body would keep the request twice")]
    fn run(
        mut request: Sending<'_, tools::CallTool>,
    ) -> impl Future<Output = Result<CallToolResult, CallError>> + Send {
        async move {
            #[cfg(feature = "schema")]
            let compiled =
                check_arguments(request.client, request.options.validate, &request.params).await?;
            let result = match call(&mut request).await? {
                Ended::Complete(result) => result,
                Ended::Task(created) => {
                    // In a box, since it is rare and would make the future of every call larger.
                    Box::pin(super::finish(request.client, &created, &mut request.options)).await?
                }
            };
            #[cfg(feature = "schema")]
            check_result(request.client, compiled.as_deref(), &result).await?;
            Ok(result)
        }
    }
}
