//! Other agents, as tools of one.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    Agent,
    model::{BoxFuture, ToolDefinition},
    run::Outcome,
    toolbox::{PreparedCall, ProgressSink, ToolError, ToolOutput, ToolSnapshot, Toolset},
};

/// An agent that can be asked.
#[derive(Debug)]
pub(super) struct Asked {
    snapshot: Arc<ToolSnapshot>,
    agent: Agent,
}

/// An agent that can take a conversation over.
#[derive(Debug)]
pub(super) struct HandOver {
    snapshot: Arc<ToolSnapshot>,
    agent: String,
}

fn offering(name: String, description: String) -> Arc<ToolSnapshot> {
    let parameters = json!({
        "type": "object",
        "properties": {"task": {"type": "string", "description": "What to do, in full."}},
        "required": ["task"],
    });
    let tool = ToolDefinition { name, description, parameters: parameters.into() };
    Arc::new(ToolSnapshot::new(1, vec![tool]))
}

impl Asked {
    pub(super) fn new(name: &str, about: &str, agent: &Agent) -> Self {
        let description = format!(
            "Asks the agent {name}, which does not know this conversation, and gives its answer. \
             {about}"
        );
        let snapshot = offering(format!("ask_{name}"), description.trim_end().to_owned());
        Self { snapshot, agent: agent.clone() }
    }
}

impl Toolset for Asked {
    fn snapshot(&self) -> Arc<ToolSnapshot> {
        Arc::clone(&self.snapshot)
    }

    fn call(
        &self,
        call: PreparedCall,
        _progress: ProgressSink,
    ) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            let Some(task) = call.arguments.get("task").and_then(Value::as_str) else {
                return Ok(ToolOutput::error("`task` is missing: say what to do"));
            };
            let finished = self
                .agent
                .run(task)
                .await
                .map_err(|error| ToolError::Failed { name: call.name, source: error.into() })?;
            Ok(match &finished.outcome {
                Outcome::Final { text } => ToolOutput::text(text.clone()),
                Outcome::Stopped { why, partial } => {
                    let partial = partial.as_deref().unwrap_or("nothing");
                    ToolOutput::error(format!("stopped, since {why}. Said so far: {partial}"))
                }
                _ => ToolOutput::error("it needs a person to go on"),
            })
        })
    }
}

impl HandOver {
    pub(super) fn new(name: &str, about: &str) -> Self {
        let description = format!(
            "Hands this conversation over to the agent {name}, which knows all that was said. \
             {about}"
        );
        let snapshot = offering(format!("hand_over_to_{name}"), description.trim_end().to_owned());
        Self { snapshot, agent: name.to_owned() }
    }

    pub(super) fn tool_name(&self) -> String {
        format!("hand_over_to_{}", self.agent)
    }
}

impl Toolset for HandOver {
    fn snapshot(&self) -> Arc<ToolSnapshot> {
        Arc::clone(&self.snapshot)
    }

    fn call(
        &self,
        _call: PreparedCall,
        _progress: ProgressSink,
    ) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        // The run ends by the call itself; whoever drives it goes on with the other agent.
        let output = ToolOutput::text(format!("handed over to {}", self.agent));
        Box::pin(std::future::ready(Ok(output)))
    }
}
