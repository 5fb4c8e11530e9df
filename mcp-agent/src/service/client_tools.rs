//! The tools of a client: the model is offered them, and the client runs them.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::chat::ChatError;
use crate::{
    model::{BoxFuture, ToolDefinition},
    toolbox::{PreparedCall, ProgressSink, Question, ToolError, ToolOutput, ToolSnapshot, Toolset},
};

/// How many a request may bring.
const MOST: usize = 128;

/// Tools that a request brings along. A call of one is not made here: the run pauses with it, once
/// all other calls of its turn have their results.
#[derive(Clone, Debug, Default)]
pub(super) struct ClientTools(Arc<ToolSnapshot>);

/// A function, as both APIs of OpenAI describe it. `strict` needs no word: the arguments are held
/// against the schema in any case.
#[derive(Debug, Deserialize)]
struct Function {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    parameters: Option<Map<String, Value>>,
}

impl ClientTools {
    /// Reads `tools`: functions, whose description is the entry itself or its member `function`.
    pub(super) fn read(tools: &[Value]) -> Result<Self, ChatError> {
        if tools.len() > MOST {
            return Err(ChatError::invalid(format!("more than {MOST} tools")).of("tools"));
        }
        let mut definitions: Vec<ToolDefinition> = Vec::with_capacity(tools.len());
        for tool in tools {
            let wrong = |what: String| Err(ChatError::invalid(what).of("tools"));
            if tool["type"] != "function" {
                return wrong(format!(
                    "tools of type {} are not offered here: bring functions; the tools of the \
                     servers are used without being named",
                    tool["type"]
                ));
            }
            let function = tool.get("function").unwrap_or(tool);
            let Function { name, description, parameters } = match Function::deserialize(function) {
                Ok(function) => function,
                Err(error) => return wrong(format!("a function cannot be read: {error}")),
            };
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
                return wrong(format!(
                    "`{}` cannot be the name of a function: 1 to 64 of A-Z a-z 0-9 _ -",
                    name.escape_debug()
                ));
            }
            if definitions.iter().any(|other| other.name == name) {
                return wrong(format!("two functions are called `{name}`"));
            }
            let parameters = parameters.map_or_else(|| json!({"type": "object"}), Value::Object);
            definitions.push(ToolDefinition {
                name,
                description: description.unwrap_or_default(),
                parameters: parameters.into(),
            });
        }
        Ok(Self(Arc::new(ToolSnapshot::new(1, definitions))))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some()
    }
}

impl Toolset for ClientTools {
    fn snapshot(&self) -> Arc<ToolSnapshot> {
        Arc::clone(&self.0)
    }

    fn call(
        &self,
        call: PreparedCall,
        _: ProgressSink,
    ) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        let question = Question::new("the client runs this tool");
        let waits = ToolError::NeedsInput { name: call.name, question };
        Box::pin(std::future::ready(Err(waits)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_read_in_both_shapes() {
        let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
        for tool in [
            json!({"type": "function", "name": "weather", "parameters": parameters}),
            json!({"type": "function", "function": {
                "name": "weather", "description": null, "parameters": parameters, "strict": true,
            }}),
        ] {
            let tools = ClientTools::read(&[tool]).unwrap();
            assert!(tools.has("weather"));
            let shown = tools.snapshot().get("weather").unwrap().parameters.clone();
            assert_eq!(shown.parse::<Value>().unwrap(), parameters);
        }
    }

    #[test]
    fn what_is_no_function_is_named() {
        let twice = json!({"type": "function", "name": "a"});
        for (tools, word) in [
            (vec![json!({"type": "web_search"})], "web_search"),
            (vec![json!({"type": "function", "function": {}})], "name"),
            (vec![json!({"type": "function", "name": "a b"})], "a b"),
            (vec![json!({"type": "function", "name": ""})], "1 to 64"),
            (vec![twice.clone(), twice], "two"),
            (vec![Value::Null], "null"),
        ] {
            let error = ClientTools::read(&tools).unwrap_err().to_json();
            assert!(error["error"]["message"].as_str().unwrap().contains(word), "{error}");
            assert_eq!(error["error"]["param"], "tools");
        }
    }
}
