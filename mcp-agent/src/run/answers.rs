//! Asking the model, and what it answered.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::{ANSWER_TOOL, OutOfTurn, Outcome, Run, State, Stop, outcome::stopped, printed_call};
use crate::{
    model::{Message, ModelRequest, ModelResponse, StopReason, ToolChoice},
    toolbox::arguments,
    transcript::{CallState, Turn},
};

const LAST_STEP: &str = "(This is your last step. Answer now with what you have; results of further \
                         tool calls will not reach you.)";

/// How often since the last prompt the model is asked again for a call that could not be read.
const MAX_UNREADABLE_CALLS: u32 = 2;

const CALL_AGAIN: &str = "(Your tool call could not be read, and nothing has run. Write it again, \
                          with arguments that are one JSON object, or answer without it.)";

impl Run {
    /// The next question to the model.
    pub(super) fn request(&self) -> ModelRequest {
        let mut messages = self.transcript.messages();
        let last = self.steps > 0 && self.steps.saturating_add(1) >= self.settings.max_steps;
        // Words after an answer that was paused would end it there.
        let is_paused =
            self.transcript.last_turn().is_some_and(|turn| *turn.stop() == StopReason::Paused);
        if last && self.settings.announce_last_step && !is_paused {
            // At the end, where it changes nothing that a provider has cached.
            messages.push(Message::user(LAST_STEP));
        }
        let mut request = self.request_of(messages);
        if let Some(expected) = &self.settings.output {
            expected.ask(&mut request);
        }
        request
    }

    /// A question with the terms and the tools of all others, whose answer is free in its shape.
    pub(super) fn request_of(&self, messages: Vec<Message>) -> ModelRequest {
        let settings = &self.settings;
        let mut request = ModelRequest::new(messages);
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

    pub(super) fn feed_response(&mut self, mut response: ModelResponse) -> Result<(), OutOfTurn> {
        if self.state != State::Model {
            return Err(OutOfTurn::Response);
        }
        self.steps = self.steps.saturating_add(1);
        self.answers = self.answers.saturating_add(1);
        if let Some(usage) = response.usage {
            self.usage += usage;
            self.spent.usage += usage;
        }
        if self.settings.run_printed_calls {
            let answers_by_tool = self.answers_by_tool();
            printed_call::take_out(&mut response, |name| {
                self.definition(name).is_some() || answers_by_tool && name == ANSWER_TOOL
            });
        }
        let text = response.text();
        let stop = response.stop.clone();
        let usage = response.usage;
        self.transcript.push_response(response);
        self.note_size(usage);
        // What is cut off or held back is not to be run: its arguments may be half a wish.
        match stop {
            StopReason::Length => self.refuse_calls(Stop::OutputLimit),
            StopReason::ContentFilter => self.refuse_calls(Stop::ContentFilter),
            StopReason::Refusal => self.refuse_calls(Stop::Refusal),
            StopReason::UnreadableCall(reason) => self.ask_to_call_again(reason),
            StopReason::Other(reason) => self.refuse_calls(Stop::Unfinished { reason }),
            _ if self.take_answer_call() => {}
            _ if self.transcript.pending().next().is_some() => self.begin_tools(),
            StopReason::Paused => self.resume_answer(),
            _ if text.trim().is_empty() => self.stop(Stop::EmptyAnswer),
            _ => self.take_answer(text),
        }
        Ok(())
    }

    /// Asks for a call that can be read, a bounded number of times.
    fn ask_to_call_again(&mut self, reason: String) {
        if self.unreadable_calls >= MAX_UNREADABLE_CALLS {
            return self.refuse_calls(Stop::Unfinished { reason });
        }
        if let Some(why) = self.overspent() {
            return self.refuse_calls(why);
        }
        self.unreadable_calls += 1;
        self.transcript.push_user(CALL_AGAIN);
        self.ask_again();
    }

    /// Asks for the rest of an answer that was paused; every part of it is a step.
    fn resume_answer(&mut self) {
        match self.overspent() {
            Some(why) => self.stop(why),
            None => self.ask_again(),
        }
    }

    /// Goes on with the model, which hears first what a person said meanwhile.
    pub(super) fn ask_again(&mut self) {
        self.hear_steered();
        self.state = State::Model;
    }

    /// The limit that keeps the model from being asked again.
    pub(super) fn overspent(&self) -> Option<Stop> {
        let (budget, spent) = (&self.settings.budget, &self.spent);
        if self.steps >= self.settings.max_steps {
            return Some(Stop::StepLimit { max_steps: self.settings.max_steps });
        }
        if let Some(max_tokens) = budget.max_tokens
            && spent.usage.total_tokens() >= max_tokens
        {
            return Some(Stop::TokenLimit { max_tokens });
        }
        if let (Some(max_cost), Some(cost)) = (budget.max_cost, budget.cost_of(&spent.usage))
            && cost >= max_cost
        {
            return Some(Stop::CostLimit { max_cost });
        }
        budget
            .max_time
            .filter(|limit| spent.time >= *limit)
            .map(|max_time| Stop::TimeLimit { max_time })
    }

    /// How much time is left; `None` without a limit.
    pub fn time_left(&self) -> Option<Duration> {
        self.settings.budget.max_time.map(|limit| limit.saturating_sub(self.spent.time))
    }

    /// The agent that goes on, if the model named one in its last turn.
    pub(super) fn handed_over(&self) -> Option<Outcome> {
        let calls = self.transcript.last_turn().into_iter().flat_map(Turn::calls);
        calls.into_iter().find_map(|record| {
            let agent = self.settings.handovers.get(&record.call.name)?;
            let CallState::Done(output) = &record.state else { return None };
            if output.is_error {
                return None;
            }
            let arguments = arguments::parse(&record.call.arguments).unwrap_or_default();
            let task = arguments.get("task").and_then(Value::as_str).unwrap_or_default();
            Some(Outcome::HandedOver { agent: agent.clone(), task: task.to_owned() })
        })
    }

    fn refuse_calls(&mut self, why: Stop) {
        self.transcript.cancel_pending("the answer was not complete");
        self.stop(why);
    }

    pub(super) fn stop(&mut self, why: Stop) {
        self.plans.clear();
        self.state = State::Done(stopped(why, &self.transcript));
    }
}
