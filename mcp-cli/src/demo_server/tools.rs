//! What the demo server can do: definitions for clients, and the calls.

use mcp_protocol::{
    error_code,
    jsonrpc::ErrorObject,
    raw::RawJson,
    tools::{CallToolParams, CallToolResult, Tool, ToolAnnotations},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{calculator, clock, notes::Notes, text_search};

/// For models.
pub(super) const INSTRUCTIONS: &str = "Use `calculator` for arithmetic and `clock` for the current \
time instead of guessing. Notes last until the computer empties its temporary folder.";

/// What a tool gives: text. Failures are text as well.
type Outcome = Result<String, String>;

/// All tools, in the order in which they are listed.
pub(super) fn definitions() -> Vec<Tool> {
    vec![
        tool(
            "calculator",
            "Calculates an arithmetic expression. Knows + - * / ^ and parentheses.",
            &json!({"expression": {
                "type": "string", "description": "Such as 2 * (3 + 4)", "examples": ["2 * (3 + 4)"]}}),
            &["expression"],
            READS,
        ),
        tool(
            "clock",
            "Tells the current date and time, in any time zone.",
            &json!({"zone": {
                "type": "string",
                "description": "IANA name such as Asia/Tokyo, or offset such as +02:00; \
                                this computer's zone when left out",
                "examples": ["Asia/Tokyo"]}}),
            &[],
            READS,
        ),
        tool(
            "write_note",
            "Writes a text note, in place of an earlier note of that name.",
            &json!({
                "name": {"type": "string", "description": "Name of the note, such as shopping.txt"},
                "text": {"type": "string", "description": "The whole text"}}),
            &["name", "text"],
            WRITES,
        ),
        tool(
            "read_note",
            "Reads a text note.",
            &json!({"name": {"type": "string", "description": "Name of the note"}}),
            &["name"],
            READS,
        ),
        tool("list_notes", "Lists the names of all notes.", &json!({}), &[], READS),
        tool(
            "search_text",
            "Finds the lines that contain all given words, in a text or in all notes.",
            &json!({
                "words": {"type": "string", "description": "Words, separated by spaces"},
                "text": {"type": "string",
                    "description": "The text to search; all notes when left out"}}),
            &["words"],
            READS,
        ),
    ]
}

const READS: ToolAnnotations = ToolAnnotations {
    title: None,
    read_only_hint: Some(true),
    destructive_hint: None,
    idempotent_hint: None,
    open_world_hint: Some(false),
};

const WRITES: ToolAnnotations = ToolAnnotations {
    title: None,
    read_only_hint: Some(false),
    destructive_hint: Some(true),
    idempotent_hint: Some(true),
    open_world_hint: Some(false),
};

fn tool(
    name: &str,
    description: &str,
    properties: &Value,
    required: &[&str],
    annotations: ToolAnnotations,
) -> Tool {
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema["additionalProperties"] = json!(false);
    Tool { annotations: Some(annotations), ..Tool::new(name, schema) }.description(description)
}

/// Calls a tool.
///
/// # Errors
/// There is no such tool. Everything else is told in the result, where a model can read it.
pub(super) fn call(params: &CallToolParams, notes: &Notes) -> Result<CallToolResult, ErrorObject> {
    let arguments = params.arguments.as_ref();
    let outcome = match params.name.as_str() {
        "calculator" => calculate(arguments),
        "clock" => tell_time(arguments),
        "write_note" => write_note(arguments, notes),
        "read_note" => read_note(arguments, notes),
        "list_notes" => list_notes(arguments, notes),
        "search_text" => search(arguments, notes),
        other => {
            let text = format!("there is no tool `{other}`");
            return Err(ErrorObject::new(error_code::INVALID_PARAMS, text));
        }
    };
    Ok(outcome.map_or_else(CallToolResult::error, CallToolResult::text))
}

fn read<T: DeserializeOwned>(arguments: Option<&RawJson>) -> Result<T, String> {
    let text = arguments.map_or("{}", RawJson::as_str);
    serde_json::from_str(text).map_err(|error| {
        // The place in one line of JSON that a machine wrote helps nobody.
        let error = error.to_string();
        let reason = error.split(" at line ").next().unwrap_or_default();
        format!("wrong arguments: {reason}")
    })
}

fn calculate(arguments: Option<&RawJson>) -> Outcome {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Arguments {
        expression: String,
    }
    let Arguments { expression } = read(arguments)?;
    calculator::calculate(&expression)
        .map(|result| result.to_string())
        .map_err(|error| format!("cannot calculate `{expression}`: {error}"))
}

fn tell_time(arguments: Option<&RawJson>) -> Outcome {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Arguments {
        #[serde(default)]
        zone: Option<String>,
    }
    let Arguments { zone } = read(arguments)?;
    let now = clock::now(zone.as_deref().filter(|zone| !zone.trim().is_empty()))?;
    Ok(format!("{} ({}, {})", now.time, now.weekday, now.zone))
}

fn write_note(arguments: Option<&RawJson>, notes: &Notes) -> Outcome {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Arguments {
        name: String,
        text: String,
    }
    let Arguments { name, text } = read(arguments)?;
    notes.write(&name, &text).map_err(|error| error.to_string())?;
    Ok(format!("wrote {} bytes to the note `{name}`", text.len()))
}

fn read_note(arguments: Option<&RawJson>, notes: &Notes) -> Outcome {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Arguments {
        name: String,
    }
    let Arguments { name } = read(arguments)?;
    let text = notes.read(&name).map_err(|error| error.to_string())?;
    Ok(text)
}

fn list_notes(arguments: Option<&RawJson>, notes: &Notes) -> Outcome {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Arguments {}
    let Arguments {} = read(arguments)?;
    let names = notes.names().map_err(|error| error.to_string())?;
    if names.is_empty() {
        return Ok("there are no notes".to_owned());
    }
    Ok(names.join("\n"))
}

fn search(arguments: Option<&RawJson>, notes: &Notes) -> Outcome {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Arguments {
        words: String,
        #[serde(default)]
        text: Option<String>,
    }
    let Arguments { words, text } = read(arguments)?;
    let mut search = text_search::Search::new(&words)?;
    if let Some(text) = text {
        search.look_in(None, &text);
    } else {
        for name in notes.names().map_err(|error| error.to_string())? {
            let text = notes.read(&name).map_err(|error| error.to_string())?;
            search.look_in(Some(&name), &text);
        }
    }
    Ok(search.finish())
}
