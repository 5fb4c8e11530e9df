//! A plan written by a model.

use std::fmt::Write as _;

use serde_json::Value;

use super::{CheckedPlan, Plan, PlanError, check::Fields};
use crate::{
    model::{
        ChatModel, Message, ModelError, ModelRequest, Part, ToolCall, ToolChoice, ToolDefinition,
        ToolResult,
    },
    toolbox::{Toolset, arguments},
};

const SUBMIT: &str = "submit_plan";

/// Two steps, of which one uses the other's result, as a text.
const EXAMPLE: &str = r#"{"goal": "Mail Ada the weather", "steps": [{"id": "sky", "purpose": "what it is like", "tool": "weather", "arguments": {"city": "Oslo"}}, {"id": "send", "purpose": "tell her", "tool": "mail", "arguments": {"to": "Ada", "text": "Today: {{sky}}"}}]}"#;

/// There is no plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The model could not be asked.
    #[error("the model could not be asked for a plan")]
    Model(#[from] ModelError),
    /// What the model wrote is no plan, not even after it was told what is wrong.
    #[error("the model wrote no plan: {0}")]
    NoPlan(String),
    /// What the model wrote cannot run, not even after it was told what is wrong.
    #[error("the model's plan cannot run")]
    Invalid(#[from] PlanError),
}

/// Asks a model for a plan that uses these tools, and checks it: beside what [`Plan::check`] finds,
/// it may use only those fields of results that a tool's output schema names, if that names any. A
/// plan that cannot run goes back with all that is wrong with it, at most twice. Nothing is run: show the plan first.
///
/// # Errors
/// The model failed, or did not write a plan that can run.
///
/// # Cancel safety
/// Dropping the future abandons the answer.
pub async fn ask(
    model: &dyn ChatModel,
    goal: &str,
    tools: &dyn Toolset,
) -> Result<CheckedPlan, AskError> {
    const ATTEMPTS: usize = 3;
    let mut request = ModelRequest::new(vec![
        Message::system(instructions(tools)),
        Message::user(format!("The goal: {goal}")),
    ]);
    request.tools = [definition()].into();
    request.tool_choice = ToolChoice::Named(SUBMIT.to_owned());
    let mut problem = AskError::NoPlan("it was not asked".to_owned());
    for _ in 0..ATTEMPTS {
        let response = model.respond(&request).await?;
        let call = response.parts.iter().find_map(|part| match part {
            Part::ToolCall(call) => Some(call.clone()),
            _ => None,
        });
        problem = match &call {
            None => AskError::NoPlan(format!("it answered in words: {}", response.text())),
            Some(call) => match read(call) {
                Err(reason) => AskError::NoPlan(reason),
                Ok(mut plan) => {
                    if plan.goal.is_empty() {
                        goal.clone_into(&mut plan.goal);
                    }
                    match plan.check_with(tools, Fields::Named) {
                        Ok(plan) => return Ok(plan),
                        Err(error) => error.into(),
                    }
                }
            },
        };
        let told = match &problem {
            AskError::Invalid(error) => error.to_string(),
            other => other.to_string(),
        };
        // One call, one result: what else was called is not repeated.
        match call {
            Some(call) => {
                let result = ToolResult {
                    call_id: call.id.clone(),
                    name: call.name.clone(),
                    content: vec![Part::Text(told)],
                    is_error: true,
                };
                request.messages.push(Message::assistant(vec![Part::ToolCall(call)]));
                request.messages.push(Message::tool(vec![result]));
            }
            None => request.messages.push(Message::user(format!("{told}. Call {SUBMIT}."))),
        }
    }
    Err(problem)
}

fn read(call: &ToolCall) -> Result<Plan, String> {
    let arguments = arguments::parse(&call.arguments).map_err(|error| error.to_string())?;
    serde_json::from_value(Value::Object(arguments)).map_err(|error| error.to_string())
}

fn definition() -> ToolDefinition {
    ToolDefinition {
        name: SUBMIT.to_owned(),
        description: "Hands in the plan.".to_owned(),
        parameters: schemars::schema_for!(Plan).to_value().into(),
    }
}

fn instructions(tools: &dyn Toolset) -> String {
    let mut text = format!(
        "Write a plan of tool calls that reaches the goal, and hand it in with {SUBMIT}. Steps \
         that do not need each other run side by side. Never work a result out yourself: an \
         argument takes the result of another step. \"{{{{id}}}}\" is the whole result of the \
         step `id`, also within a longer text; where a tool's result has fields, \
         \"{{{{id.field}}}}\" is one of them. For example, with tools `weather` and `mail`: {EXAMPLE}\n\
         Use only these tools, by their exact names:\n"
    );
    let snapshot = tools.snapshot();
    for tool in &*snapshot.tools {
        let ToolDefinition { name, description, parameters } = tool;
        let result = match tools.facts(name).output_schema {
            Some(schema) => schema.to_string(),
            None => "a text".to_owned(),
        };
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "- {name}: {description}\n  arguments: {parameters}\n  result: {result}"
        );
    }
    text
}
