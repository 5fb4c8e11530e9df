//! What is heard of a run while it goes on.

use std::{sync::Arc, time::Duration};

use super::JournalError;
use crate::{
    model::{CallId, ModelError, Parts, StopReason, ToolCall, Usage},
    policy::{ApprovalRequest, Decision},
    run::{Outcome, Run},
    toolbox::{PreparedCall, ToolOutput, ToolProgress},
};

/// Something happened in a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AgentEvent {
    /// The model is asked.
    ModelCallStarted {
        /// Counts the answers to this prompt from 1.
        step: u32,
    },
    /// The model says more.
    TextDelta(String),
    /// The model thinks aloud.
    ReasoningDelta(String),
    /// The model's provider failed before a word of the answer was heard; it is asked again after a
    /// wait. Thoughts may have been: they belong to the answer that failed.
    ModelCallRetried {
        /// Which attempt failed, from 1.
        attempt: u32,
        /// How long the wait is.
        wait: Duration,
        /// What failed.
        error: Arc<ModelError>,
    },
    /// The model has answered.
    ModelCallFinished {
        /// As in [`ModelCallStarted`](Self::ModelCallStarted).
        step: u32,
        /// Why the answer ended.
        stop: StopReason,
        /// What it cost, where the provider says.
        usage: Option<Usage>,
        /// How long it took, retries included.
        took: Duration,
    },
    /// A tool runs.
    ToolCallStarted(PreparedCall),
    /// A running tool reports how far it is.
    ToolCallProgress {
        /// Which call.
        id: CallId,
        /// How far.
        progress: ToolProgress,
    },
    /// A tool returned.
    ToolCallFinished {
        /// Which call.
        id: CallId,
        /// The tool's name as the model knows it.
        name: String,
        /// The whole result; the model may be shown less.
        output: Arc<ToolOutput>,
        /// How long it took.
        took: Duration,
    },
    /// A call was answered without running: there is no such tool, or the arguments cannot be
    /// read. The model reads why.
    ToolCallRefused {
        /// As the model wrote it.
        call: ToolCall,
        /// What the model is told.
        output: Arc<ToolOutput>,
    },
    /// A person is asked about a call.
    ApprovalRequested(ApprovalRequest),
    /// A person decided about a call.
    ApprovalDecided {
        /// What was asked.
        call: PreparedCall,
        /// The word.
        decision: Decision,
    },
    /// The model will be told this before it goes on.
    Steered(Parts),
    /// The start of the conversation was summarised.
    Compacted {
        /// The size of the conversation before, in tokens.
        before: u64,
        /// And now, as an estimate.
        after: u64,
    },
    /// The run has ended, or waits for a person; nothing follows.
    Finished(Box<Finished>),
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Finished {
    /// The answer, or why there is none.
    pub outcome: Outcome,
    /// Everything else: what was said, what it cost, and the means to go on.
    pub run: Run,
}

/// A run could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The model did not answer.
    #[error("the model did not answer")]
    Model {
        /// Why.
        #[source]
        source: ModelError,
        /// The run as it was before it asked; it can be driven again.
        run: Box<Run>,
    },
    /// The run could not be written down, so it went no further.
    #[error("the run could not be written down")]
    Journal {
        /// Why.
        #[source]
        source: JournalError,
        /// The run as it is; what was written of it may be less.
        run: Box<Run>,
    },
    /// The run was awaited after its last event had been taken.
    #[error("the run has finished already")]
    AlreadyFinished,
}
