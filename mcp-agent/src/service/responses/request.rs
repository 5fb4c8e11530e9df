//! A request to `/v1/responses`, read into our own words.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::items::read_items;
use crate::{
    run::RunSettings,
    service::{
        access::Principal,
        answer_terms,
        chat::{ChatError, ChatOptions},
        chat_run::Asked,
        client_tools::ClientTools,
        strict_json,
    },
    transcript::Transcript,
};

/// Members that would change what the answer is, and that are not to be had here.
const REFUSED: [&str; 5] =
    ["conversation", "prompt", "max_tool_calls", "top_logprobs", "moderation"];

/// The body of `POST /v1/responses`. What is named neither here nor above is left out.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(in crate::service) struct ResponseRequest {
    #[serde(default)]
    input: Option<Input>,
    #[serde(default)]
    pub(super) instructions: Option<String>,
    #[serde(default)]
    pub(super) previous_response_id: Option<String>,
    #[serde(default)]
    pub(super) store: Option<bool>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    background: Option<bool>,
    #[serde(default)]
    pub(super) temperature: Option<f32>,
    #[serde(default)]
    pub(super) top_p: Option<f32>,
    #[serde(default, deserialize_with = "strict_json::whole_number")]
    #[schemars(range(max = u32::MAX))]
    pub(super) max_output_tokens: Option<u32>,
    #[serde(default)]
    pub(super) tools: Option<Vec<Value>>,
    #[serde(default)]
    pub(super) tool_choice: Option<Value>,
    #[serde(default)]
    pub(super) parallel_tool_calls: Option<bool>,
    #[serde(default)]
    pub(super) text: Option<TextOptions>,
    /// `disabled`.
    #[serde(default)]
    #[schemars(regex(pattern = "^disabled$"))]
    pub(super) truncation: Option<String>,
    #[serde(default)]
    pub(super) metadata: Option<Map<String, Value>>,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub(super) struct TextOptions {
    #[serde(default)]
    pub(super) format: Option<Value>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Input {
    Text(String),
    Items(Vec<Value>),
}

impl ResponseRequest {
    pub(super) fn streams(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    /// Whether the answer can be gone on from; it can unless that is not wanted.
    pub(super) fn is_kept(&self) -> bool {
        self.store.unwrap_or(true)
    }

    /// What is asked for, on the service's terms, and how many entries of the conversation are
    /// rules that hold for this request alone.
    pub(super) async fn asked(
        self,
        chat: &ChatOptions,
        principal: Principal,
    ) -> Result<(Asked, usize), ChatError> {
        let (system, base) = chat.terms();
        let settings = self.settings(base)?;
        let tools = ClientTools::read(self.tools.as_deref().unwrap_or_default())?;
        let mut transcript = Transcript::new();
        for rules in system.into_iter().chain(self.instructions.as_deref()) {
            transcript.push_system(rules);
        }
        let rules = transcript.entries().len();
        if let Some(id) = &self.previous_response_id {
            let kept = chat.responses().get(&principal, id).await;
            let kept = kept.map_err(|error| error.of("previous_response_id"))?;
            transcript.extend(kept.said.iter().cloned());
        }
        match self.input {
            Some(Input::Text(text)) => transcript.push_user(text),
            Some(Input::Items(items)) => read_items(items, &mut transcript)?,
            None => {}
        }
        if transcript.entries().len() == rules {
            return Err(ChatError::invalid("`input` is empty").of("input"));
        }
        if let Some(call) = transcript.pending().next() {
            let text = format!("no function_call_output answers the call `{}`", call.id.as_str());
            return Err(ChatError::invalid(text).of("input"));
        }
        Ok((Asked { principal, transcript, settings, tools }, rules))
    }

    fn settings(&self, base: &RunSettings) -> Result<RunSettings, ChatError> {
        for param in REFUSED {
            if self.extra.get(param).is_some_and(|value| !value.is_null() && *value != 0) {
                return Err(ChatError::unsupported(
                    param,
                    format!("`{param}` is not offered here"),
                ));
            }
        }
        if self.background == Some(true) {
            return Err(ChatError::unsupported("background", "answers are not given later"));
        }
        if self.truncation.as_deref().is_some_and(|how| how != "disabled") {
            return Err(ChatError::unsupported("truncation", "`truncation` must be disabled"));
        }
        let mut settings = base.clone();
        settings.temperature = self.temperature.or(base.temperature);
        settings.max_tokens = self.max_output_tokens.or(base.max_tokens);
        settings.parallel_tool_calls = self.parallel_tool_calls.or(base.parallel_tool_calls);
        if let Some(top_p) = self.top_p {
            // The shortest spelling, 0.9 rather than 0.8999999761581421.
            let number = top_p.to_string().parse::<f64>().unwrap_or_default();
            settings.extra.insert("top_p".to_owned(), number.into());
        }
        if let Some(choice) = &self.tool_choice {
            settings.tool_choice = answer_terms::tool_choice(choice)?;
        }
        if let Some(format) = self.text.as_ref().and_then(|text| text.format.as_ref()) {
            settings.output = answer_terms::expected(format, "text.format")?;
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: Value) -> ResponseRequest {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn terms_are_read() {
        let settings = read(json!({
            "input": "hi", "max_output_tokens": 9, "top_p": 0.9, "reasoning": {"effort": "low"},
            "include": [], "tool_choice": {"type": "function", "name": "f"},
        }))
        .settings(&RunSettings::default())
        .unwrap();
        assert_eq!(settings.max_tokens, Some(9));
        assert_eq!(Value::Object(settings.extra), json!({"top_p": 0.9}));
        assert_eq!(settings.tool_choice, crate::model::ToolChoice::Named("f".to_owned()));
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        for (more, word) in [
            (json!({"background": true}), "background"),
            (json!({"conversation": "conv_1"}), "conversation"),
            (json!({"truncation": "auto"}), "truncation"),
            (json!({"max_tool_calls": 3}), "max_tool_calls"),
            (json!({"text": {"format": {"type": "grammar"}}}), "text.format"),
        ] {
            let error = read(more).settings(&RunSettings::default()).unwrap_err().to_json();
            assert_eq!(error["error"]["param"], word);
        }
    }
}
