//! Answers as values of a Rust type.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Agent, AgentError, Finished};
use crate::{
    model::Parts,
    run::{ExpectedOutput, OutputMode},
    toolbox::schema_of,
};

/// There is no value of the type.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TypedError {
    /// The run could not go on.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The run ended without an answer, or waits for a person. What there is, is in the outcome.
    #[error("there is no answer: {}", describe(.0))]
    NoAnswer(Box<Finished>),
    /// The answer fits the schema of the type, but the type does not take it.
    #[error("the answer fits its schema, but not the type")]
    Unreadable {
        /// Why.
        #[source]
        source: serde_json::Error,
        /// The answer and all that led to it.
        finished: Box<Finished>,
    },
}

fn describe(finished: &Finished) -> String {
    match &finished.outcome {
        crate::run::Outcome::Stopped { why, .. } => why.to_string(),
        _ => "the run is not over".to_owned(),
    }
}

impl Agent {
    /// Asks for an answer that is a value of this type, with tools at the same time.
    ///
    /// The schema of the type goes to the model in the best way that its provider has; the answer
    /// is checked against it, and one that does not fit goes back a few times.
    ///
    /// ```
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use mcp_agent::{Agent, model::scripted::{Scene, ScriptedModel}};
    ///
    /// #[derive(Debug, PartialEq, serde::Deserialize, schemars::JsonSchema)]
    /// struct City { name: String, people: u32 }
    ///
    /// let model = ScriptedModel::new([
    ///     Scene::call("final_answer", r#"{"name": "Rome"}"#),
    ///     Scene::call("final_answer", r#"{"name": "Rome", "people": 2746984}"#),
    /// ]);
    /// let city: City = Agent::builder(model).build().ask("What is the capital of Italy?").await?;
    /// assert_eq!(city, City { name: "Rome".into(), people: 2_746_984 });
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(example())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// There is no answer that fits; the error holds what there is.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the model's answer and the tools that are running.
    pub async fn ask<T: DeserializeOwned + JsonSchema>(
        &self,
        prompt: impl Into<Parts>,
    ) -> Result<T, TypedError> {
        let finished = self.expecting(ExpectedOutput::of::<T>()).run(prompt).await?;
        if !finished.outcome.is_final() {
            return Err(TypedError::NoAnswer(Box::new(finished)));
        }
        serde_json::from_str(finished.outcome.text())
            .map_err(|source| TypedError::Unreadable { source, finished: Box::new(finished) })
    }

    /// The same agent, whose answers have this shape: the text of a final outcome is JSON that is
    /// valid for the schema.
    #[must_use]
    pub fn expecting(&self, output: ExpectedOutput) -> Self {
        let mut shared = self.0.as_ref().clone();
        shared.settings.output = Some(output);
        Self(shared.into())
    }

    /// Settles how the model is asked for the shape of its answer.
    pub(super) fn settled(&self, output: &ExpectedOutput, with_tools: bool) -> ExpectedOutput {
        let mut output = output.clone();
        if output.mode == OutputMode::Auto {
            let native = self.0.model.takes_output(&output.to_schema(), with_tools);
            output.mode = if native { OutputMode::Native } else { OutputMode::Tool };
        }
        output
    }
}

impl ExpectedOutput {
    /// The shape of a Rust type.
    pub fn of<T: JsonSchema>() -> Self {
        Self::new(T::schema_name(), Value::from(schema_of::<T>()))
    }
}
