//! Calls that a model prints as text instead of making them.
//!
//! Small models do so, mostly as a fenced JSON object or inside `<tool_call>` tags. A text that is
//! nothing but calls of tools that were offered is taken for what it was meant to be.

use serde_json::{Map, Value};

use crate::model::{ModelResponse, Part, StopReason, ToolCall};

/// Turns a text that is only calls into calls.
pub(super) fn take_out(response: &mut ModelResponse, is_offered: impl Fn(&str) -> bool) {
    if response.stop != StopReason::EndTurn || response.tool_calls().next().is_some() {
        return;
    }
    let Some(calls) = read(&response.text(), &is_offered) else { return };
    response.parts.retain(|part| part.as_text().is_none());
    response.parts.extend(calls.into_iter().map(Part::ToolCall));
    response.stop = StopReason::ToolCalls;
}

fn read(text: &str, is_offered: &dyn Fn(&str) -> bool) -> Option<Vec<ToolCall>> {
    let bare = bare(text)?;
    let mut calls = Vec::new();
    for value in serde_json::Deserializer::from_str(&bare).into_iter::<Value>() {
        match value.ok()? {
            Value::Object(object) => calls.push(call(object, calls.len(), is_offered)?),
            Value::Array(list) => {
                for item in list {
                    let Value::Object(object) = item else { return None };
                    calls.push(call(object, calls.len(), is_offered)?);
                }
            }
            _ => return None,
        }
    }
    (!calls.is_empty()).then_some(calls)
}

/// The JSON without fences and tags.
fn bare(text: &str) -> Option<String> {
    let text = text.trim();
    let starts = ["{", "[", "```", "<tool_call>"];
    if !starts.iter().any(|start| text.starts_with(start)) {
        return None;
    }
    let without_tags = text.replace("<tool_call>", "\n").replace("</tool_call>", "\n");
    let lines = without_tags.lines().filter(|line| !line.trim_start().starts_with("```"));
    Some(lines.collect::<Vec<_>>().join("\n"))
}

fn call(
    mut object: Map<String, Value>,
    place: usize,
    is_offered: &dyn Fn(&str) -> bool,
) -> Option<ToolCall> {
    let Value::String(name) = object.remove("name")? else { return None };
    let arguments = object.remove("arguments").or_else(|| object.remove("parameters"))?;
    // Anything further would make it another kind of object.
    let only_a_call = object.keys().all(|key| key == "id" || key == "type");
    if !only_a_call || !is_offered(&name) {
        return None;
    }
    let arguments = match arguments {
        Value::Object(_) => arguments.to_string(),
        Value::String(text) => text,
        _ => return None,
    };
    Some(ToolCall { id: format!("printed_{place}").into(), name, arguments })
}
