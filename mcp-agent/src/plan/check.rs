//! Whether a plan can run, before anything runs.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Plan, PlanStep,
    declared::{Lead, lead},
    reference,
};
use crate::toolbox::{ToolSnapshot, Toolset, arguments};

/// A plan whose steps can run in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckedPlan {
    pub(super) plan: Plan,
    /// What each step waits for.
    pub(super) needs: BTreeMap<String, BTreeSet<String>>,
    waves: Vec<Vec<String>>,
}

/// The plan cannot run; nothing has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plan cannot run: {}", .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct PlanError {
    /// All that is wrong with it.
    pub problems: Vec<PlanProblem>,
}

/// One thing that is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanProblem {
    /// It has no steps.
    #[error("it has no steps")]
    Empty,
    /// Two steps have the same name, or one has a name that cannot be referred to.
    #[error("`{step}` cannot be the name of a step, or is the name of two")]
    Name {
        /// The name.
        step: String,
    },
    /// A step needs one that is not there.
    #[error("`{step}` needs `{missing}`, which is no step of the plan")]
    MissingDependency {
        /// The step.
        step: String,
        /// What it needs.
        missing: String,
    },
    /// Steps wait for each other.
    #[error("these steps wait for each other: {}", .steps.join(", "))]
    Cycle {
        /// All that can never begin.
        steps: Vec<String>,
    },
    /// There is no such tool.
    #[error("`{step}` calls `{tool}`, which is no tool")]
    UnknownTool {
        /// The step.
        step: String,
        /// The tool.
        tool: String,
    },
    /// A reference in the arguments is not one.
    #[error("`{step}`: {reason}")]
    Reference {
        /// The step.
        step: String,
        /// What is wrong.
        reason: reference::ReferenceError,
    },
    /// A reference leads to what the result of its step never has, as the tool's output schema
    /// says.
    #[error("`{step}`: `{{{{{reference}}}}}` leads nowhere: the result of `{of}` is {shape}")]
    LeadsNowhere {
        /// The step.
        step: String,
        /// As it stands in the arguments.
        reference: String,
        /// The step whose result is meant.
        of: String,
        /// What is there instead.
        shape: String,
    },
    /// Arguments that wait for no result do not fit the tool's schema.
    #[error("`{step}`: {reason}")]
    Arguments {
        /// The step.
        step: String,
        /// What is wrong.
        reason: arguments::ArgumentsError,
    },
}

/// Which fields of a result may be used, where the tool has an output schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fields {
    /// Those that the schema names, and those that it does not forbid.
    Possible,
    /// Those that it names, if it names any.
    Named,
}

impl Plan {
    /// Finds everything that would stop the plan: missing steps and tools, circles, arguments that
    /// do not fit, and references to what a result never has, as far as the schemas of results
    /// tell.
    ///
    /// # Errors
    /// All that was found.
    pub fn check(self, tools: &dyn Toolset) -> Result<CheckedPlan, PlanError> {
        self.check_with(tools, Fields::Possible)
    }

    pub(super) fn check_with(
        self,
        tools: &dyn Toolset,
        fields: Fields,
    ) -> Result<CheckedPlan, PlanError> {
        let mut problems = Vec::new();
        if self.steps.is_empty() {
            problems.push(PlanProblem::Empty);
        }
        let mut names = BTreeSet::new();
        for step in &self.steps {
            let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
            if step.id.is_empty() || !step.id.chars().all(is_name) || !names.insert(&step.id) {
                problems.push(PlanProblem::Name { step: step.id.clone() });
            }
        }
        let catalog = tools.catalog();
        let mut needs = BTreeMap::new();
        for step in &self.steps {
            let used = reference::steps_in(&step.arguments).unwrap_or_else(|reason| {
                problems.push(PlanProblem::Reference { step: step.id.clone(), reason });
                BTreeSet::new()
            });
            let has_references = !used.is_empty();
            let mut waits_for = used;
            waits_for.extend(step.depends_on.iter().cloned());
            for missing in waits_for.iter().filter(|name| !names.contains(name)) {
                let (step, missing) = (step.id.clone(), missing.clone());
                problems.push(PlanProblem::MissingDependency { step, missing });
            }
            waits_for.retain(|name| names.contains(name));
            needs.insert(step.id.clone(), waits_for);
            check_call(step, has_references, tools, &catalog, &mut problems);
        }
        self.check_references(fields, tools, &catalog, &mut problems);
        let waves = waves(&needs).unwrap_or_else(|steps| {
            problems.push(PlanProblem::Cycle { steps });
            Vec::new()
        });
        if problems.is_empty() {
            Ok(CheckedPlan { plan: self, needs, waves })
        } else {
            Err(PlanError { problems })
        }
    }

    /// Finds references to what the results of other steps do not have.
    fn check_references(
        &self,
        fields: Fields,
        tools: &dyn Toolset,
        catalog: &ToolSnapshot,
        problems: &mut Vec<PlanProblem>,
    ) {
        let schemas: BTreeMap<&str, Value> = self
            .steps
            .iter()
            .filter_map(|step| {
                let name = tool_named(&step.tool, tools, catalog)?;
                Some((step.id.as_str(), tools.facts(&name).output_schema?.parse().ok()?))
            })
            .collect();
        for step in &self.steps {
            // What is no reference was found before.
            for reference in reference::references_in(&step.arguments).unwrap_or_default() {
                let Some(schema) = schemas.get(reference.step) else { continue };
                let shape = match lead(schema, &reference) {
                    Lead::Nowhere(shape) => shape,
                    Lead::Unnamed(shape) if fields == Fields::Named => shape,
                    _ => continue,
                };
                problems.push(PlanProblem::LeadsNowhere {
                    step: step.id.clone(),
                    reference: reference.text.to_owned(),
                    of: reference.step.to_owned(),
                    shape,
                });
            }
        }
    }
}

fn check_call(
    step: &PlanStep,
    has_references: bool,
    tools: &dyn Toolset,
    catalog: &ToolSnapshot,
    problems: &mut Vec<PlanProblem>,
) {
    let Some(name) = tool_named(&step.tool, tools, catalog) else {
        let (step, tool) = (step.id.clone(), step.tool.clone());
        problems.push(PlanProblem::UnknownTool { step, tool });
        return;
    };
    if has_references {
        return;
    }
    if let Some(tool) = catalog.get(&name) {
        let mut given = step.arguments.clone();
        let schema: Value = tool.parameters.parse().unwrap_or_default();
        arguments::coerce(&schema, &mut given);
        if let Err(reason) = arguments::check(&tool.parameters, &given) {
            problems.push(PlanProblem::Arguments { step: step.id.clone(), reason });
        }
    }
}

/// The name of the tool in the catalog.
pub(super) fn tool_named(
    wanted: &str,
    tools: &dyn Toolset,
    catalog: &ToolSnapshot,
) -> Option<String> {
    if catalog.get(wanted).is_some() {
        return Some(wanted.to_owned());
    }
    let mut all = catalog.tools.iter().map(|tool| &tool.name);
    all.find(|name| tools.facts(name).full_name() == wanted).cloned()
}

/// Steps that can run side by side, in order; those that can never run as an error.
fn waves(needs: &BTreeMap<String, BTreeSet<String>>) -> Result<Vec<Vec<String>>, Vec<String>> {
    let mut waves: Vec<Vec<String>> = Vec::new();
    let mut ended: BTreeSet<&String> = BTreeSet::new();
    while ended.len() < needs.len() {
        let waiting = needs.iter().filter(|(step, _)| !ended.contains(step));
        let wave: Vec<&String> = waiting
            .filter(|(_, waits_for)| waits_for.iter().all(|need| ended.contains(need)))
            .map(|(step, _)| step)
            .collect();
        if wave.is_empty() {
            return Err(needs.keys().filter(|step| !ended.contains(step)).cloned().collect());
        }
        ended.extend(&wave);
        waves.push(wave.into_iter().cloned().collect());
    }
    Ok(waves)
}

impl CheckedPlan {
    /// The plan as it was given.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The names of steps that run side by side, in the order in which these groups run.
    pub fn waves(&self) -> &[Vec<String>] {
        &self.waves
    }

    /// A step by its name.
    pub fn step(&self, id: &str) -> Option<&PlanStep> {
        self.plan.steps.iter().find(|step| step.id == id)
    }
}
