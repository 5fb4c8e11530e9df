//! Which tools may run without a question, and the questions.
//!
//! What a server says about its tools is believed only as far as that server was chosen by the
//! person: see [`Approval`].

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use mcp_agent::{
    model::BoxFuture,
    toolbox::{
        McpToolset, PreparedCall, ProgressSink, ToolError, ToolFacts, ToolOutput, ToolSnapshot,
        Toolset,
    },
};
use tokio::sync::{mpsc, oneshot};

/// Which tools may run without a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Approval {
    /// All.
    All,
    /// Those that say that they only read; a person is asked about the others.
    Ask,
    /// Those that say that they only read; the others are refused.
    ReadOnly,
}

/// A person's word about one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// This once.
    Once,
    /// This tool from now on.
    Always,
    /// Not.
    No,
}

/// A call that waits for a person's word.
#[derive(Debug)]
pub(crate) struct Question {
    /// What is to be called.
    pub(crate) call: PreparedCall,
    /// Takes the decision; when dropped, the call is refused.
    pub(crate) answer: oneshot::Sender<Decision>,
}

/// Where the questions come out.
pub(crate) type Questions = mpsc::UnboundedReceiver<Question>;

/// Puts the terms before the tools.
pub(crate) fn with_approval(
    tools: Arc<McpToolset>,
    held: Arc<dyn Toolset>,
    approval: Approval,
) -> (Approving, Questions) {
    // One question for each call of a turn at most.
    let (questions, asked) = mpsc::unbounded_channel();
    (Approving { tools, held, approval, always: Mutex::default(), questions }, asked)
}

/// Tools that run only with approval.
#[derive(Debug)]
pub(crate) struct Approving {
    tools: Arc<McpToolset>,
    /// The same, without what is in quarantine.
    held: Arc<dyn Toolset>,
    approval: Approval,
    always: Mutex<HashSet<String>>,
    questions: mpsc::UnboundedSender<Question>,
}

impl Approving {
    async fn allows(&self, call: &PreparedCall) -> bool {
        let reads_only = self
            .tools
            .tool(&call.name)
            .and_then(|tool| tool.tool.annotations)
            .is_some_and(|annotations| annotations.is_read_only());
        match self.approval {
            Approval::All => return true,
            Approval::Ask | Approval::ReadOnly if reads_only => return true,
            Approval::ReadOnly => return false,
            Approval::Ask => (),
        }
        let always = |set: &Mutex<HashSet<String>>| {
            set.lock().unwrap_or_else(PoisonError::into_inner).contains(&call.name)
        };
        if always(&self.always) {
            return true;
        }
        let (answer, decision) = oneshot::channel();
        if self.questions.send(Question { call: call.clone(), answer }).is_err() {
            return false;
        }
        match decision.await {
            Ok(Decision::Once) => true,
            Ok(Decision::Always) => {
                let mut always = self.always.lock().unwrap_or_else(PoisonError::into_inner);
                always.insert(call.name.clone());
                true
            }
            // A question that nobody can answer is answered by no.
            Ok(Decision::No) | Err(_) => false,
        }
    }
}

/// What the model is told of a call that was not approved.
pub(crate) const REFUSAL: &str = "The user did not allow this call. Do not repeat it; go on without it, or explain what you need.";

impl Toolset for Approving {
    fn snapshot(&self) -> Arc<ToolSnapshot> {
        self.held.snapshot()
    }

    fn catalog(&self) -> Arc<ToolSnapshot> {
        self.held.catalog()
    }

    fn facts(&self, name: &str) -> ToolFacts {
        self.held.facts(name)
    }

    fn call(
        &self,
        call: PreparedCall,
        progress: ProgressSink,
    ) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            if self.allows(&call).await {
                self.held.call(call, progress).await
            } else {
                Ok(ToolOutput::error(REFUSAL))
            }
        })
    }
}
