//! Rust functions as tools.

use std::{collections::BTreeMap, fmt, future::Future, sync::Arc};

use mcp_protocol::raw::RawJson;
use schemars::{JsonSchema, Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{PreparedCall, ProgressSink, ToolError, ToolOutput, ToolSnapshot, Toolset};
use crate::model::{BoxFuture, Part, ToolDefinition};

/// Rust functions as tools. Their arguments are read into a type whose JSON Schema the model sees.
///
/// ```
/// use mcp_agent::toolbox::LocalTools;
///
/// /// What to add.
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Add {
///     /// The first number.
///     a: i64,
///     /// The second number.
///     b: i64,
/// }
///
/// let tools = LocalTools::new()
///     .tool("add", "Adds two numbers.", |add: Add| async move { (add.a + add.b).to_string() });
/// ```
#[derive(Clone, Default)]
pub struct LocalTools {
    snapshot: Arc<ToolSnapshot>,
    functions: BTreeMap<String, Function>,
}

type Function = Arc<dyn Fn(Value) -> BoxFuture<'static, ToolOutput> + Send + Sync>;

impl LocalTools {
    /// No tools yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function. One of the same name replaces the earlier one.
    ///
    /// The function may return a text, [`Json`], a [`ToolOutput`], or a `Result` with one of these,
    /// whose error becomes an error result that the model reads.
    #[must_use]
    pub fn tool<A, F, R, O>(
        self,
        name: impl Into<String>,
        description: impl Into<String>,
        function: F,
    ) -> Self
    where
        A: DeserializeOwned + JsonSchema,
        F: Fn(A) -> R + Send + Sync + 'static,
        R: Future<Output = O> + Send + 'static,
        O: IntoToolOutput,
    {
        let schema = schema_of::<A>();
        let function = Arc::new(move |arguments: Value| -> BoxFuture<'static, ToolOutput> {
            match serde_json::from_value::<A>(arguments) {
                Ok(arguments) => {
                    let running = function(arguments);
                    Box::pin(async move { running.await.into_tool_output() })
                }
                Err(error) => {
                    let output = ToolOutput::error(format!("invalid arguments: {error}"));
                    Box::pin(std::future::ready(output))
                }
            }
        });
        self.add(name.into(), description.into(), schema.to_value().into(), function)
    }

    /// Adds a function of plain JSON, with a schema that is only known at run time.
    #[must_use]
    pub fn dynamic<F, R, O>(self, definition: ToolDefinition, function: F) -> Self
    where
        F: Fn(Map<String, Value>) -> R + Send + Sync + 'static,
        R: Future<Output = O> + Send + 'static,
        O: IntoToolOutput,
    {
        let function = Arc::new(move |arguments: Value| -> BoxFuture<'static, ToolOutput> {
            let arguments = match arguments {
                Value::Object(arguments) => arguments,
                _ => Map::new(),
            };
            let running = function(arguments);
            Box::pin(async move { running.await.into_tool_output() })
        });
        let ToolDefinition { name, description, parameters } = definition;
        self.add(name, description, parameters, function)
    }

    fn add(
        mut self,
        name: String,
        description: String,
        parameters: RawJson,
        function: Function,
    ) -> Self {
        let mut tools: Vec<_> =
            self.snapshot.tools.iter().filter(|tool| tool.name != name).cloned().collect();
        tools.push(ToolDefinition { name: name.clone(), description, parameters });
        self.snapshot = Arc::new(ToolSnapshot::new(self.snapshot.generation + 1, tools));
        self.functions.insert(name, function);
        self
    }
}

/// The schema of a type, without what says nothing to a model: the name of the Rust type, and
/// how wide its numbers are.
pub(crate) fn schema_of<A: JsonSchema>() -> Schema {
    let mut schema = SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.meta_schema = None;
            settings.inline_subschemas = true;
        })
        .with_transform(RecursiveTransform(|schema: &mut Schema| {
            let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
            if ["int", "uint", "float", "double"].iter().any(|width| format.starts_with(width)) {
                schema.remove("format");
            }
        }))
        .into_generator()
        .into_root_schema_for::<A>();
    schema.remove("title");
    schema
}

impl Toolset for LocalTools {
    fn snapshot(&self) -> Arc<ToolSnapshot> {
        Arc::clone(&self.snapshot)
    }

    fn call(
        &self,
        call: PreparedCall,
        _progress: ProgressSink,
    ) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        let Some(function) = self.functions.get(&call.name) else {
            return Box::pin(std::future::ready(Err(ToolError::Unknown { name: call.name })));
        };
        let running = function(Value::Object(call.arguments));
        Box::pin(async move { Ok(running.await) })
    }
}

impl fmt::Debug for LocalTools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalTools").field(&self.functions.keys().collect::<Vec<_>>()).finish()
    }
}

/// What a Rust function may return as a tool.
pub trait IntoToolOutput {
    /// What the model and people see of it.
    fn into_tool_output(self) -> ToolOutput;
}

/// A value that the model reads as JSON.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl IntoToolOutput for ToolOutput {
    fn into_tool_output(self) -> ToolOutput {
        self
    }
}

impl IntoToolOutput for String {
    fn into_tool_output(self) -> ToolOutput {
        ToolOutput::text(self)
    }
}

impl IntoToolOutput for &str {
    fn into_tool_output(self) -> ToolOutput {
        ToolOutput::text(self)
    }
}

impl<T: Serialize> IntoToolOutput for Json<T> {
    fn into_tool_output(self) -> ToolOutput {
        match serde_json::to_value(&self.0) {
            Ok(value) => ToolOutput::parts(vec![Part::Json(value)]),
            Err(error) => ToolOutput::error(format!("the result cannot be JSON: {error}")),
        }
    }
}

impl<T: IntoToolOutput, E: fmt::Display> IntoToolOutput for Result<T, E> {
    fn into_tool_output(self) -> ToolOutput {
        match self {
            Ok(output) => output.into_tool_output(),
            Err(error) => ToolOutput::error(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Query {
        /// What to look for.
        text: String,
        limit: Option<u32>,
        area: Area,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Area {
        width: f64,
    }

    #[test]
    fn the_schema_is_whole_and_says_no_more_than_a_model_needs() {
        let tools = LocalTools::new().tool("search", "Searches.", |_: Query| async { "" });
        let snapshot = tools.snapshot();
        let schema: Value = snapshot.get("search").unwrap().parameters.parse().unwrap();
        assert_eq!(
            schema,
            json!({
                "type": "object",
                "properties": {
                    "text": {"type": "string", "description": "What to look for."},
                    "limit": {"type": ["integer", "null"], "minimum": 0},
                    "area": {
                        "type": "object",
                        "properties": {"width": {"type": "number"}},
                        "required": ["width"],
                    },
                },
                "required": ["text", "area"],
            })
        );
    }

    #[tokio::test]
    async fn an_unknown_tool_is_an_error() {
        let call = PreparedCall::new("1", "gone", Map::new());
        let error = LocalTools::new().call(call, Arc::new(|_| {})).await.unwrap_err();
        assert_eq!(error.to_string(), "there is no tool `gone`");
    }
}
