//! The tool calls of a chat, as the journal has them.

use std::{collections::HashMap, sync::Arc};

use super::{
    Service,
    journal::{Journal, NotedCall, Via},
};
use crate::{AgentEvent, model::CallId, toolbox::McpToolset};

/// Notes the calls of one run.
#[derive(Debug)]
pub(super) struct Noting {
    journal: Arc<Journal>,
    tools: Arc<McpToolset>,
    running: HashMap<CallId, NotedCall>,
}

impl Noting {
    pub(super) fn new(service: &Service, tools: Arc<McpToolset>) -> Self {
        Self { journal: Arc::clone(&service.0.journal), tools, running: HashMap::new() }
    }

    pub(super) fn hear(&mut self, event: &AgentEvent) {
        match event {
            AgentEvent::ToolCallStarted(call) => {
                let Some(known) = self.tools.tool(&call.name) else { return };
                let noted =
                    self.journal.call(Via::Chat, &known.server, &known.tool.name, &call.arguments);
                self.running.insert(call.id.clone(), noted);
            }
            AgentEvent::ToolCallFinished { id, output, .. } => {
                if let Some(noted) = self.running.remove(id) {
                    noted.told(output.is_error, &output.to_text());
                }
            }
            _ => {}
        }
    }
}
