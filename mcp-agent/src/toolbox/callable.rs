//! Tools as functions of this program.

use std::{fmt, marker::PhantomData, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{PreparedCall, ToolError, ToolOutput, Toolset, arguments};
use crate::model::{Part, ToolDefinition};

/// One tool as an async function.
///
/// ```
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use mcp_agent::toolbox::{Callable, Json, LocalTools};
///
/// #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// struct Add { a: i64, b: i64 }
///
/// let tools = LocalTools::new().tool("add", "Adds.", |add: Add| async move { Json(add.a + add.b) });
/// let add = Callable::of(tools, "add")?.typed::<Add, i64>();
/// assert_eq!(add.call(&Add { a: 40, b: 2 }).await?, 42);
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(example())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Callable {
    tools: Arc<dyn Toolset>,
    definition: ToolDefinition,
}

/// A tool as a function from one Rust type to another.
pub struct TypedCallable<A, O> {
    callable: Callable,
    types: PhantomData<fn(A) -> O>,
}

/// A call of a [`Callable`] brought nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallableError {
    /// The arguments are no JSON object.
    #[error("the arguments of `{tool}` are not a JSON object")]
    NoObject {
        /// The tool.
        tool: String,
    },
    /// The arguments do not fit; nothing was called.
    #[error("`{tool}` was not called")]
    Arguments {
        /// The tool.
        tool: String,
        /// What does not fit.
        source: arguments::ArgumentsError,
    },
    /// The tool could not be run.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// The tool says what went wrong.
    #[error("`{tool}` failed: {message}")]
    Failed {
        /// The tool.
        tool: String,
        /// In the tool's words.
        message: String,
    },
    /// The result is of another type.
    #[error("the result of `{tool}` has another shape")]
    Result {
        /// The tool.
        tool: String,
        /// Why.
        source: serde_json::Error,
    },
}

impl Callable {
    /// One tool of a set, by its name in the set's catalog.
    ///
    /// # Errors
    /// There is no such tool.
    pub fn of(tools: impl Toolset + 'static, name: &str) -> Result<Self, ToolError> {
        let definition = tools.catalog().get(name).cloned();
        let definition = definition.ok_or_else(|| ToolError::Unknown { name: name.to_owned() })?;
        Ok(Self { tools: Arc::new(tools), definition })
    }

    /// All tools that a set offers, by name.
    pub fn all(tools: impl Toolset + 'static) -> Vec<Self> {
        let tools: Arc<dyn Toolset> = Arc::new(tools);
        let offered = Arc::clone(&tools.snapshot().tools);
        let callables = offered
            .iter()
            .map(|definition| Self { tools: Arc::clone(&tools), definition: definition.clone() });
        callables.collect()
    }

    /// The tool's name, description and schema.
    pub fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    /// Calls the tool after its arguments were coerced and checked by its schema.
    ///
    /// # Errors
    /// The arguments do not fit, or the tool could not be run. What went wrong *in* the tool is an
    /// output with `is_error`.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the call.
    pub async fn call(&self, arguments: impl Serialize) -> Result<ToolOutput, CallableError> {
        let tool = || self.definition.name.clone();
        let mut given: Map<String, Value> = match serde_json::to_value(arguments) {
            Ok(Value::Object(given)) => given,
            Ok(Value::Null) => Map::new(),
            _ => return Err(CallableError::NoObject { tool: tool() }),
        };
        if let Ok(schema) = self.definition.parameters.parse() {
            arguments::coerce(&schema, &mut given);
        }
        arguments::check(&self.definition.parameters, &given)
            .map_err(|source| CallableError::Arguments { tool: tool(), source })?;
        let call = PreparedCall::new(tool(), tool(), given);
        Ok(self.tools.call(call, Arc::new(|_| {})).await?)
    }

    /// The same with Rust types for arguments and result.
    pub fn typed<A: Serialize, O: DeserializeOwned>(self) -> TypedCallable<A, O> {
        TypedCallable { callable: self, types: PhantomData }
    }
}

impl<A: Serialize, O: DeserializeOwned> TypedCallable<A, O> {
    /// Calls the tool and reads its result: structured content, else a text that is JSON, else the
    /// text itself.
    ///
    /// # Errors
    /// As [`Callable::call`]; the tool failed; the result has another shape than `O`.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the call.
    pub async fn call(&self, arguments: &A) -> Result<O, CallableError> {
        let output = self.callable.call(arguments).await?;
        let tool = || self.callable.definition.name.clone();
        if output.is_error {
            return Err(CallableError::Failed { tool: tool(), message: output.to_text() });
        }
        let shaped = |source| CallableError::Result { tool: tool(), source };
        if let Some(structured) = &output.structured {
            return structured.parse().map_err(shaped);
        }
        if let [Part::Json(value)] = output.content.as_slice() {
            return O::deserialize(value).map_err(shaped);
        }
        let text = output.to_text();
        serde_json::from_str(&text)
            .or_else(|error| serde_json::from_value(Value::String(text)).map_err(|_| shaped(error)))
    }
}

impl<A, O> Clone for TypedCallable<A, O> {
    fn clone(&self) -> Self {
        Self { callable: self.callable.clone(), types: PhantomData }
    }
}

impl<A, O> fmt::Debug for TypedCallable<A, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedCallable").field(&self.callable.definition.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::toolbox::LocalTools;

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct City {
        name: String,
    }

    #[tokio::test]
    async fn arguments_are_checked_and_errors_are_typed() {
        let tools = LocalTools::new().tool("weather", "The weather.", |city: City| async move {
            if city.name == "Atlantis" { Err("under water") } else { Ok("sunny") }
        });
        let weather = Callable::all(tools).remove(0);
        let error = weather.call(json!({})).await.unwrap_err();
        assert!(matches!(error, CallableError::Arguments { .. }), "{error:?}");
        let weather = weather.typed::<Value, String>();
        assert_eq!(weather.call(&json!({"name": "Rome"})).await.unwrap(), "sunny");
        let error = weather.call(&json!({"name": "Atlantis"})).await.unwrap_err();
        assert_eq!(error.to_string(), "`weather` failed: under water");
        let error = weather.call(&json!("Rome")).await.unwrap_err();
        assert!(matches!(error, CallableError::NoObject { .. }), "{error:?}");
    }
}
