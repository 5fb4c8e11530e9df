//! What a program may change in a run while it goes on.

use std::fmt;

use serde_json::{Map, Value};

use super::AgentEvent;
use crate::{
    model::{BoxFuture, ModelRequest, ModelResponse, Parts},
    policy::{ApprovalRequest, Decision},
    run::{InputRequest, Outcome},
    toolbox::{PreparedCall, ToolOutput},
};

/// What a program may change in a run while it goes on. Each hook has its own kind of answer, so
/// that nothing can be asked for that makes no sense at its place; each does nothing by default.
///
/// Several hooks are heard in the order in which they were added; each sees what the one before it
/// made of it, and the first that ends the run has the last word.
///
/// ```
/// use mcp_agent::{
///     Hooks, ToolCallAction,
///     model::BoxFuture,
///     toolbox::PreparedCall,
/// };
///
/// /// Keeps secrets out of searches.
/// #[derive(Debug)]
/// struct NoSecrets;
///
/// impl Hooks for NoSecrets {
///     fn before_tool<'a>(&'a self, call: &'a PreparedCall) -> BoxFuture<'a, ToolCallAction> {
///         Box::pin(async move {
///             match call.arguments.get("query").and_then(|query| query.as_str()) {
///                 Some(query) if query.contains("sk-") => {
///                     ToolCallAction::answer_error("do not search for keys")
///                 }
///                 _ => ToolCallAction::Run,
///             }
///         })
///     }
/// }
/// ```
pub trait Hooks: Send + Sync + fmt::Debug {
    /// Hears everything that happens, also where nobody takes the events of the run; the end is the
    /// last. It should return at once: the run waits for it.
    fn on_event(&self, event: &AgentEvent) {
        let _ = event;
    }

    /// Before the model is asked, but for [summaries](Self::before_summary).
    fn before_model<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, ModelCallAction> {
        let _ = request;
        ready(ModelCallAction::Ask)
    }

    /// Before the model is asked to summarise the start of a long conversation.
    fn before_summary<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, ModelCallAction> {
        let _ = request;
        ready(ModelCallAction::Ask)
    }

    /// After the model answered, before anything comes of it.
    fn after_model<'a>(&'a self, response: &'a ModelResponse) -> BoxFuture<'a, ResponseAction> {
        let _ = response;
        ready(ResponseAction::Keep)
    }

    /// Before a tool runs, after the policy and a person allowed it.
    fn before_tool<'a>(&'a self, call: &'a PreparedCall) -> BoxFuture<'a, ToolCallAction> {
        let _ = call;
        ready(ToolCallAction::Run)
    }

    /// After a tool returned, before the model is shown the result.
    fn after_tool<'a>(
        &'a self,
        call: &'a PreparedCall,
        output: &'a ToolOutput,
    ) -> BoxFuture<'a, OutputAction> {
        let _ = (call, output);
        ready(OutputAction::Keep)
    }

    /// Before a run ends with an answer, or stops.
    fn before_end<'a>(&'a self, outcome: &'a Outcome) -> BoxFuture<'a, EndAction> {
        let _ = outcome;
        ready(EndAction::Accept)
    }
}

/// What becomes of a question to the model.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ModelCallAction {
    /// The model is asked.
    Ask,
    /// The model is asked this instead. The conversation stays as it is.
    AskThis(Box<ModelRequest>),
    /// The model is not asked; this counts as its answer.
    Answer(ModelResponse),
    /// The run ends.
    Stop {
        /// Why.
        reason: String,
    },
}

/// What becomes of the model's answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ResponseAction {
    /// It stays.
    Keep,
    /// This takes its place.
    Replace(ModelResponse),
    /// The run ends.
    Stop {
        /// Why.
        reason: String,
    },
}

/// What becomes of a tool call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ToolCallAction {
    /// It is made.
    Run,
    /// It is made with these arguments.
    RunWith(Map<String, Value>),
    /// It is not made; this counts as its result.
    Answer(ToolOutput),
    /// The run ends.
    Stop {
        /// Why.
        reason: String,
    },
}

impl ToolCallAction {
    /// It is not made; the model is told why.
    pub fn answer_error(text: impl Into<String>) -> Self {
        Self::Answer(ToolOutput::error(text))
    }
}

/// What becomes of a tool's result.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OutputAction {
    /// It stays.
    Keep,
    /// This takes its place.
    Replace(ToolOutput),
    /// The run ends.
    Stop {
        /// Why.
        reason: String,
    },
}

/// What becomes of the end of a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EndAction {
    /// The run ends.
    Accept,
    /// The model is told this, and goes on; the limits of the run still hold.
    GoOn(Parts),
}

/// Answers what a run asks people.
pub trait Person: Send + Sync + fmt::Debug {
    /// Decides about a call. `None` pauses the run.
    fn decide(&self, request: ApprovalRequest) -> BoxFuture<'_, Option<Decision>>;

    /// Answers a tool's question. `None` pauses the run; an answer that is `None` declines.
    fn answer(&self, request: InputRequest) -> BoxFuture<'_, Option<Option<Value>>> {
        let _ = request;
        ready(None)
    }
}

fn ready<T: Send + 'static>(value: T) -> BoxFuture<'static, T> {
    Box::pin(std::future::ready(value))
}
