//! Runs one tool call. Whatever happens is a result that the model reads.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    AgentEvent, OutputAction, ToolCallAction,
    drive::{Driver, Heard},
};
use crate::{
    policy::definition_hash,
    run::Feed,
    toolbox::{PreparedCall, ProgressSink, ToolError, ToolOutput, Toolset, results},
};

const CHANGED: &str = "not run: the tool is not any more what the user allowed, since its server \
                       changed its definition";

impl Driver<'_> {
    /// Runs a tool. Where a person allowed the call, `definition` is the hash of what was allowed.
    pub(super) async fn call(&self, mut call: PreparedCall, definition: Option<String>) -> Heard {
        if definition.is_some_and(|allowed| !self.is_still(&call.name, &allowed)) {
            return Heard::Fed(Feed::Output { call: call.id, output: ToolOutput::error(CHANGED) });
        }
        let mut given = None;
        for hook in &self.agent.hooks {
            match hook.before_tool(&call).await {
                ToolCallAction::Run => {}
                ToolCallAction::RunWith(arguments) => call.arguments = arguments,
                ToolCallAction::Answer(output) => {
                    given = Some(output);
                    break;
                }
                ToolCallAction::Stop { reason } => return Heard::Fed(Feed::Halt { reason }),
            }
        }
        self.events.tell(AgentEvent::ToolCallStarted(call.clone()));
        let started = Instant::now();
        let mut output = match given {
            Some(output) => output,
            None => match self.agent.tools.call(call.clone(), self.progress_of(&call)).await {
                Ok(output) => output,
                Err(ToolError::NeedsInput { question, .. }) => {
                    return Heard::Fed(Feed::Question { call: call.id, question });
                }
                Err(error) => ToolOutput::error(error.explain()),
            },
        };
        for hook in &self.agent.hooks {
            match hook.after_tool(&call, &output).await {
                OutputAction::Keep => {}
                OutputAction::Replace(other) => output = other,
                OutputAction::Stop { reason } => return Heard::Fed(Feed::Halt { reason }),
            }
        }
        let mut shown = output.clone();
        results::limit_and_keep(&mut shown, self.agent.result_limits, &self.agent.artifacts);
        self.events.tell(AgentEvent::ToolCallFinished {
            id: call.id.clone(),
            name: call.name,
            output: Arc::new(output),
            took: started.elapsed(),
        });
        Heard::Fed(Feed::Output { call: call.id, output: shown })
    }

    fn progress_of(&self, call: &PreparedCall) -> ProgressSink {
        let (events, id) = (self.events.clone(), call.id.clone());
        Arc::new(move |progress| {
            events.tell(AgentEvent::ToolCallProgress { id: id.clone(), progress });
        })
    }

    /// Whether a tool is defined as it was. One that is not offered now cannot be compared; its
    /// toolset will refuse the call.
    fn is_still(&self, name: &str, allowed: &str) -> bool {
        let facts = self.agent.tools.facts(name);
        let snapshot = self.agent.tools.snapshot();
        snapshot.get(name).is_none_or(|tool| definition_hash(tool, &facts) == allowed)
    }
}
