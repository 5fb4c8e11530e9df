//! The way of a call to its server.

use std::sync::Arc;

use crate::{
    caller::{Call, CallError, Caller as _, Operation, Reply},
    service::{
        journal::{Journal, Via},
        running::Aside,
    },
    stack::Stack,
};

/// The layers that calls go through, and where those of tools are noted.
#[derive(Clone)]
pub(super) struct Way {
    stack: Stack,
    journal: Arc<Journal>,
}

impl Way {
    pub(super) fn new(stack: Stack, journal: Arc<Journal>) -> Self {
        Self { stack, journal }
    }

    /// For a call that waits for its client.
    pub(super) fn aside(&self) -> Aside {
        self.journal.running().aside()
    }

    pub(super) async fn call(&self, call: Call) -> Result<Reply, CallError> {
        // Each counts as one that is under way: a call of a tool by being noted.
        let (noted, _under_way) = match &*call.operation {
            Operation::CallTool { name, arguments } => {
                (Some(self.journal.call(Via::Mcp, &call.server, name, arguments)), None)
            }
            _ => (None, Some(self.journal.running().begin())),
        };
        let outcome = self.stack.call(call).await;
        if let Some(noted) = noted {
            noted.ended(&outcome);
        }
        outcome
    }
}
