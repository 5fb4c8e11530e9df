//! Answers of a certain shape, with tools at the same time.
//!
//! However the model is asked for it, the answer is checked here, and one that does not fit goes
//! back with what is wrong, a bounded number of times.

use mcp_client::{SchemaError, SchemaValidator};
use mcp_protocol::raw::RawJson;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Outcome, Run, State, Stop};
use crate::{
    model::{Message, ModelRequest, OutputSchema, Role, ToolCall, ToolDefinition},
    toolbox::{ToolOutput, arguments},
};

/// The name of the tool by which the model gives its answer.
pub const ANSWER_TOOL: &str = "final_answer";

/// The shape that the answer of a run must have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExpectedOutput {
    /// A word for the shape, such as `weather_report`.
    pub name: String,
    /// A JSON Schema.
    pub schema: RawJson,
    /// How the model is asked for it.
    pub mode: OutputMode,
    /// How often an answer that does not fit goes back.
    pub max_retries: u32,
}

/// How a model is asked for an answer of a certain shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutputMode {
    /// [`Native`](Self::Native) where the model's provider can, else [`Tool`](Self::Tool).
    #[default]
    Auto,
    /// The provider holds the model to the schema.
    Native,
    /// The answer is the call of a tool, [`ANSWER_TOOL`], whose parameters are the schema.
    Tool,
    /// The schema is among the rules.
    Prompted,
}

impl ExpectedOutput {
    /// An answer of this shape, whichever way the model can.
    pub fn new(name: impl Into<String>, schema: impl Into<RawJson>) -> Self {
        let fits = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let name: String = name.into().chars().map(fits).take(64).collect();
        Self {
            name: if name.is_empty() { "answer".to_owned() } else { name },
            schema: schema.into(),
            mode: OutputMode::Auto,
            max_retries: 2,
        }
    }

    /// As a provider is told.
    pub fn to_schema(&self) -> OutputSchema {
        OutputSchema { name: self.name.clone(), schema: self.schema.clone() }
    }

    /// The answer as JSON, or what is wrong with it.
    fn read(&self, text: &str) -> Result<Value, String> {
        let value = serde_json::from_str(text)
            .or_else(|_| serde_json::from_str(unfenced(text)))
            .map_err(|error| format!("it is no JSON: {error}"))?;
        self.check(value)
    }

    fn check(&self, value: Value) -> Result<Value, String> {
        let check = || -> Result<(), SchemaError> {
            SchemaValidator::compile(&self.schema)?.check(&RawJson::from(value.clone()))
        };
        check().map_err(|error| error.to_string())?;
        Ok(value)
    }

    fn tool(&self) -> ToolDefinition {
        ToolDefinition {
            name: ANSWER_TOOL.to_owned(),
            description: "Gives the final answer. Call this, alone, as soon as you know it."
                .to_owned(),
            parameters: self.schema.clone(),
        }
    }

    /// Puts the wish for the shape into a request.
    pub(super) fn ask(&self, request: &mut ModelRequest) {
        match self.mode {
            OutputMode::Auto | OutputMode::Native => request.output = Some(self.to_schema()),
            OutputMode::Tool => {
                request.tools = request.tools.iter().cloned().chain([self.tool()]).collect();
            }
            OutputMode::Prompted => {
                let rules = request.messages.iter().take_while(|said| said.role == Role::System);
                let text = format!(
                    "Your final answer must be one JSON value, without any other words, that is \
                     valid for this JSON Schema:\n{}",
                    self.schema
                );
                let place = rules.count();
                request.messages.insert(place, Message::system(text));
            }
        }
    }
}

/// Many models put a fence of Markdown around their JSON, and some words before or after it. Of
/// several fences none is the answer.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let mut pieces = text.split("```");
    match (pieces.next(), pieces.next(), pieces.next(), pieces.next()) {
        (Some(_), Some(inside), Some(_), None) => {
            inside.strip_prefix("json").unwrap_or(inside).trim()
        }
        _ => text,
    }
}

impl Run {
    /// The model answered in words: they are the answer, if they have the shape that is expected.
    pub(super) fn take_answer(&mut self, text: String) {
        let Some(expected) = &self.settings.output else {
            self.state = State::Done(Outcome::Final { text });
            return;
        };
        let by_tool = expected.mode == OutputMode::Tool;
        match expected.read(&text) {
            Ok(value) => self.state = State::Done(Outcome::Final { text: value.to_string() }),
            Err(problem) if self.may_correct(&problem) => {
                let how = if by_tool {
                    format!("Call `{ANSWER_TOOL}` with it.")
                } else {
                    "Answer again, with the JSON alone.".to_owned()
                };
                self.transcript.push_user(format!("The answer cannot be used: {problem}. {how}"));
                self.state = State::Model;
            }
            Err(problem) => self.stop(Stop::InvalidOutput { problem }),
        }
    }

    /// Whether the answer is the call of a tool.
    pub(super) fn answers_by_tool(&self) -> bool {
        self.settings.output.as_ref().is_some_and(|expected| expected.mode == OutputMode::Tool)
    }

    /// The model called the tool that gives the answer. `true` when nothing else is to be done.
    pub(super) fn take_answer_call(&mut self) -> bool {
        if !self.answers_by_tool() {
            return false;
        }
        let call = self.transcript.pending().find(|call| call.name == ANSWER_TOOL).cloned();
        let Some(call) = call else { return false };
        match self.read_answer_call(&call) {
            Ok(value) => {
                let _ = self.transcript.complete(&call.id, ToolOutput::text("Thank you."));
                self.transcript.cancel_pending("the answer was given");
                self.plans.clear();
                self.state = State::Done(Outcome::Final { text: value.to_string() });
                true
            }
            Err(problem) if self.may_correct(&problem) => {
                let told = format!("The answer cannot be used: {problem}. Call again.");
                let _ = self.transcript.complete(&call.id, ToolOutput::error(told));
                if self.transcript.pending().next().is_none() {
                    self.state = State::Model;
                    return true;
                }
                false
            }
            Err(problem) => {
                self.transcript.cancel_pending("the answer cannot be used");
                self.stop(Stop::InvalidOutput { problem });
                true
            }
        }
    }

    fn read_answer_call(&self, call: &ToolCall) -> Result<Value, String> {
        let Some(expected) = &self.settings.output else { return Ok(Value::Null) };
        let mut read = arguments::parse(&call.arguments).map_err(|error| error.to_string())?;
        if let Ok(schema) = expected.schema.parse() {
            arguments::coerce(&schema, &mut read);
        }
        expected.check(Value::Object(read))
    }

    /// Counts a correction, if there may be one more.
    fn may_correct(&mut self, problem: &str) -> bool {
        let allowed = self.settings.output.as_ref().map_or(0, |expected| expected.max_retries);
        if self.corrections >= allowed || self.overspent().is_some() {
            return false;
        }
        self.corrections += 1;
        tracing::debug!(problem, corrections = self.corrections, "the answer goes back");
        true
    }
}
