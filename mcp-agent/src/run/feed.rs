//! What a run takes in.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    model::{CallId, ModelResponse, Part, ToolDefinition},
    policy::Decision,
    toolbox::{Question, ToolFacts, ToolOutput},
};

/// What a run takes in. A run is nothing but its beginning and all that it was fed since: written
/// down one by one, these bring it back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Feed {
    /// A person speaks. Calls that are pending are cancelled, and all limits begin anew.
    Prompt(Vec<Part>),
    /// A person speaks in the middle; the model is told when it is asked next.
    Steer(Vec<Part>),
    /// The program that drives the run wants more than the model's answer. The model is told this,
    /// unless a limit is reached.
    GoOn(Vec<Part>),
    /// The model answered.
    Response(ModelResponse),
    /// A person decided about a call.
    Decision {
        /// Which call.
        call: CallId,
        /// The word.
        decision: Decision,
    },
    /// A call is about to be made. Written down before it is made, this tells a later process that
    /// it may have happened.
    Began {
        /// Which call.
        call: CallId,
    },
    /// A tool returned.
    Output {
        /// Which call.
        call: CallId,
        /// What it returned.
        output: ToolOutput,
    },
    /// A tool cannot go on without a person.
    Question {
        /// Which call.
        call: CallId,
        /// What it asks.
        question: Question,
    },
    /// A person answered a tool's question; the answer is the tool's result.
    Answer {
        /// Which call.
        call: CallId,
        /// What was said; `None` when the person declined.
        answer: Option<Value>,
    },
    /// Whoever made the calls that have begun is gone. They are made again where that is safe;
    /// of the others the model is told that nobody knows whether they happened.
    Interrupted,
    /// The model summarised the start of the conversation.
    Summary(ModelResponse),
    /// So much time passed.
    Time(Duration),
    /// Somebody ended the run.
    Cancel {
        /// Why.
        reason: String,
    },
    /// The program that drives the run ended it.
    Halt {
        /// Why.
        reason: String,
    },
    /// A stopped run may go on, for so many more answers; what was spent is forgiven.
    Extend {
        /// How many.
        steps: u32,
    },
    /// The last prompt, and all that was said to it, is taken back.
    Undo,
    /// This is known of tools that a result will reveal.
    Facts(BTreeMap<String, ToolFacts>),
    /// The tools are these from now on, and those that were revealed.
    Tools {
        /// As the model is shown them.
        tools: Arc<[ToolDefinition]>,
        /// What is known of them.
        facts: BTreeMap<String, ToolFacts>,
    },
}

impl Feed {
    /// One word for it, as in its JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Prompt(_) => "prompt",
            Self::Steer(_) => "steer",
            Self::GoOn(_) => "go_on",
            Self::Response(_) => "response",
            Self::Decision { .. } => "decision",
            Self::Began { .. } => "began",
            Self::Output { .. } => "output",
            Self::Question { .. } => "question",
            Self::Answer { .. } => "answer",
            Self::Interrupted => "interrupted",
            Self::Summary(_) => "summary",
            Self::Time(_) => "time",
            Self::Cancel { .. } => "cancel",
            Self::Halt { .. } => "halt",
            Self::Extend { .. } => "extend",
            Self::Undo => "undo",
            Self::Facts(_) => "facts",
            Self::Tools { .. } => "tools",
        }
    }
}

/// The run does not wait for this. An error in the program that drives it; the run is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutOfTurn {
    /// An answer of the model came while none was asked for.
    #[error("the run does not wait for the model")]
    Response,
    /// Something came for a call that is not pending.
    #[error("the run does not wait for the call `{0}`")]
    Output(CallId),
    /// A decision came for a call that waits for none.
    #[error("the run does not wait for a decision about the call `{0}`")]
    Decision(CallId),
    /// An answer came for a call that asked nothing.
    #[error("the run does not wait for an answer to the call `{0}`")]
    Answer(CallId),
    /// A summary came while none was asked for.
    #[error("the run does not wait for a summary")]
    Summary,
    /// No prompt can be taken back, or no stop lifted.
    #[error("there is nothing to take back or to go on with")]
    Nothing,
    /// The tools cannot change while calls of them wait.
    #[error("the tools cannot change while calls wait for their results")]
    Tools,
}
