//! The servers' tools, whose calls the journal has.

use std::sync::Arc;

use super::journal::{Journal, Via};
use crate::{
    model::BoxFuture,
    toolbox::{
        McpToolset, PreparedCall, ProgressSink, ToolError, ToolFacts, ToolOutput, ToolSnapshot,
        Toolset,
    },
};

/// The tools of the servers, as plans call them.
#[derive(Debug)]
pub(super) struct NotedTools {
    tools: Arc<McpToolset>,
    journal: Arc<Journal>,
}

impl NotedTools {
    pub(super) fn new(tools: Arc<McpToolset>, journal: Arc<Journal>) -> Self {
        Self { tools, journal }
    }
}

impl Toolset for NotedTools {
    fn snapshot(&self) -> Arc<ToolSnapshot> {
        self.tools.snapshot()
    }

    fn catalog(&self) -> Arc<ToolSnapshot> {
        self.tools.catalog()
    }

    fn facts(&self, name: &str) -> ToolFacts {
        self.tools.facts(name)
    }

    fn call(
        &self,
        call: PreparedCall,
        progress: ProgressSink,
    ) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            let noted = self.tools.tool(&call.name).map(|known| {
                self.journal.call(Via::Plan, &known.server, &known.tool.name, &call.arguments)
            });
            let outcome = self.tools.call(call, progress).await;
            if let Some(noted) = noted {
                match &outcome {
                    Ok(output) => noted.told(output.is_error, &output.to_text()),
                    Err(error) => noted.told(true, &error.explain()),
                }
            }
            outcome
        })
    }
}
