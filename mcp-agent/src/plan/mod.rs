//! Plans: steps of tool calls that use each other's results, checked before anything runs.
//!
//! ```
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use mcp_agent::{plan::{Plan, PlanRun}, toolbox::{Json, LocalTools}};
//! use serde_json::json;
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! struct Pair { a: i64, b: i64 }
//!
//! let tools = LocalTools::new()
//!     .tool("add", "Adds.", |p: Pair| async move { Json(json!({"sum": p.a + p.b})) });
//! let plan: Plan = serde_json::from_value(json!({"goal": "1 + 2 + 3", "steps": [
//!     {"id": "first", "tool": "add", "arguments": {"a": 1, "b": 2}},
//!     {"id": "second", "tool": "add", "arguments": {"a": "{{first.sum}}", "b": 3}},
//! ]}))?;
//! let mut run = PlanRun::new(plan.check(&tools)?);
//! run.execute(&tools).await;
//! assert_eq!(run.output("second").unwrap(), &json!({"sum": 6}));
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(example())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ask;
mod check;
mod declared;
mod execute;
mod reference;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::{
    ask::{AskError, ask},
    check::{CheckedPlan, PlanError, PlanProblem},
    execute::{ExecuteOptions, PlanRun, StepOutcome},
    reference::ReferenceError,
};

/// Steps towards a goal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What is to be reached.
    #[serde(default)]
    pub goal: String,
    /// In any order; what they need of each other decides when each runs.
    pub steps: Vec<PlanStep>,
}

/// One call of a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanStep {
    /// A name for the step, by which others refer to it: letters, digits, `_` and `-`.
    pub id: String,
    /// Why it is needed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    /// The tool, by the name under which it is offered or as `server.tool`.
    pub tool: String,
    /// Its arguments. A text may take results of other steps: `{{step}}` is the whole result,
    /// `{{step.field.0}}` or, by JSON pointer, `{{step#/field/0}}` a part of it. A result that is
    /// neither an object nor a list is `{{step.result}}` and `{{step.text}}` too. A text that is
    /// nothing but one of these becomes the value itself.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// Steps that must have ended before, beside those whose results are used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// What happens to the others when it fails.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// What happens to the other steps when one fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnFailure {
    /// No further step begins.
    #[default]
    Stop,
    /// Steps that need it are skipped, others run.
    Skip,
    /// Steps that need it run with `null` in place of its result.
    Continue,
}

/// Values of steps that have ended well, by step.
type Outputs<'a> = BTreeMap<&'a str, &'a Value>;
