//! Calls of tools whose tasks are handed out instead of being followed.

use std::sync::Arc;

use mcp_client::{Client, Started, TaskHandle};
use mcp_protocol::extensions::TASKS;

use super::{Answer, Answers, Call, Operation, Reply, rounds, servers::with_options};

/// A task that a server began in place of a result.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BegunTask {
    /// Who has it: a server of the configuration, or one of its replicas.
    pub server: Arc<str>,
    /// What to come back to it with.
    pub handle: TaskHandle,
}

impl BegunTask {
    pub(super) fn of(call: &Call, handle: TaskHandle) -> Answer {
        let server = Arc::clone(call.replica.as_ref().unwrap_or(&call.server));
        Answer::Task(Arc::new(Self { server, handle }))
    }
}

impl Call {
    /// Whether the caller takes what is no result too.
    pub(super) fn is_handed_out(&self) -> bool {
        self.is_round() || self.task.is_some()
    }

    /// Whether its caller said that it knows tasks.
    pub(super) fn takes_tasks(&self) -> bool {
        self.dialog.as_ref().is_some_and(|dialog| {
            matches!(dialog.answers, Answers::Rounds { .. })
                && dialog.capabilities.extensions.contains(TASKS)
        })
    }
}

/// Makes one round of the call, or begins its task.
pub(super) async fn send(client: Client, call: Call) -> Result<Reply, mcp_client::CallError> {
    match (&*call.operation, call.task) {
        (Operation::CallTool { name, arguments }, Some(task)) => {
            call.clock.attempt_on(&client);
            let request = client.call_tool(&**name, arguments).run_as(task);
            let answer = match with_options(request.detached(), &call).await? {
                Started::Done(result) => Answer::Tool(Arc::new(result)),
                Started::Task(handle) => BegunTask::of(&call, handle),
            };
            Ok(Reply::new(answer))
        }
        _ => rounds::send(client, call).await,
    }
}
