//! What people and programs do to a run from outside.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{Feed, OutOfTurn, Outcome, Run, Spent, State, Stop, repeats::Repeats};
use crate::{
    model::{Part, Parts, ToolDefinition},
    toolbox::ToolFacts,
};

impl Run {
    /// What a person said while tools were running has its place in the conversation now.
    pub(super) fn hear_steered(&mut self) {
        for parts in std::mem::take(&mut self.steered) {
            self.transcript.push_user(parts);
        }
    }

    pub(super) fn feed_prompt(&mut self, parts: Vec<Part>) {
        // The run may have stopped before the model was told.
        self.hear_steered();
        self.transcript.push_user(parts);
        self.steps = 0;
        self.corrections = 0;
        self.unreadable_calls = 0;
        self.spent = Spent::default();
        self.repeats = Repeats::default();
        self.plans.clear();
        self.state = State::Model;
    }

    pub(super) fn feed_steer(&mut self, parts: Vec<Part>) {
        match self.state {
            State::Tools => self.steered.push(Parts(parts)),
            State::Model => self.transcript.push_user(parts),
            State::Done(_) => self.feed_prompt(parts),
        }
    }

    pub(super) fn feed_go_on(&mut self, parts: Vec<Part>) {
        match self.overspent() {
            _ if !matches!(self.state, State::Done(_)) => self.feed_steer(parts),
            Some(why) => self.stop(why),
            None => {
                self.hear_steered();
                self.transcript.push_user(parts);
                self.state = State::Model;
            }
        }
    }

    pub(super) fn feed_time(&mut self, time: Duration) {
        self.spent.time = self.spent.time.saturating_add(time);
        if let Some(max_time) = self.settings.budget.max_time
            && self.spent.time >= max_time
        {
            self.end("the time is up", Stop::TimeLimit { max_time });
        }
    }

    /// Ends a run that is not done.
    pub(super) fn end(&mut self, reason: &str, why: Stop) {
        if matches!(self.state, State::Done(_)) {
            return;
        }
        self.transcript.cancel_pending(reason);
        self.stop(why);
    }

    pub(super) fn feed_extend(&mut self, steps: u32) -> Result<(), OutOfTurn> {
        let State::Done(Outcome::Stopped { why, .. }) = &self.state else {
            return Err(OutOfTurn::Nothing);
        };
        if matches!(why, Stop::ContentFilter | Stop::Refusal) {
            return Err(OutOfTurn::Nothing);
        }
        self.settings.max_steps = self.steps.saturating_add(steps);
        self.spent = Spent::default();
        self.repeats.forgive();
        if self.transcript.last_turn().is_some_and(|turn| turn.calls().next().is_none()) {
            self.transcript.push_user("Go on.");
        }
        self.ask_again();
        Ok(())
    }

    pub(super) fn feed_undo(&mut self) -> Result<(), OutOfTurn> {
        if !self.transcript.take_back_prompt() {
            return Err(OutOfTurn::Nothing);
        }
        self.steered.clear();
        self.seen = None;
        self.stop(Stop::Cancelled { reason: "the last prompt was taken back".to_owned() });
        Ok(())
    }

    /// The tools are these now. Those that the model knows keep their place, so that the start of
    /// its requests stays the same; new ones follow.
    pub(super) fn feed_tools(
        &mut self,
        tools: &[ToolDefinition],
        facts: BTreeMap<String, ToolFacts>,
    ) -> Result<(), OutOfTurn> {
        if self.state == State::Tools {
            return Err(OutOfTurn::Tools);
        }
        self.tools = self.with_tools(tools);
        Arc::make_mut(&mut self.facts).extend(facts);
        Ok(())
    }

    fn with_tools(&self, tools: &[ToolDefinition]) -> Arc<[ToolDefinition]> {
        let known = self.tools.iter().filter_map(|old| {
            let now = tools.iter().find(|tool| tool.name == old.name);
            now.or_else(|| self.transcript.revealed().find(|tool| tool.name == old.name))
        });
        let new = tools.iter().filter(|tool| self.definition(&tool.name).is_none());
        known.chain(new).cloned().collect()
    }

    /// What to feed so that the run has these tools; `None` when it has them.
    pub fn change_of_tools(
        &self,
        tools: &[ToolDefinition],
        facts: BTreeMap<String, ToolFacts>,
    ) -> Option<Feed> {
        let same = self.with_tools(tools) == self.tools
            && facts.iter().all(|(name, facts)| self.facts.get(name) == Some(facts));
        (!same).then(|| Feed::Tools { tools: tools.into(), facts })
    }
}
