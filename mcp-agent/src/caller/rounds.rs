//! Calls one round at a time: what a modern server asks is handed on as it is.

use std::{future::IntoFuture, sync::Arc};

use mcp_client::{Client, Request, Step, Steps};
use mcp_protocol::method::Method;

use super::{Answer, Answers, BegunTask, Call, Operation, Reply, servers::with_options};

impl Call {
    /// Whether its questions are answered in rounds.
    pub(super) fn is_round(&self) -> bool {
        self.dialog.as_ref().is_some_and(|dialog| matches!(dialog.answers, Answers::Rounds { .. }))
    }
}

/// Makes one round of the call.
pub(super) async fn send(client: Client, call: Call) -> Result<Reply, mcp_client::CallError> {
    call.clock.attempt_on(&client);
    let answer = match &*call.operation {
        Operation::CallTool { name, arguments } => {
            let request = client.call_tool(&**name, arguments).stepwise();
            step(request, &call, |result| Answer::Tool(Arc::new(result))).await?
        }
        Operation::ReadResource { uri } => {
            let request = client.read_resource(&**uri).stepwise();
            step(request, &call, |result| Answer::Resource(Arc::new(result))).await?
        }
        Operation::GetPrompt { name, arguments } => {
            let request = arguments.iter().fold(client.get_prompt(&**name), |request, argument| {
                request.argument(&argument.0, &argument.1)
            });
            step(request.stepwise(), &call, |result| Answer::Prompt(Arc::new(result))).await?
        }
        Operation::Ping => {
            client.ping().await?;
            Answer::Pong
        }
    };
    Ok(Reply::new(answer))
}

async fn step<'a, M, F, T>(
    request: Request<'a, M, F>,
    call: &Call,
    answer: impl FnOnce(T) -> Answer,
) -> Result<Answer, mcp_client::CallError>
where
    M: Method,
    F: Steps,
    Request<'a, M, F>: IntoFuture<Output = Result<Step<M, T>, mcp_client::CallError>>,
{
    let mut request = with_options(request, call);
    if let Some(dialog) = &call.dialog
        && let Answers::Rounds { responses, state } = &dialog.answers
    {
        request = request.declaring(dialog.capabilities.clone());
        if !responses.is_empty() || state.is_some() {
            request = request.resume(responses.clone(), state.clone());
        }
    }
    let client = request.client();
    Ok(match request.await? {
        Step::Complete(result) => answer(result),
        Step::InputRequired(pending) => Answer::Asked(Arc::new(pending.into_asked())),
        Step::Task(task) if call.takes_tasks() => BegunTask::of(call, task),
        // Nobody asked for it: a server may make one all the same.
        Step::Task(task) => Answer::Tool(Arc::new(client.resume_task(task).await?)),
    })
}
