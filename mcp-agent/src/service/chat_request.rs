//! A chat request, read into our own words.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    access::Principal,
    answer_terms,
    chat::{ChatError, ChatOptions},
    chat_run::Asked,
    client_tools::ClientTools,
    sampling::only_sampling,
    strict_json,
    waiting_calls::WaitingCalls,
};
use crate::{
    model::{CallId, Media, MediaSource, ModelResponse, Part, StopReason, ToolCall},
    run::RunSettings,
    toolbox::ToolOutput,
    transcript::Transcript,
};

/// Members that would change what the answer is, and that are not to be had here.
const REFUSED: [&str; 7] = [
    "audio",
    "function_call",
    "functions",
    "logprobs",
    "modalities",
    "prediction",
    "web_search_options",
];

/// The body of `POST /v1/chat/completions`. Of what is named neither here nor above, terms of
/// sampling go to the model's provider as they are, and nothing else.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ChatRequest {
    /// There is one model; any name means it.
    #[serde(rename = "model", default)]
    _model: Option<String>,
    #[serde(deserialize_with = "strict_json::by_role")]
    #[schemars(length(min = 1))]
    messages: Vec<ChatMessage>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    temperature: Option<f32>,
    #[serde(default, deserialize_with = "strict_json::whole_number")]
    #[schemars(range(max = u32::MAX))]
    max_tokens: Option<u32>,
    #[serde(default, deserialize_with = "strict_json::whole_number")]
    #[schemars(range(max = u32::MAX))]
    max_completion_tokens: Option<u32>,
    #[serde(default, deserialize_with = "strict_json::whole_number")]
    seed: Option<u64>,
    #[serde(default)]
    parallel_tool_calls: Option<bool>,
    #[serde(default)]
    tool_choice: Option<Value>,
    #[serde(default)]
    tools: Option<Vec<Value>>,
    #[serde(default)]
    response_format: Option<Value>,
    #[serde(default, deserialize_with = "strict_json::whole_number")]
    #[schemars(range(min = 1, max = 1))]
    n: Option<u32>,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
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
        tool_calls: Option<Vec<ChatToolCall>>,
    },
    Tool {
        tool_call_id: String,
        content: Content,
    },
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(#[serde(deserialize_with = "strict_json::by_type")] Vec<ContentPart>),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ContentPart {
    Text { text: String },
    ImageUrl { image_url: ImageUrl },
    InputAudio { input_audio: InputAudio },
    Refusal { refusal: String },
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ImageUrl {
    url: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct InputAudio {
    data: String,
    format: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ChatToolCall {
    id: String,
    function: ChatFunction,
}

#[derive(Debug, Deserialize, JsonSchema)]
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

    /// What is asked for, on the service's terms.
    pub(super) async fn asked(
        self,
        chat: &ChatOptions,
        principal: Principal,
    ) -> Result<Asked, ChatError> {
        let (system, base) = chat.terms();
        let settings = self.settings(base)?;
        let tools = ClientTools::read(self.tools.as_deref().unwrap_or_default())?;
        let transcript = self.into_transcript(system, chat.waiting(), &principal).await?;
        Ok(Asked { principal, transcript, settings, tools })
    }

    /// The terms of the run: those of the service, and within them those of the request.
    fn settings(&self, base: &RunSettings) -> Result<RunSettings, ChatError> {
        if self.n.is_some_and(|n| n != 1) {
            return Err(ChatError::unsupported("n", "`n` must be 1"));
        }
        for param in REFUSED {
            let idle = [Value::Null, Value::Bool(false), serde_json::json!(["text"])];
            if self.extra.get(param).is_some_and(|value| !idle.contains(value)) {
                return Err(ChatError::unsupported(
                    param,
                    format!("`{param}` is not offered here"),
                ));
            }
        }
        let mut settings = base.clone();
        settings.temperature = self.temperature.or(base.temperature);
        settings.max_tokens = self.max_completion_tokens.or(self.max_tokens).or(base.max_tokens);
        settings.seed = self.seed.or(base.seed);
        settings.parallel_tool_calls = self.parallel_tool_calls.or(base.parallel_tool_calls);
        if let Some(choice) = &self.tool_choice {
            settings.tool_choice = answer_terms::tool_choice(choice)?;
        }
        if let Some(format) = &self.response_format {
            settings.output = answer_terms::expected(format, "response_format")?;
        }
        settings.extra.extend(only_sampling(&self.extra));
        Ok(settings)
    }

    /// The conversation so far.
    async fn into_transcript(
        self,
        system: Option<&str>,
        waiting: &WaitingCalls,
        principal: &Principal,
    ) -> Result<Transcript, ChatError> {
        if self.messages.is_empty() {
            return Err(ChatError::invalid("`messages` is empty").of("messages"));
        }
        let mut transcript = Transcript::new();
        if let Some(system) = system {
            transcript.push_system(system);
        }
        let handed = self.messages.iter().filter_map(|message| match message {
            ChatMessage::Assistant { tool_calls: Some(calls), .. } => Some(calls),
            _ => None,
        });
        let handed: Vec<&str> = handed.flatten().map(|call| &*call.id).collect();
        let recalled = waiting.recall(principal, &handed).await?;
        for message in self.messages {
            match message {
                ChatMessage::System { content } => transcript.push_system(content.into_parts()?),
                ChatMessage::User { content } => transcript.push_user(content.into_parts()?),
                ChatMessage::Assistant { content, tool_calls } => {
                    let calls = tool_calls.unwrap_or_default();
                    let ids: Vec<&str> = calls.iter().map(|call| &*call.id).collect();
                    if let Some(said) = recalled.said(&ids) {
                        transcript.extend(said);
                        continue;
                    }
                    let parts = content.map_or(Ok(Vec::new()), Content::into_parts)?;
                    transcript.push_response(said(parts, calls));
                }
                ChatMessage::Tool { tool_call_id, content } => {
                    let output = ToolOutput::parts(content.into_parts()?);
                    let id = CallId(tool_call_id);
                    if transcript.complete(&id, output).is_err() {
                        let text = format!(
                            "a tool message answers `{}`, which the message before does not call",
                            id.as_str()
                        );
                        return Err(ChatError::invalid(text).of("messages"));
                    }
                }
            }
        }
        if let Some(call) = transcript.pending().next() {
            let text = format!("no tool message answers the call `{}`", call.id.as_str());
            return Err(ChatError::invalid(text).of("messages"));
        }
        Ok(transcript)
    }
}

/// What a client says that the model said.
fn said(mut parts: Vec<Part>, calls: Vec<ChatToolCall>) -> ModelResponse {
    let stop = if calls.is_empty() { StopReason::EndTurn } else { StopReason::ToolCalls };
    parts.extend(calls.into_iter().map(|call| {
        Part::ToolCall(ToolCall {
            id: CallId(call.id),
            name: call.function.name,
            arguments: call.function.arguments,
        })
    }));
    ModelResponse::new(parts, stop)
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
pub(super) fn image(url: String) -> Result<Media, ChatError> {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: Value) -> ChatRequest {
        serde_json::from_value(json).unwrap()
    }

    async fn transcript(json: Value) -> Result<Transcript, ChatError> {
        let (waiting, owner) = (WaitingCalls::default(), Principal::owner());
        read(json).into_transcript(Some("rules"), &waiting, &owner).await
    }

    #[tokio::test]
    async fn a_conversation_is_read() {
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
        let (waiting, owner) = (WaitingCalls::default(), Principal::owner());
        let transcript = request.into_transcript(Some("rules"), &waiting, &owner).await.unwrap();
        assert_eq!(transcript.entries().len(), 4);
        let call = transcript.last_turn().unwrap().calls().next().unwrap();
        assert_eq!(call.call.name, "look");
        assert!(transcript.pending().next().is_none());
    }

    #[test]
    fn terms_of_sampling_go_to_the_provider() {
        let request = read(json!({
            "messages": [], "top_k": 3, "store": true, "metadata": {"a": "b"}, "logprobs": false,
            "modalities": ["text"], "stop": null,
        }));
        let settings = request.settings(&RunSettings::default()).unwrap();
        assert_eq!(Value::Object(settings.extra), json!({"top_k": 3}));
    }

    #[test]
    fn the_rules_and_the_tools_are_not_the_callers() {
        let request = read(json!({
            "messages": [], "top_k": 3, "stop": ["."], "system": "Obey.", "instructions": "Obey.",
            "systemInstruction": {"parts": [{"text": "Obey."}]}, "system_instruction": "Obey.",
            "toolConfig": {}, "contents": [], "input": [], "models": ["other"],
            "max_output_tokens": 9, "mcp_servers": [], "cachedContent": "x", "store": true,
        }));
        let mut base = RunSettings::default();
        base.extra.insert("service_tier".to_owned(), "flex".into());
        let settings = request.settings(&base).unwrap();
        let expected = json!({"service_tier": "flex", "top_k": 3, "stop": ["."]});
        assert_eq!(Value::Object(settings.extra), expected);
    }

    #[tokio::test]
    async fn what_cannot_be_done_is_said() {
        let user = json!([{"role": "user", "content": "hi"}]);
        for (more, word) in [
            (json!({"n": 2}), "`n`"),
            (json!({"response_format": {"type": "yaml"}}), "`response_format`"),
            (json!({"tool_choice": 7}), "`tool_choice`"),
            (json!({"logprobs": true}), "`logprobs`"),
            (json!({"modalities": ["text", "audio"]}), "`modalities`"),
        ] {
            let mut body = json!({"messages": user});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let error = read(body).settings(&RunSettings::default()).unwrap_err();
            assert!(error.to_json()["error"]["message"].as_str().unwrap().contains(word));
        }
        let call = json!({"id": "a", "type": "function", "function": {"name": "f"}});
        for messages in [
            json!([]),
            json!([{"role": "tool", "tool_call_id": "x", "content": ""}]),
            json!([{"role": "assistant", "content": null, "tool_calls": [call]}]),
        ] {
            transcript(json!({ "messages": messages })).await.unwrap_err();
        }
    }
}
