//! Checking tool calls by choice of the caller.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use mcp_protocol::{
    raw::RawJson,
    tools::{CallToolParams, CallToolResult, Tool},
};

use super::{SchemaError, SchemaValidator};
use crate::{CallError, CallErrorKind, CallTool, Client};

/// What of a tool call is checked against the tool's schemas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Validate {
    /// Nothing: the server checks what it wants.
    #[default]
    Nothing,
    /// The arguments, before they are sent.
    Arguments,
    /// The structured result, where the tool promises one. Error results are not checked.
    Result,
    /// Both.
    Both,
}

impl Validate {
    fn arguments(self) -> bool {
        matches!(self, Self::Arguments | Self::Both)
    }

    fn result(self) -> bool {
        matches!(self, Self::Result | Self::Both)
    }
}

/// The compiled schemas of one server's tools.
#[derive(Debug, Default)]
pub(crate) struct ToolSchemas(Mutex<BTreeMap<String, Arc<Compiled>>>);

/// The schemas of a tool as texts, to see whether they changed, and what was made of them.
#[derive(Debug)]
pub(crate) struct Compiled {
    texts: (RawJson, Option<RawJson>),
    input: Result<SchemaValidator, SchemaError>,
    output: Option<Result<SchemaValidator, SchemaError>>,
}

impl ToolSchemas {
    fn of(&self, tool: &Tool) -> Arc<Compiled> {
        let texts = (tool.input_schema.clone(), tool.output_schema.clone());
        let known = {
            let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(&tool.name).cloned()
        };
        if let Some(known) = known.filter(|known| known.texts == texts) {
            return known;
        }
        let compiled = Arc::new(Compiled {
            input: SchemaValidator::compile(&texts.0),
            output: texts.1.as_ref().map(SchemaValidator::compile),
            texts,
        });
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(tool.name.clone(), Arc::clone(&compiled));
        compiled
    }
}

impl CallTool<'_> {
    /// Checks the call against the tool's schemas, which are listed first where the cache does not
    /// have them. A tool that is not listed is called unchecked. To be said before
    /// [`detached`](Self::detached) and [`stepwise`](Self::stepwise): the handle or the questions
    /// that these give carry the schema of the result, and [`Client::resume_task`] and
    /// [`Client::answer`] check by it what comes in the end.
    pub fn validate(mut self, choice: Validate) -> Self {
        self.options_mut().validate = choice;
        self
    }
}

/// Checks arguments before they are sent.
pub(crate) async fn check_arguments(
    client: &Client,
    choice: Validate,
    call: &CallToolParams,
) -> Result<Option<Arc<Compiled>>, CallError> {
    if choice == Validate::Nothing {
        return Ok(None);
    }
    let listing = client.list_tools().await?;
    let Some(tool) = listing.items.iter().find(|known| known.name == call.name) else {
        return Ok(None);
    };
    let compiled = client.0.tool_schemas.of(tool);
    if choice.arguments() {
        let empty = RawJson::from(serde_json::json!({}));
        let outcome = match &compiled.input {
            Ok(validator) => check(validator, call.arguments.as_ref().unwrap_or(&empty)).await,
            Err(error) => Err(error.clone()),
        };
        outcome.map_err(|error| {
            client.link().error(CallErrorKind::InvalidArguments(error), "tools/call")
        })?;
    }
    Ok(choice.result().then_some(compiled))
}

/// Checks a value without holding up the task's thread.
async fn check(validator: &SchemaValidator, value: &RawJson) -> Result<(), SchemaError> {
    if validator.is_quick(value) {
        return validator.check(value);
    }
    let (validator, value) = (validator.clone(), value.clone());
    let checking = tokio::task::spawn_blocking(move || validator.check(&value));
    checking.await.unwrap_or_else(|error| {
        Err(SchemaError::Unusable { reason: format!("the check broke off: {error}") })
    })
}

/// The schema of a result that is to be checked later, as it came from the server.
pub(crate) fn promised(compiled: Option<&Compiled>) -> Option<RawJson> {
    compiled.and_then(|compiled| compiled.texts.1.clone())
}

/// Checks a structured result against a schema that was kept since the call.
pub(crate) async fn check_promised(
    client: &Client,
    schema: Option<&RawJson>,
    result: &CallToolResult,
) -> Result<(), CallError> {
    match schema.map(SchemaValidator::compile) {
        Some(validator) => check_with(client, &validator, result).await,
        None => Ok(()),
    }
}

/// Checks a structured result.
pub(crate) async fn check_result(
    client: &Client,
    compiled: Option<&Compiled>,
    result: &CallToolResult,
) -> Result<(), CallError> {
    match compiled.and_then(|compiled| compiled.output.as_ref()) {
        Some(validator) => check_with(client, validator, result).await,
        None => Ok(()),
    }
}

async fn check_with(
    client: &Client,
    validator: &Result<SchemaValidator, SchemaError>,
    result: &CallToolResult,
) -> Result<(), CallError> {
    if result.is_error {
        return Ok(());
    }
    let outcome = match (validator, &result.structured_content) {
        (Ok(validator), Some(structured)) => check(validator, structured).await,
        (Ok(_), None) => Err(SchemaError::Unusable {
            reason: "the tool promises structured content and gives none".to_owned(),
        }),
        (Err(error), _) => Err(error.clone()),
    };
    outcome.map_err(|error| client.link().error(CallErrorKind::InvalidResult(error), "tools/call"))
}
