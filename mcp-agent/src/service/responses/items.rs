//! The items of a conversation, as `/v1/responses` has them.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    model::{CallId, Media, MediaSource, ModelResponse, Part, StopReason, ToolCall},
    service::{chat::ChatError, chat_request::image},
    toolbox::ToolOutput,
    transcript::Transcript,
};

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Item {
    Message {
        role: Role,
        content: Content,
    },
    FunctionCall {
        call_id: String,
        name: String,
        arguments: String,
    },
    FunctionCallOutput {
        call_id: String,
        output: Content,
    },
    /// A tool of a server, which ran here.
    McpCall {
        id: String,
        name: String,
        arguments: String,
        #[serde(default)]
        output: Option<String>,
        #[serde(default)]
        error: Option<Value>,
    },
    /// Thoughts go back only to where they came from, and these did not come as they were.
    Reasoning {},
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    #[serde(alias = "developer")]
    System,
    User,
    Assistant,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<ContentPart>),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ContentPart {
    #[serde(alias = "output_text", alias = "text")]
    InputText {
        text: String,
    },
    Refusal {
        refusal: String,
    },
    InputImage {
        image_url: String,
    },
    InputFile {
        #[serde(default)]
        filename: Option<String>,
        #[serde(default)]
        file_data: Option<String>,
        #[serde(default)]
        file_url: Option<String>,
    },
}

/// Adds what the items say.
pub(super) fn read_items(items: Vec<Value>, transcript: &mut Transcript) -> Result<(), ChatError> {
    let mut turn = OpenTurn::default();
    for mut item in items {
        // A message needs no type.
        if let Some(map) = item.as_object_mut() {
            map.entry("type").or_insert_with(|| "message".into());
        }
        let kind = item["type"].as_str().unwrap_or_default().to_owned();
        let item: Item = serde_json::from_value(item).map_err(|error| {
            let text = format!("an item of type `{}`: {error}", kind.escape_debug());
            ChatError::invalid(text).of("input")
        })?;
        match item {
            Item::Message { role: Role::Assistant, content } => {
                // What follows calls is said after them.
                if turn.has_calls() {
                    turn.close(transcript);
                }
                turn.parts.extend(content.into_parts()?);
            }
            Item::Message { role, content } => {
                turn.close(transcript);
                match role {
                    Role::System => transcript.push_system(content.into_parts()?),
                    _ => transcript.push_user(content.into_parts()?),
                }
            }
            Item::FunctionCall { call_id, name, arguments } => {
                turn.call(call_id, name, arguments);
            }
            Item::FunctionCallOutput { call_id, output } => {
                turn.close(transcript);
                let (id, output) = (CallId(call_id), ToolOutput::parts(output.into_parts()?));
                if transcript.complete(&id, output).is_err() {
                    let text = format!(
                        "a function_call_output answers `{}`, which no function_call before it \
                         asks for",
                        id.as_str()
                    );
                    return Err(ChatError::invalid(text).of("input"));
                }
            }
            Item::McpCall { id, name, arguments, output, error } => {
                turn.call(id.clone(), name, arguments);
                let is_error = error.is_some();
                let text = error.map(|error| match error {
                    Value::String(text) => text,
                    other => other.to_string(),
                });
                let text = text.or(output).unwrap_or_default();
                let output =
                    if is_error { ToolOutput::error(text) } else { ToolOutput::text(text) };
                turn.outputs.push((CallId(id), output));
            }
            Item::Reasoning {} => {}
        }
    }
    turn.close(transcript);
    Ok(())
}

/// What the model said in one turn, as far as the items go.
#[derive(Debug, Default)]
struct OpenTurn {
    parts: Vec<Part>,
    outputs: Vec<(CallId, ToolOutput)>,
}

impl OpenTurn {
    fn call(&mut self, id: String, name: String, arguments: String) {
        self.parts.push(Part::ToolCall(ToolCall { id: CallId(id), name, arguments }));
    }

    fn has_calls(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::ToolCall(_)))
    }

    fn close(&mut self, transcript: &mut Transcript) {
        let Self { parts, outputs } = std::mem::take(self);
        if parts.is_empty() {
            return;
        }
        let stop = if parts.iter().any(|part| matches!(part, Part::ToolCall(_))) {
            StopReason::ToolCalls
        } else {
            StopReason::EndTurn
        };
        transcript.push_response(ModelResponse::new(parts, stop));
        for (id, output) in outputs {
            // Ids that occur twice in a turn are told apart; the second result has no place.
            let _ = transcript.complete(&id, output);
        }
    }
}

impl Content {
    fn into_parts(self) -> Result<Vec<Part>, ChatError> {
        match self {
            Self::Text(text) => Ok(vec![Part::Text(text)]),
            Self::Parts(parts) => parts.into_iter().map(ContentPart::into_part).collect(),
        }
    }
}

impl ContentPart {
    fn into_part(self) -> Result<Part, ChatError> {
        Ok(match self {
            Self::InputText { text } | Self::Refusal { refusal: text } => Part::Text(text),
            Self::InputImage { image_url } => Part::Image(image(image_url)?),
            Self::InputFile { filename: name, file_data, file_url } => {
                let source = match (file_data, file_url) {
                    (Some(data), _) => data,
                    (None, Some(url)) => url,
                    (None, None) => {
                        let text = "a file must be sent along: there are no uploaded files here";
                        return Err(ChatError::invalid(text).of("input"));
                    }
                };
                let media = match source.strip_prefix("data:") {
                    Some(data) => {
                        let Some((mime_type, data)) = data.split_once(";base64,") else {
                            let text = "a file's `data:` URL must be in Base64";
                            return Err(ChatError::invalid(text).of("input"));
                        };
                        let source = MediaSource::Base64(data.into());
                        Media { mime_type: mime_type.to_owned(), source, name }
                    }
                    None => Media {
                        mime_type: "application/octet-stream".to_owned(),
                        source: MediaSource::Url(source),
                        name,
                    },
                };
                Part::Document(media)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::transcript::Entry;

    fn read(items: Value) -> Result<Transcript, ChatError> {
        let Value::Array(items) = items else { panic!("no list") };
        let mut transcript = Transcript::new();
        read_items(items, &mut transcript).map(|()| transcript)
    }

    #[test]
    fn calls_made_here_and_there_become_turns() {
        let transcript = read(json!([
            {"role": "user", "content": "hi"},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "message", "role": "assistant", "id": "msg_1",
             "content": [{"type": "output_text", "text": "I look.", "annotations": []}]},
            {"type": "mcp_call", "id": "mcp_1", "server_label": "one", "name": "mcp__one__good",
             "arguments": "{}", "output": "ok", "error": null},
            {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
            {"role": "assistant", "content": "All is well."},
            {"role": "user", "content": [{"type": "input_text", "text": "And now?"}]},
        ]))
        .unwrap();
        assert_eq!(transcript.entries().len(), 4);
        assert!(transcript.pending().next().is_none());
        let Entry::Assistant(turn) = &transcript.entries()[1] else { panic!("no turn") };
        let results: Vec<_> = turn.calls().map(|record| record.call.name.clone()).collect();
        assert_eq!(results, ["mcp__one__good", "weather"]);
    }

    #[test]
    fn what_has_no_place_is_named() {
        for (items, word) in [
            (json!([{"type": "item_reference", "id": "x"}]), "item_reference"),
            (json!([{"type": "function_call_output", "call_id": "x", "output": ""}]), "`x`"),
            (
                json!([{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]),
                "uploaded",
            ),
        ] {
            let error = read(items).unwrap_err();
            assert!(error.message().contains(word), "{}", error.message());
        }
    }
}
