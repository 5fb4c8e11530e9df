//! The loop of model and tools, as a state machine without I/O and without a clock.
//!
//! [`Run::step`] says what is to be done next, [`Run::feed`] takes in what came of it. The whole
//! state is data: write it down between any two steps, read it in another process, go on there. Or
//! write down what it is fed, and feed it again.

mod answers;
mod budget;
mod calls;
mod compaction;
mod control;
mod expected;
mod feed;
mod nearest;
mod outcome;
mod printed_call;
mod repeats;
mod run_id;
mod settings;

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::{
    budget::Used,
    calls::{Plan, PlanState},
    repeats::Repeats,
};
pub use self::{
    budget::{Budget, Cost, Spent, TokenPrices},
    calls::{InputRequest, REFUSAL},
    compaction::Compaction,
    expected::{ANSWER_TOOL, ExpectedOutput, OutputMode},
    feed::{Feed, OutOfTurn},
    outcome::{Outcome, Pause, Stop},
    run_id::RunId,
    settings::{InDoubt, RunSettings},
};
use crate::{
    model::{CallId, ModelRequest, Parts, ToolCall, ToolDefinition, Usage},
    policy::{ApprovalRequest, Decision, Grants},
    toolbox::{PreparedCall, ToolFacts, ToolOutput},
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
    id: RunId,
    transcript: Transcript,
    /// Frozen, so that the start of every request stays the same.
    tools: Arc<[ToolDefinition]>,
    facts: Arc<BTreeMap<String, ToolFacts>>,
    settings: RunSettings,
    state: State,
    /// Answers of the model since the last prompt.
    steps: u32,
    /// Answers of the model in all.
    answers: u32,
    /// How often the run was fed.
    feeds: u64,
    usage: Usage,
    spent: Spent,
    repeats: Repeats,
    /// The pending calls of this turn.
    plans: BTreeMap<CallId, Plan>,
    /// The limit that refused a call of this turn.
    refused: Option<Used>,
    grants: Grants,
    /// What a person said while tools were running.
    steered: Vec<Parts>,
    /// How many answers went back since the last prompt.
    #[serde(default)]
    corrections: u32,
    /// How many calls the provider could not read since the last prompt.
    #[serde(default)]
    unreadable_calls: u32,
    /// The size of the conversation when the model was asked last.
    seen: Option<compaction::Seen>,
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
    /// The conversation is long. Ask the model this, and feed [`Feed::Summary`].
    Compact(ModelRequest),
    /// Ask a person about these calls, and feed a [`Feed::Decision`] for each. No call of the turn
    /// runs before all are decided.
    NeedApproval(Vec<ApprovalRequest>),
    /// Run these tools, in any order or side by side; feed a [`Feed::Output`] for each. Asked
    /// again, the run names those that are still missing.
    CallTools(Vec<PreparedCall>),
    /// These tools wait for a person; feed a [`Feed::Answer`] for each.
    NeedInput(Vec<InputRequest>),
    /// Nothing more.
    Done(&'a Outcome),
}

impl Run {
    /// A run that goes on from this transcript with these tools: with the results of calls that are
    /// pending in it, else with the model. What was revealed in the transcript is offered again.
    /// Give it a [`prompt`](Self::prompt) unless the transcript ends with one.
    pub fn new(
        transcript: Transcript,
        tools: impl Into<Arc<[ToolDefinition]>>,
        settings: RunSettings,
    ) -> Self {
        let mut run = Self {
            format: FORMAT,
            id: RunId::random(),
            transcript,
            tools: tools.into(),
            facts: Arc::default(),
            settings,
            state: State::Model,
            steps: 0,
            answers: 0,
            feeds: 0,
            usage: Usage::default(),
            spent: Spent::default(),
            repeats: Repeats::default(),
            plans: BTreeMap::new(),
            refused: None,
            grants: Grants::new(),
            steered: Vec::new(),
            corrections: 0,
            unreadable_calls: 0,
            seen: None,
        };
        let revealed: Vec<_> = run.transcript.revealed().cloned().collect();
        run.reveal(&revealed);
        if run.transcript.pending().next().is_some() {
            run.begin_tools();
        }
        run
    }

    /// The same run, with what is known of its tools. Before the first prompt.
    #[must_use]
    pub fn with_facts(mut self, facts: BTreeMap<String, ToolFacts>) -> Self {
        self.facts = Arc::new(facts);
        self
    }

    /// The same run, with what a person allowed before.
    #[must_use]
    pub fn with_grants(mut self, grants: Grants) -> Self {
        self.grants = grants;
        self
    }

    /// The same conversation under another name, so that both can go on.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { id: RunId::random(), ..self.clone() }
    }

    /// Whether nothing is to be done any more: less work than asking for the [`step`](Self::step).
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done(_))
    }

    /// What is to be done next. Asking again changes nothing.
    pub fn step(&self) -> Step<'_> {
        match &self.state {
            State::Done(outcome) => Step::Done(outcome),
            State::Model => match self.compaction_request() {
                Some(request) => Step::Compact(request),
                None => Step::CallModel(self.request()),
            },
            State::Tools => {
                let approvals = self.approval_requests();
                if !approvals.is_empty() {
                    return Step::NeedApproval(approvals);
                }
                let calls =
                    self.waiting(|state| matches!(state, PlanState::Ready | PlanState::Began));
                if calls.is_empty() {
                    Step::NeedInput(self.input_requests())
                } else {
                    Step::CallTools(calls)
                }
            }
        }
    }

    /// Takes in what came of a step, or what a person wants.
    ///
    /// # Errors
    /// The run does not wait for it, and is as it was.
    pub fn feed(&mut self, feed: Feed) -> Result<(), OutOfTurn> {
        match feed {
            Feed::Prompt(parts) => self.feed_prompt(parts),
            Feed::Steer(parts) => self.feed_steer(parts),
            Feed::GoOn(parts) => self.feed_go_on(parts),
            Feed::Response(response) => self.feed_response(response)?,
            Feed::Decision { call, decision } => self.feed_decision(&call, decision)?,
            Feed::Began { call } => self.feed_began(&call)?,
            Feed::Output { call, output } => self.feed_output(&call, output)?,
            Feed::Question { call, question } => self.feed_question(&call, question)?,
            Feed::Answer { call, answer } => self.feed_answer(&call, answer)?,
            Feed::Interrupted => self.feed_interrupted(),
            Feed::Summary(response) => self.feed_summary(&response)?,
            Feed::Time(time) => self.feed_time(time),
            Feed::Cancel { reason } => {
                self.end(&reason, Stop::Cancelled { reason: reason.clone() });
            }
            Feed::Halt { reason } => self.end(&reason, Stop::Halted { reason: reason.clone() }),
            Feed::Extend { steps } => self.feed_extend(steps)?,
            Feed::Undo => self.feed_undo()?,
            Feed::Facts(facts) => Arc::make_mut(&mut self.facts).extend(facts),
            Feed::Tools { tools, facts } => self.feed_tools(&tools, facts)?,
        }
        self.feeds += 1;
        Ok(())
    }

    /// A person speaks. Calls that are pending are cancelled, and all limits begin anew.
    pub fn prompt(&mut self, parts: impl Into<Parts>) {
        // A prompt is never out of turn.
        let _ = self.feed(Feed::Prompt(parts.into().0));
    }

    /// A person speaks in the middle. The model is told when it is asked next; a run that is done
    /// goes on.
    pub fn steer(&mut self, parts: impl Into<Parts>) {
        // Nor is this.
        let _ = self.feed(Feed::Steer(parts.into().0));
    }

    /// Ends the run; pending calls are cancelled. Does nothing to a run that is done.
    pub fn cancel(&mut self, reason: &str) {
        // Nor is this.
        let _ = self.feed(Feed::Cancel { reason: reason.to_owned() });
    }

    /// Lets a stopped run go on, where it stopped, for so many more answers of the model; what was
    /// spent is forgiven. Returns whether it had stopped for a reason that this lifts.
    pub fn extend(&mut self, steps: u32) -> bool {
        self.feed(Feed::Extend { steps }).is_ok()
    }

    /// A person's word about a call that [needs approval](Step::NeedApproval).
    ///
    /// # Errors
    /// The call does not wait for one.
    pub fn decide(&mut self, call: &CallId, decision: Decision) -> Result<(), OutOfTurn> {
        self.feed(Feed::Decision { call: call.clone(), decision })
    }

    /// A person's answer to a tool that [asked](Step::NeedInput); `None` declines.
    ///
    /// # Errors
    /// The call asked nothing.
    pub fn answer(&mut self, call: &CallId, answer: Option<Value>) -> Result<(), OutOfTurn> {
        self.feed(Feed::Answer { call: call.clone(), answer })
    }

    /// Takes the last prompt back, with all that was said to it.
    ///
    /// # Errors
    /// There is none, or it is part of a summary.
    pub fn undo(&mut self) -> Result<(), OutOfTurn> {
        self.feed(Feed::Undo)
    }

    /// The name of the run, the same for as long as it lives.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// What was said so far.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// What was said so far, to go on with in another run.
    pub fn into_transcript(mut self) -> Transcript {
        // Words that nobody was told before the run ended belong to it.
        if matches!(self.state, State::Done(_)) {
            self.hear_steered();
        }
        self.transcript
    }

    /// The tools that the model is offered.
    pub fn tools(&self) -> &Arc<[ToolDefinition]> {
        &self.tools
    }

    /// What is known of a tool.
    pub fn facts(&self, name: &str) -> ToolFacts {
        self.facts.get(name).cloned().unwrap_or_else(|| ToolFacts::new(name))
    }

    /// The definition that the model was shown.
    pub fn definition(&self, name: &str) -> Option<&ToolDefinition> {
        self.tools.iter().find(|tool| tool.name == name)
    }

    /// The terms.
    pub fn settings(&self) -> &RunSettings {
        &self.settings
    }

    /// What a person allowed for longer than once.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Tokens of all answers so far.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// What was spent since the last prompt.
    pub fn spent(&self) -> &Spent {
        &self.spent
    }

    /// What all answers so far cost, where the [prices](Budget::prices) are known.
    pub fn cost(&self) -> Option<Cost> {
        self.settings.budget.cost_of(&self.usage)
    }

    /// How many times the model answered since the last prompt.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// How often the run was fed.
    pub fn feeds(&self) -> u64 {
        self.feeds
    }

    /// Right after [`Feed::Response`]: the calls of that turn that have their result without having
    /// run, such as those of unknown tools, or those that a rule forbids.
    pub fn answered_unrun(&self) -> impl Iterator<Item = (&ToolCall, &ToolOutput)> {
        let calls = self.transcript.last_turn().into_iter().flat_map(Turn::calls);
        calls.filter_map(|record| match &record.state {
            CallState::Done(output) => Some((&record.call, output)),
            _ => None,
        })
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
