//! A tool that runs as a task of the extension.

use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, CreateTaskResult,
};
use rmcp::service::RequestContext;
use rmcp::task_manager::{TaskContext, TaskExit, TaskOptions};
use rmcp::{ErrorData, RoleServer};
use serde::Deserialize;
use serde_json::Value;

use crate::tools::{Peer, internal, who};

#[derive(Deserialize)]
struct Job {
    steps: u32,
    #[serde(default)]
    ask: bool,
}

impl Peer {
    /// Starts the work, if the client can follow it.
    pub(crate) fn job(
        &self,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if !context.client_capabilities().is_some_and(|all| all.supports_tasks()) {
            return Err(ErrorData::invalid_params("`job` only runs as a task", None));
        }
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let job: Job = serde_json::from_value(arguments).map_err(internal)?;
        let options = TaskOptions::new().with_poll_interval_ms(20);
        let task = self.tasks.spawn(options, move |context| Box::pin(work(job, context)));
        Ok(CallToolResponse::Task(CreateTaskResult::new(task)))
    }
}

async fn work(job: Job, context: TaskContext) -> Result<CallToolResult, TaskExit> {
    let mut text = format!("{} steps done", job.steps);
    if job.ask {
        let answer = context.request_input("person", who()?).await?;
        text = format!("{text} for {}", answer["content"]["name"].as_str().unwrap_or("nobody"));
    }
    for step in 1..=job.steps {
        context.set_status_message(format!("step {step}"));
        tokio::select! {
            () = context.cancelled() => return Err(TaskExit::Cancelled),
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
    }
    Ok(CallToolResult::success(vec![ContentBlock::text(text)]))
}
