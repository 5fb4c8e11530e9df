//! Runs a plan, one group of independent steps after the other.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::{StreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CheckedPlan, OnFailure, Outputs, PlanStep, check, reference};
use crate::{
    model::Part,
    toolbox::{PreparedCall, ToolOutput, Toolset, arguments},
};

/// A plan under way. The whole state is data: write it down after any step, read it elsewhere, and
/// go on; steps that ended well do not run again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanRun {
    plan: CheckedPlan,
    outcomes: BTreeMap<String, StepOutcome>,
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepOutcome {
    /// It returned this: structured content, else text that is JSON, else text.
    Done(Value),
    /// It failed.
    Failed {
        /// Why.
        reason: String,
    },
    /// It did not run, since another step failed.
    Skipped {
        /// That step.
        because_of: String,
    },
}

/// How to run a plan.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ExecuteOptions {
    /// How many steps run at the same time; 10 by default.
    pub parallel: usize,
}

impl Default for ExecuteOptions {
    fn default() -> Self {
        Self { parallel: 10 }
    }
}

impl PlanRun {
    /// A plan of which nothing has run.
    pub fn new(plan: CheckedPlan) -> Self {
        Self { plan, outcomes: BTreeMap::new() }
    }

    /// A plan of which some steps have ended well before, elsewhere perhaps. Steps that it does not
    /// have count for nothing.
    pub fn resumed(plan: CheckedPlan, mut outcomes: BTreeMap<String, StepOutcome>) -> Self {
        outcomes.retain(|step, _| plan.step(step).is_some());
        Self { plan, outcomes }
    }

    /// The plan.
    pub fn plan(&self) -> &CheckedPlan {
        &self.plan
    }

    /// What became of the steps that have ended, by name.
    pub fn outcomes(&self) -> &BTreeMap<String, StepOutcome> {
        &self.outcomes
    }

    /// What a step returned, if it ended well.
    pub fn output(&self, step: &str) -> Option<&Value> {
        match self.outcomes.get(step) {
            Some(StepOutcome::Done(value)) => Some(value),
            _ => None,
        }
    }

    /// Whether all steps ended well.
    pub fn is_done(&self) -> bool {
        self.plan.plan.steps.iter().all(|step| self.output(&step.id).is_some())
    }

    /// Runs what has not ended well yet. Returns whether all steps did.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the calls that are running; their steps count as not run.
    pub async fn execute(&mut self, tools: &dyn Toolset) -> bool {
        self.execute_with(tools, ExecuteOptions::default(), |_, _| {}).await
    }

    /// As [`execute`](Self::execute); `observer` sees the run after each step that ended, with the
    /// step's name, so that it can be written down.
    pub async fn execute_with(
        &mut self,
        tools: &dyn Toolset,
        options: ExecuteOptions,
        mut observer: impl FnMut(&Self, &str) + Send,
    ) -> bool {
        self.outcomes.retain(|_, outcome| matches!(outcome, StepOutcome::Done(_)));
        for wave in self.plan.waves().to_vec() {
            let due: Vec<PlanStep> = wave
                .iter()
                .filter(|id| !self.outcomes.contains_key(*id))
                .filter_map(|id| self.plan.step(id).cloned())
                .collect();
            let (blocked, due): (Vec<_>, Vec<_>) = due
                .into_iter()
                .map(|step| (self.blocker(&step.id), step))
                .partition(|(b, _)| b.is_some());
            for (because_of, step) in blocked {
                let because_of = because_of.unwrap_or_default();
                self.outcomes.insert(step.id.clone(), StepOutcome::Skipped { because_of });
                observer(self, &step.id);
            }
            let prepared: Vec<_> = {
                let outputs = self.outputs();
                due.into_iter()
                    .map(|(_, step)| {
                        let call = prepare(&step, tools, &outputs);
                        (step.id, call)
                    })
                    .collect()
            };
            let calls = prepared.into_iter().map(|(id, call)| async move {
                let outcome = match call {
                    Ok(call) => run(call, tools).await,
                    Err(reason) => StepOutcome::Failed { reason },
                };
                (id, outcome)
            });
            let mut running = stream::iter(calls).buffer_unordered(options.parallel.max(1));
            while let Some((id, outcome)) = running.next().await {
                self.outcomes.insert(id.clone(), outcome);
                observer(self, &id);
            }
        }
        self.is_done()
    }

    /// The failed step that keeps this one from running.
    fn blocker(&self, id: &str) -> Option<String> {
        let policy = |step: &str| self.plan.step(step).map(|step| step.on_failure);
        let failed = |outcome: &StepOutcome| matches!(outcome, StepOutcome::Failed { .. });
        let stopping = self
            .outcomes
            .iter()
            .find(|(step, outcome)| failed(outcome) && policy(step) == Some(OnFailure::Stop));
        if let Some((step, _)) = stopping {
            return Some(step.clone());
        }
        self.plan.needs.get(id).into_iter().flatten().find_map(|need| {
            match self.outcomes.get(need) {
                Some(StepOutcome::Failed { .. }) if policy(need) != Some(OnFailure::Continue) => {
                    Some(need.clone())
                }
                Some(StepOutcome::Skipped { because_of }) => Some(because_of.clone()),
                _ => None,
            }
        })
    }

    fn outputs(&self) -> Outputs<'_> {
        let done = self.outcomes.iter().filter_map(|(id, outcome)| match outcome {
            StepOutcome::Done(value) => Some((id.as_str(), value)),
            _ => None,
        });
        done.collect()
    }
}

fn prepare(
    step: &PlanStep,
    tools: &dyn Toolset,
    outputs: &Outputs<'_>,
) -> Result<PreparedCall, String> {
    let catalog = tools.catalog();
    let name = check::tool_named(&step.tool, tools, &catalog);
    let tool = name.as_deref().and_then(|name| catalog.get(name));
    let tool = tool.ok_or_else(|| format!("there is no tool `{}` any more", step.tool))?;
    let mut given = reference::resolve(&step.arguments, outputs).map_err(|e| e.to_string())?;
    let schema: Value = tool.parameters.parse().unwrap_or_default();
    arguments::coerce(&schema, &mut given);
    arguments::check(&tool.parameters, &given).map_err(|error| error.to_string())?;
    Ok(PreparedCall::new(step.id.as_str(), tool.name.as_str(), given))
}

async fn run(call: PreparedCall, tools: &dyn Toolset) -> StepOutcome {
    match tools.call(call, Arc::new(|_| {})).await {
        Ok(output) if output.is_error => StepOutcome::Failed { reason: output.to_text() },
        Ok(output) => StepOutcome::Done(value_of(&output)),
        Err(error) => StepOutcome::Failed { reason: error.explain() },
    }
}

fn value_of(output: &ToolOutput) -> Value {
    if let Some(value) = output.structured.as_ref().and_then(|raw| raw.parse().ok()) {
        return value;
    }
    if let [Part::Json(value)] = output.content.as_slice() {
        return value.clone();
    }
    let text = output.to_text();
    match serde_json::from_str(&text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => value,
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests;
