//! The calls of one turn: which run, which wait for a person, and what comes of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    InDoubt, OutOfTurn, Run, State, Stop,
    budget::{Times, Used},
    nearest,
};
use crate::{
    model::{CallId, Part, ToolCall, ToolDefinition},
    policy::{ApprovalRequest, Decision, Effect, Remember, definition_hash},
    toolbox::{PreparedCall, Question, ToolFacts, ToolOutput, arguments, arguments::Schema},
    transcript::Turn,
};

/// What the model is told of a call that a person did not allow.
pub const REFUSAL: &str = "The user did not allow this call. Do not repeat it; go on without it, or explain what you need.";

/// Those of the tools that a turn calls, by name.
type Schemas = BTreeMap<String, Schema>;

/// What was decided about a pending call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) state: PlanState,
    /// In place of the model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arguments: Option<Map<String, Value>>,
    /// Whether a person allowed it, now or before, rather than a rule.
    #[serde(default)]
    by_person: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PlanState {
    /// It may be made.
    Ready,
    /// It is being made, or was when the program ended.
    Began,
    /// A person must allow it.
    NeedsApproval { why: String },
    /// It asked something.
    NeedsInput(Question),
}

impl Plan {
    fn new(state: PlanState) -> Self {
        Self { state, arguments: None, by_person: false }
    }
}

/// A tool that waits for a person's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InputRequest {
    /// The call that asks.
    pub call: PreparedCall,
    /// What it asks.
    pub question: Question,
}

impl Run {
    pub(super) fn begin_tools(&mut self) {
        // ## Model => Tools
        self.state = State::Tools;
        self.plans.clear();
        self.refused = None;
        self.plan_calls();
        self.after_tools();
    }

    /// Decides about each call of the turn. One that cannot run has its result at once.
    fn plan_calls(&mut self) {
        let pending: Vec<ToolCall> = self.transcript.pending().cloned().collect();
        let mut schemas = Schemas::new();
        for (place, call) in pending.iter().enumerate() {
            let limit = self.settings.max_calls_per_turn;
            if place >= limit {
                let problem = format!("not run: at most {limit} calls are run in one turn");
                self.record(call, ToolOutput::error(problem));
                continue;
            }
            match self.prepare_checked(call, &mut schemas) {
                Ok(prepared) => self.plan(call, &prepared),
                Err(problem) => self.record(call, ToolOutput::error(problem)),
            }
        }
    }

    fn plan(&mut self, call: &ToolCall, prepared: &PreparedCall) {
        let facts = self.facts(&call.name);
        if let Some(used) = self.settings.budget.forbids(&self.spent, &call.name, &facts) {
            let Used { what, limit } = &used;
            let told = format!(
                "not run: {limit} of {limit} calls of {what} are used up. Do not call again; answer \
                 with what you have"
            );
            self.refused = Some(used);
            self.refuse(call, told);
            return;
        }
        let verdict = self.settings.policy.judge(prepared, &facts);
        let mut plan = Plan::new(PlanState::Ready);
        match verdict.effect {
            Effect::Allow => {}
            Effect::Ask if self.is_granted(&call.name, &facts) => plan.by_person = true,
            Effect::Ask => plan.state = PlanState::NeedsApproval { why: verdict.why },
            Effect::Deny => {
                self.refuse(call, format!("not allowed {}", verdict.why));
                return;
            }
        }
        self.settings.budget.count(&mut self.spent, &call.name, &facts, Times::Once);
        self.plans.insert(call.id.clone(), plan);
    }

    fn is_granted(&self, name: &str, facts: &ToolFacts) -> bool {
        self.definition(name).is_some_and(|tool| self.grants.holds(tool, facts))
    }

    /// Prepares a call whose arguments must fit the schema of the tool.
    fn prepare_checked(
        &self,
        call: &ToolCall,
        schemas: &mut Schemas,
    ) -> Result<PreparedCall, String> {
        let prepared = self.prepare(call, schemas)?;
        if let Some(schema) = schemas.get(&call.name) {
            schema.check(&prepared.arguments).map_err(|error| error.to_string())?;
        }
        Ok(prepared)
    }

    /// Finds the tool and reads the arguments.
    fn prepare(&self, call: &ToolCall, schemas: &mut Schemas) -> Result<PreparedCall, String> {
        let Some(tool) = self.definition(&call.name) else {
            return Err(nearest::no_such_tool(&call.name, &self.tools));
        };
        let schema =
            schemas.entry(tool.name.clone()).or_insert_with(|| Schema::new(&tool.parameters));
        let edited = self.plans.get(&call.id).and_then(|plan| plan.arguments.clone());
        let arguments = if let Some(arguments) = edited {
            arguments
        } else {
            let mut read = arguments::parse(&call.arguments).map_err(|error| error.to_string())?;
            schema.coerce(&mut read);
            read
        };
        let mut prepared = PreparedCall::new(call.id.clone(), call.name.clone(), arguments);
        prepared.idempotency_key = Some(format!("{}/{}/{}", self.id, self.answers, call.id));
        Ok(prepared)
    }

    /// The calls that wait for a result, in the model's order.
    pub(super) fn waiting(&self, which: impl Fn(&PlanState) -> bool) -> Vec<PreparedCall> {
        // A pending call without a plan is of a transcript that was written before there were any.
        let state = |call: &ToolCall| self.plans.get(&call.id).map(|plan| &plan.state);
        let mut schemas = Schemas::new();
        self.transcript
            .pending()
            .filter(|call| which(state(call).unwrap_or(&PlanState::Ready)))
            .filter_map(|call| self.prepare(call, &mut schemas).ok())
            .collect()
    }

    /// The calls that a person must allow.
    pub(super) fn approval_requests(&self) -> Vec<ApprovalRequest> {
        let calls = self.waiting(|state| matches!(state, PlanState::NeedsApproval { .. }));
        let request = |call: PreparedCall| {
            let facts = self.facts(&call.name);
            let why = match &self.plans.get(&call.id)?.state {
                PlanState::NeedsApproval { why } => why.clone(),
                _ => return None,
            };
            Some(ApprovalRequest {
                definition: definition_hash(self.definition(&call.name)?, &facts),
                destructive: facts.annotations.is_destructive(),
                server: facts.server,
                tool: facts.tool,
                call,
                why,
            })
        };
        calls.into_iter().filter_map(request).collect()
    }

    /// The tools that wait for a person's answer.
    pub(super) fn input_requests(&self) -> Vec<InputRequest> {
        let calls = self.waiting(|state| matches!(state, PlanState::NeedsInput(_)));
        let request = |call: PreparedCall| match &self.plans.get(&call.id)?.state {
            PlanState::NeedsInput(question) => {
                Some(InputRequest { question: question.clone(), call })
            }
            _ => None,
        };
        calls.into_iter().filter_map(request).collect()
    }

    /// Whether a person, and not a rule, allowed a pending call.
    pub fn was_approved(&self, call: &CallId) -> bool {
        self.plans.get(call).is_some_and(|plan| plan.by_person)
    }

    /// Whether some call began, and nothing is known of its end.
    pub(crate) fn has_begun_calls(&self) -> bool {
        self.plans.values().any(|plan| plan.state == PlanState::Began)
    }

    pub(super) fn feed_decision(
        &mut self,
        id: &CallId,
        decision: Decision,
    ) -> Result<(), OutOfTurn> {
        let refused = || OutOfTurn::Decision(id.clone());
        let call = self.pending_call(id).ok_or_else(refused)?;
        let plan = self.plans.get_mut(id).ok_or_else(refused)?;
        if !matches!(plan.state, PlanState::NeedsApproval { .. }) {
            return Err(refused());
        }
        match decision {
            Decision::Allow { arguments, remember } => {
                *plan = Plan { state: PlanState::Ready, arguments, by_person: true };
                self.remember(&call.name, remember);
            }
            Decision::Deny { reason } => {
                let facts = self.facts(&call.name);
                self.settings.budget.count(&mut self.spent, &call.name, &facts, Times::Back);
                let reason = reason.map(|reason| format!(" The user says: {reason}"));
                self.refuse(&call, format!("{REFUSAL}{}", reason.unwrap_or_default()));
                self.after_tools();
            }
        }
        Ok(())
    }

    fn remember(&mut self, name: &str, remember: Remember) {
        let server = self.facts(name).server;
        let covered = |tool: &str| match remember {
            Remember::Once => false,
            Remember::Tool => tool == name,
            Remember::Server => {
                tool == name || (server.is_some() && self.facts(tool).server == server)
            }
        };
        let tools: Vec<_> = self.tools.iter().filter(|tool| covered(&tool.name)).cloned().collect();
        for tool in &tools {
            let facts = self.facts(&tool.name);
            self.grants.grant(tool, &facts);
        }
        // Others of this turn need not be asked about any more.
        for call in self.transcript.pending() {
            if tools.iter().any(|tool| tool.name == call.name)
                && let Some(plan) = self.plans.get_mut(&call.id)
                && matches!(plan.state, PlanState::NeedsApproval { .. })
            {
                *plan = Plan { by_person: true, ..Plan::new(PlanState::Ready) };
            }
        }
    }

    pub(super) fn feed_began(&mut self, id: &CallId) -> Result<(), OutOfTurn> {
        self.pending_call(id).ok_or_else(|| OutOfTurn::Output(id.clone()))?;
        let plan = self.plans.entry(id.clone()).or_insert_with(|| Plan::new(PlanState::Ready));
        match plan.state {
            PlanState::Ready | PlanState::Began => {
                plan.state = PlanState::Began;
                Ok(())
            }
            _ => Err(OutOfTurn::Output(id.clone())),
        }
    }

    pub(super) fn feed_output(
        &mut self,
        id: &CallId,
        mut output: ToolOutput,
    ) -> Result<(), OutOfTurn> {
        let call = self.pending_call(id).ok_or_else(|| OutOfTurn::Output(id.clone()))?;
        let edited = self.plans.get(id).and_then(|plan| plan.arguments.clone());
        if let Some(arguments) = edited {
            let note = format!("(The user changed the arguments to {}.)", Value::from(arguments));
            output.content.push(Part::Text(note));
        }
        self.record(&call, output);
        self.after_tools();
        Ok(())
    }

    pub(super) fn feed_question(
        &mut self,
        id: &CallId,
        question: Question,
    ) -> Result<(), OutOfTurn> {
        self.pending_call(id).ok_or_else(|| OutOfTurn::Output(id.clone()))?;
        self.plans.insert(id.clone(), Plan::new(PlanState::NeedsInput(question)));
        Ok(())
    }

    pub(super) fn feed_answer(
        &mut self,
        id: &CallId,
        answer: Option<Value>,
    ) -> Result<(), OutOfTurn> {
        let refused = || OutOfTurn::Answer(id.clone());
        let call = self.pending_call(id).ok_or_else(refused)?;
        if !matches!(self.plans.get(id), Some(Plan { state: PlanState::NeedsInput(_), .. })) {
            return Err(refused());
        }
        let output = match answer {
            Some(Value::String(text)) => ToolOutput::text(text),
            Some(value) => ToolOutput::parts(vec![Part::Json(value)]),
            None => ToolOutput::error("The user declined to answer."),
        };
        self.record(&call, output);
        self.after_tools();
        Ok(())
    }

    /// Calls that had begun are made again where that is safe; of the others the model is told.
    pub(super) fn feed_interrupted(&mut self) {
        if self.state != State::Tools {
            return;
        }
        for call in self.transcript.pending().cloned().collect::<Vec<_>>() {
            let safe = self.facts(&call.name).annotations.is_idempotent();
            let Some(plan) = self.plans.get_mut(&call.id) else { continue };
            if plan.state != PlanState::Began {
                continue;
            }
            if safe || self.settings.in_doubt == InDoubt::Repeat {
                plan.state = PlanState::Ready;
            } else {
                let told = "The program ended while this call was under way. Nobody knows whether \
                            it took effect: find out before you repeat it.";
                self.record(&call, ToolOutput::error(told));
            }
        }
        self.after_tools();
    }

    fn pending_call(&self, id: &CallId) -> Option<ToolCall> {
        let waits = self.state == State::Tools;
        self.transcript.pending().find(|call| waits && call.id == *id).cloned()
    }

    fn record(&mut self, call: &ToolCall, mut output: ToolOutput) {
        self.repeats.note(call, &mut output);
        self.reveal(&output.reveals);
        self.plans.remove(&call.id);
        // The call was found pending, so nothing comes back.
        let _ = self.transcript.complete(&call.id, output);
    }

    /// Offers more tools, after the others: the start of the next request stays what it was.
    pub(super) fn reveal(&mut self, tools: &[ToolDefinition]) {
        let new: Vec<_> =
            tools.iter().filter(|tool| self.definition(&tool.name).is_none()).cloned().collect();
        if !new.is_empty() {
            self.tools = self.tools.iter().cloned().chain(new).collect();
        }
    }

    /// As [`record`](Self::record), but nothing new came of it, whatever the arguments were.
    fn refuse(&mut self, call: &ToolCall, told: String) {
        self.plans.remove(&call.id);
        let _ = self.transcript.complete(&call.id, ToolOutput::error(told));
    }

    /// Goes on when no result is missing.
    fn after_tools(&mut self) {
        if self.state != State::Tools || self.transcript.pending().next().is_some() {
            return;
        }
        let idle_turns = self.repeats.end_turn();
        if let Some(outcome) = self.handed_over() {
            // ## Tools => Done
            // Another agent goes on.
            self.state = State::Done(outcome);
        } else if idle_turns >= self.settings.max_idle_turns {
            // ## Tools => Done
            // The model goes round in circles.
            if let Some(Used { what, limit }) = self.refused.take() {
                return self.stop(Stop::CallLimit { what, max_calls: limit });
            }
            let calls = self.transcript.last_turn().into_iter().flat_map(Turn::calls);
            let tool = calls.map(|record| record.call.name.clone()).next().unwrap_or_default();
            self.stop(Stop::Repeating { tool, turns: idle_turns });
        } else if let Some(why) = self.overspent() {
            // ## Tools => Done
            self.stop(why);
        } else {
            // ## Tools => Model
            self.ask_again();
        }
    }
}
