//! The loop of model and tools, as a state machine without I/O and without a clock.
//!
//! [`Run::step`] says what is to be done next, [`Run::feed`] takes in what came of it. The whole
//! state is data: write it down between any two steps, read it in another process, go on there.

mod nearest;
mod outcome;
mod printed_call;
mod repeats;
mod settings;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::{outcome::stopped, repeats::Repeats};
pub use self::{
    outcome::{Outcome, Stop},
    settings::RunSettings,
};
use crate::{
    model::{
        CallId, ModelRequest, ModelResponse, Parts, StopReason, ToolCall, ToolChoice,
        ToolDefinition, Usage,
    },
    toolbox::{PreparedCall, ToolOutput, arguments},
    transcript::{CallState, Transcript, Turn},
};

/// What [`Run`] is written as; a reader of another number refuses it.
const FORMAT: u32 = 1;

/// One conversation under way between a model and its tools.
///
/// ```
/// use mcp_agent::{
///     model::{ModelResponse, Part, StopReason},
///     run::{Feed, Outcome, Run, RunSettings, Step},
///     transcript::Transcript,
/// };
///
/// let mut run = Run::new(Transcript::new(), [], RunSettings::default());
/// run.prompt("What is the answer?");
/// let Step::CallModel(_request) = run.step() else { panic!() };
/// // A model is asked here.
/// let said = ModelResponse::new(vec![Part::Text("42".into())], StopReason::EndTurn);
/// run.feed(Feed::Response(said))?;
/// assert_eq!(run.step(), Step::Done(&Outcome::Final { text: "42".into() }));
/// # Ok::<(), mcp_agent::run::OutOfTurn>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    #[serde(deserialize_with = "known_format")]
    format: u32,
    transcript: Transcript,
    /// Frozen, so that the start of every request stays the same.
    tools: Arc<[ToolDefinition]>,
    settings: RunSettings,
    state: State,
    /// Answers of the model since the last prompt.
    steps: u32,
    usage: Usage,
    repeats: Repeats,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Model,
    Tools,
    Done(Outcome),
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Step<'a> {
    /// Ask the model; feed [`Feed::Response`].
    CallModel(ModelRequest),
    /// Run these tools, in any order or side by side; feed a [`Feed::Output`] for each. Asked
    /// again, the run names those that are still missing.
    CallTools(Vec<PreparedCall>),
    /// Nothing more.
    Done(&'a Outcome),
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Feed {
    /// The model answered.
    Response(ModelResponse),
    /// A tool returned.
    Output {
        /// Which call.
        call: CallId,
        /// What it returned.
        output: ToolOutput,
    },
}

/// The run does not wait for this. An error in the program that drives it; the run is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutOfTurn {
    /// An answer of the model came while none was asked for.
    #[error("the run does not wait for the model")]
    Response,
    /// A tool's result came for a call that is not pending.
    #[error("the run does not wait for the call `{0}`")]
    Output(CallId),
}

impl Run {
    /// A run that goes on from this transcript with these tools: with the results of calls that are
    /// pending in it, else with the model. What was revealed in the transcript is offered again. Give it a [`prompt`](Self::prompt) unless the transcript
    /// ends with one.
    pub fn new(
        transcript: Transcript,
        tools: impl Into<Arc<[ToolDefinition]>>,
        settings: RunSettings,
    ) -> Self {
        let mut run = Self {
            format: FORMAT,
            transcript,
            tools: tools.into(),
            settings,
            state: State::Model,
            steps: 0,
            usage: Usage::default(),
            repeats: Repeats::default(),
        };
        let revealed: Vec<_> = run.transcript.revealed().cloned().collect();
        run.reveal(&revealed);
        if run.transcript.pending().next().is_some() {
            run.begin_tools();
        }
        run
    }

    /// A person speaks. Calls that are pending are cancelled, and all limits begin anew.
    pub fn prompt(&mut self, parts: impl Into<Parts>) {
        self.transcript.push_user(parts);
        self.steps = 0;
        self.repeats = Repeats::default();
        self.state = State::Model;
    }

    /// What is to be done next. Asking again changes nothing.
    pub fn step(&self) -> Step<'_> {
        match &self.state {
            State::Model => Step::CallModel(self.request()),
            State::Tools => Step::CallTools(
                self.transcript.pending().filter_map(|call| self.prepare(call).ok()).collect(),
            ),
            State::Done(outcome) => Step::Done(outcome),
        }
    }

    /// Takes in what came of a step.
    ///
    /// # Errors
    /// The run does not wait for it.
    pub fn feed(&mut self, feed: Feed) -> Result<(), OutOfTurn> {
        match feed {
            Feed::Response(response) => self.feed_response(response),
            Feed::Output { call, output } => self.feed_output(&call, output),
        }
    }

    /// Ends the run; pending calls are cancelled. Does nothing to a run that is done.
    pub fn cancel(&mut self, reason: &str) {
        if matches!(self.state, State::Done(_)) {
            return;
        }
        self.transcript.cancel_pending(reason);
        self.stop(Stop::Cancelled { reason: reason.to_owned() });
    }

    /// Lets a stopped run go on, where it stopped, for so many more answers of the model. Returns
    /// whether it had stopped for a reason that this lifts.
    pub fn extend(&mut self, steps: u32) -> bool {
        let State::Done(Outcome::Stopped { why, .. }) = &self.state else { return false };
        if matches!(why, Stop::ContentFilter | Stop::Refusal) {
            return false;
        }
        self.settings.max_steps = self.steps.saturating_add(steps);
        self.repeats.forgive();
        if self.transcript.last_turn().is_some_and(|turn| turn.calls().next().is_none()) {
            self.transcript.push_user("Go on.");
        }
        self.state = State::Model;
        true
    }

    /// What was said so far.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// What was said so far, to go on with in another run.
    pub fn into_transcript(self) -> Transcript {
        self.transcript
    }

    /// The tools that the model is offered.
    pub fn tools(&self) -> &Arc<[ToolDefinition]> {
        &self.tools
    }

    /// Tokens of all answers so far.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// How many times the model answered since the last prompt.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// Right after [`Feed::Response`]: the calls of that turn that have their result without having
    /// run, since no such tool exists or the arguments cannot be read.
    pub fn answered_unrun(&self) -> impl Iterator<Item = (&ToolCall, &ToolOutput)> {
        let calls = self.transcript.last_turn().into_iter().flat_map(Turn::calls);
        calls.filter_map(|record| match &record.state {
            CallState::Done(output) => Some((&record.call, output)),
            _ => None,
        })
    }

    fn request(&self) -> ModelRequest {
        let settings = &self.settings;
        let mut request = ModelRequest::new(self.transcript.messages());
        request.tools = Arc::clone(&self.tools);
        // A choice that forces a call would force one for ever.
        request.tool_choice = match &settings.tool_choice {
            ToolChoice::Required | ToolChoice::Named(_) if self.steps > 0 => ToolChoice::Auto,
            choice => choice.clone(),
        };
        request.parallel_tool_calls = settings.parallel_tool_calls;
        request.temperature = settings.temperature;
        request.max_tokens = settings.max_tokens;
        request.seed = settings.seed;
        request.extra.clone_from(&settings.extra);
        request
    }

    fn feed_response(&mut self, mut response: ModelResponse) -> Result<(), OutOfTurn> {
        if self.state != State::Model {
            return Err(OutOfTurn::Response);
        }
        self.steps = self.steps.saturating_add(1);
        if let Some(usage) = response.usage {
            self.usage += usage;
        }
        if self.settings.run_printed_calls {
            printed_call::take_out(&mut response, &self.tools);
        }
        let text = response.text();
        let stop = response.stop.clone();
        self.transcript.push_response(response);
        // What is cut off or held back is not to be run: its arguments may be half a wish.
        match stop {
            StopReason::Length => self.refuse_calls(Stop::OutputLimit),
            StopReason::ContentFilter => self.refuse_calls(Stop::ContentFilter),
            StopReason::Refusal => self.refuse_calls(Stop::Refusal),
            _ if self.transcript.pending().next().is_some() => self.begin_tools(),
            _ if text.trim().is_empty() => self.stop(Stop::EmptyAnswer),
            _ => self.state = State::Done(Outcome::Final { text }),
        }
        Ok(())
    }

    fn begin_tools(&mut self) {
        // ## Model => Tools
        self.state = State::Tools;
        self.answer_hopeless_calls();
        self.after_tools();
    }

    fn feed_output(&mut self, id: &CallId, output: ToolOutput) -> Result<(), OutOfTurn> {
        let waits = self.state == State::Tools;
        let call = self.transcript.pending().find(|call| waits && call.id == *id).cloned();
        let call = call.ok_or_else(|| OutOfTurn::Output(id.clone()))?;
        self.record(&call, output);
        self.after_tools();
        Ok(())
    }

    fn record(&mut self, call: &ToolCall, mut output: ToolOutput) {
        self.repeats.note(call, &mut output);
        self.reveal(&output.reveals);
        // The call was found pending, so nothing comes back.
        let _ = self.transcript.complete(&call.id, output);
    }

    /// Offers more tools, after the others: the start of the next request stays what it was.
    fn reveal(&mut self, tools: &[ToolDefinition]) {
        let is_new =
            |tool: &&ToolDefinition| self.tools.iter().all(|known| known.name != tool.name);
        let new: Vec<_> = tools.iter().filter(is_new).cloned().collect();
        if !new.is_empty() {
            self.tools = self.tools.iter().cloned().chain(new).collect();
        }
    }

    /// Calls of unknown tools, with unreadable arguments, or beyond the limit have their result
    /// at once.
    fn answer_hopeless_calls(&mut self) {
        let pending: Vec<ToolCall> = self.transcript.pending().cloned().collect();
        for (place, call) in pending.iter().enumerate() {
            let limit = self.settings.max_calls_per_turn;
            let problem = if place >= limit {
                Some(format!("not run: at most {limit} calls are run in one turn"))
            } else {
                self.prepare(call).err()
            };
            if let Some(problem) = problem {
                self.record(call, ToolOutput::error(problem));
            }
        }
    }

    /// Finds the tool and reads the arguments.
    fn prepare(&self, call: &ToolCall) -> Result<PreparedCall, String> {
        let Some(tool) = self.tools.iter().find(|tool| tool.name == call.name) else {
            return Err(nearest::no_such_tool(&call.name, &self.tools));
        };
        let mut arguments = arguments::parse(&call.arguments).map_err(|error| error.to_string())?;
        // A schema that is not JSON cannot be; without one the arguments stay as they are.
        if let Ok(schema) = tool.parameters.parse() {
            arguments::coerce(&schema, &mut arguments);
        }
        Ok(PreparedCall::new(call.id.clone(), call.name.clone(), arguments))
    }

    /// Goes on when no result is missing.
    fn after_tools(&mut self) {
        if self.transcript.pending().next().is_some() {
            return;
        }
        let idle_turns = self.repeats.end_turn();
        if idle_turns >= self.settings.max_idle_turns {
            // ## Tools => Done
            // The model goes round in circles.
            let calls = self.transcript.last_turn().into_iter().flat_map(Turn::calls);
            let tool = calls.map(|record| record.call.name.clone()).next().unwrap_or_default();
            self.stop(Stop::Repeating { tool, turns: idle_turns });
        } else if self.steps >= self.settings.max_steps {
            // ## Tools => Done
            self.stop(Stop::StepLimit { max_steps: self.settings.max_steps });
        } else {
            // ## Tools => Model
            self.state = State::Model;
        }
    }

    fn refuse_calls(&mut self, why: Stop) {
        self.transcript.cancel_pending("the answer was not complete");
        self.stop(why);
    }

    fn stop(&mut self, why: Stop) {
        self.state = State::Done(stopped(why, &self.transcript));
    }
}

fn known_format<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let format = u32::deserialize(deserializer)?;
    if format == FORMAT {
        Ok(format)
    } else {
        let text = format!("the run is written in format {format}, this program reads {FORMAT}");
        Err(serde::de::Error::custom(text))
    }
}

#[cfg(test)]
mod tests;
