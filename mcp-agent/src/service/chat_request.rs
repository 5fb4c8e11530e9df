//! A chat request, read into our own words.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::chat::ChatError;
use crate::{
    model::{CallId, Media, MediaSource, ModelResponse, Part, StopReason, ToolCall, ToolChoice},
    run::RunSettings,
    toolbox::ToolOutput,
    transcript::Transcript,
};

/// The body of `POST /v1/chat/completions`. What it does not name goes to the model's provider as
/// it is.
#[derive(Debug, Deserialize)]
pub(super) struct ChatRequest {
    /// There is one model; any name means it.
    #[serde(rename = "model", default)]
    _model: Option<String>,
    messages: Vec<ChatMessage>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    temperature: Option<f32>,
    #[serde(default)]
    max_tokens: Option<u32>,
    #[serde(default)]
    max_completion_tokens: Option<u32>,
    #[serde(default)]
    seed: Option<u64>,
    #[serde(default)]
    parallel_tool_calls: Option<bool>,
    #[serde(default)]
    tool_choice: Option<Value>,
    #[serde(default)]
    tools: Vec<Value>,
    #[serde(default)]
    n: Option<u32>,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum ChatMessage {
    #[serde(alias = "developer")]
    System {
        content: Content,
    },
    User {
        content: Content,
    },
    Assistant {
        #[serde(default)]
        content: Option<Content>,
        #[serde(default)]
        tool_calls: Vec<ChatToolCall>,
    },
    Tool {
        tool_call_id: String,
        content: Content,
    },
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
    Text { text: String },
    ImageUrl { image_url: ImageUrl },
    InputAudio { input_audio: InputAudio },
    Refusal { refusal: String },
}

#[derive(Debug, Deserialize)]
struct ImageUrl {
    url: String,
}

#[derive(Debug, Deserialize)]
struct InputAudio {
    data: String,
    format: String,
}

#[derive(Debug, Deserialize)]
struct ChatToolCall {
    id: String,
    function: ChatFunction,
}

#[derive(Debug, Deserialize)]
struct ChatFunction {
    name: String,
    #[serde(default)]
    arguments: String,
}

impl ChatRequest {
    pub(super) fn streams(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    /// Whether a stream ends with a chunk about usage.
    pub(super) fn tells_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage)
    }

    /// The terms of the run: those of the service, and within them those of the request.
    pub(super) fn settings(&self, base: &RunSettings) -> Result<RunSettings, ChatError> {
        if self.n.is_some_and(|n| n != 1) {
            return Err(ChatError::invalid("`n` must be 1"));
        }
        if !self.tools.is_empty() {
            return Err(ChatError::invalid(
                "`tools` cannot be given: the tools are those of the servers",
            ));
        }
        if self.extra.get("response_format").is_some_and(|format| format["type"] != "text") {
            return Err(ChatError::invalid("`response_format` can only be `text`"));
        }
        let mut settings = base.clone();
        settings.temperature = self.temperature.or(base.temperature);
        settings.max_tokens = self.max_completion_tokens.or(self.max_tokens).or(base.max_tokens);
        settings.seed = self.seed.or(base.seed);
        settings.parallel_tool_calls = self.parallel_tool_calls.or(base.parallel_tool_calls);
        if let Some(choice) = &self.tool_choice {
            settings.tool_choice = tool_choice(choice)?;
        }
        settings.extra.extend(self.extra.clone());
        settings.extra.remove("response_format");
        Ok(settings)
    }

    /// The conversation so far.
    pub(super) fn into_transcript(self, system: Option<&str>) -> Result<Transcript, ChatError> {
        if self.messages.is_empty() {
            return Err(ChatError::invalid("`messages` is empty"));
        }
        let mut transcript = Transcript::new();
        if let Some(system) = system {
            transcript.push_system(system);
        }
        for message in self.messages {
            match message {
                ChatMessage::System { content } => transcript.push_system(content.into_parts()?),
                ChatMessage::User { content } => transcript.push_user(content.into_parts()?),
                ChatMessage::Assistant { content, tool_calls } => {
                    let mut parts = content.map_or(Ok(Vec::new()), Content::into_parts)?;
                    let stop = if tool_calls.is_empty() {
                        StopReason::EndTurn
                    } else {
                        StopReason::ToolCalls
                    };
                    parts.extend(tool_calls.into_iter().map(|call| {
                        Part::ToolCall(ToolCall {
                            id: CallId(call.id),
                            name: call.function.name,
                            arguments: call.function.arguments,
                        })
                    }));
                    transcript.push_response(ModelResponse::new(parts, stop));
                }
                ChatMessage::Tool { tool_call_id, content } => {
                    let output = ToolOutput::parts(content.into_parts()?);
                    let id = CallId(tool_call_id);
                    if transcript.complete(&id, output).is_err() {
                        return Err(ChatError::invalid(format!(
                            "a tool message answers `{}`, which the message before does not call",
                            id.as_str()
                        )));
                    }
                }
            }
        }
        Ok(transcript)
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
            Self::Text { text } | Self::Refusal { refusal: text } => Part::Text(text),
            Self::ImageUrl { image_url: ImageUrl { url } } => Part::Image(image(url)?),
            Self::InputAudio { input_audio: InputAudio { data, format } } => Part::Audio(Media {
                mime_type: format!("audio/{format}"),
                source: MediaSource::Base64(data.into()),
                name: None,
            }),
        })
    }
}

/// A picture at an address, or in it.
fn image(url: String) -> Result<Media, ChatError> {
    let Some(data) = url.strip_prefix("data:") else {
        return Ok(Media {
            mime_type: "image/*".into(),
            source: MediaSource::Url(url),
            name: None,
        });
    };
    let Some((mime_type, data)) = data.split_once(";base64,") else {
        return Err(ChatError::invalid("an image's `data:` URL must be in Base64"));
    };
    let source = MediaSource::Base64(data.into());
    Ok(Media { mime_type: mime_type.to_owned(), source, name: None })
}

fn tool_choice(choice: &Value) -> Result<ToolChoice, ChatError> {
    Ok(match choice {
        Value::String(word) if word == "auto" => ToolChoice::Auto,
        Value::String(word) if word == "none" => ToolChoice::None,
        Value::String(word) if word == "required" => ToolChoice::Required,
        Value::Object(_) => match choice["function"]["name"].as_str() {
            Some(name) => ToolChoice::Named(name.to_owned()),
            None => return Err(ChatError::invalid("`tool_choice` names no function")),
        },
        _ => {
            return Err(ChatError::invalid("`tool_choice` must be auto, none, required or a name"));
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: Value) -> ChatRequest {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_conversation_is_read() {
        let request = read(json!({"model": "any", "temperature": 0.5, "top_p": 0.9, "messages": [
            {"role": "developer", "content": "be brief"},
            {"role": "user", "content": [
                {"type": "text", "text": "what is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "a", "content": "a cat"},
        ]}));
        let settings = request.settings(&RunSettings::default()).unwrap();
        assert_eq!(settings.temperature, Some(0.5));
        assert_eq!(settings.extra["top_p"], json!(0.9));
        let transcript = request.into_transcript(Some("rules")).unwrap();
        assert_eq!(transcript.entries().len(), 4);
        let call = transcript.last_turn().unwrap().calls().next().unwrap();
        assert_eq!(call.call.name, "look");
        assert!(transcript.pending().next().is_none());
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        let user = json!([{"role": "user", "content": "hi"}]);
        for (more, word) in [
            (json!({"n": 2}), "`n`"),
            (json!({"tools": [{"type": "function"}]}), "`tools`"),
            (json!({"response_format": {"type": "json_object"}}), "`response_format`"),
            (json!({"tool_choice": 7}), "`tool_choice`"),
        ] {
            let mut body = json!({"messages": user});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let error = read(body).settings(&RunSettings::default()).unwrap_err();
            assert!(error.to_json()["error"]["message"].as_str().unwrap().contains(word));
        }
        let orphan = json!({"messages": [{"role": "tool", "tool_call_id": "x", "content": ""}]});
        assert!(read(orphan).into_transcript(None).is_err());
        assert!(read(json!({"messages": []})).into_transcript(None).is_err());
    }
}
