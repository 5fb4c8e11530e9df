//! Models of many further providers, through the [`genai`](::genai) crate (feature `genai`).
//!
//! For providers that none of our own codecs speaks to, such as Cohere or Bedrock. It cannot carry
//! all that they can: results of tools are text only, so pictures, sounds and files in them become a
//! note, and an error is text that begins with `Error:`; parts that only a provider knows are not
//! given back. Signatures of thoughts are.
//!
//! A program makes the client itself, so it names `genai` among its dependencies; the default
//! features of that bring the TLS that this crate leaves out.

mod failure;
mod request;

use std::{collections::VecDeque, fmt};

use ::genai::{
    Client,
    chat::{ChatStream, ChatStreamEvent, ContentPart, MessageContent, StreamEnd},
};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    ChatModel, ModelError, ModelEvent, ModelId, ModelRequest, ModelStream, OpaquePart,
    OutputSchema, Part, StopReason, Usage,
};

/// What an opaque part is called that holds the signatures of thoughts.
const SIGNATURES: &str = "thought_signatures";

/// A model behind a client of the `genai` crate, which holds the address and the key.
///
/// ```no_run
/// use mcp_agent::{Agent, model::genai::GenAi};
///
/// # fn example(client: genai::Client) -> Result<(), mcp_agent::model::ModelError> {
/// let agent = Agent::builder(GenAi::new(client, "cohere::command-a-03-2025")?).build();
/// # drop(agent);
/// # Ok(())
/// # }
/// ```
pub struct GenAi {
    client: Client,
    id: ModelId,
}

impl GenAi {
    /// A model by its name as `genai` knows it, where the provider can stand before `::`.
    ///
    /// # Errors
    /// [`InvalidSetting`](super::ModelErrorKind::InvalidSetting): no provider is known for the name.
    pub fn new(client: Client, model: impl Into<String>) -> Result<Self, ModelError> {
        let model = model.into();
        let known = client
            .default_model(&model)
            .map_err(|error| super::address::invalid("name", &error.to_string()))?;
        let provider = format!("genai/{}", known.adapter_kind);
        Ok(Self { client, id: ModelId::new(provider, model) })
    }
}

impl ChatModel for GenAi {
    fn id(&self) -> &ModelId {
        &self.id
    }

    /// Which providers hold a model to a shape cannot be told, so none is relied on.
    fn takes_output(&self, _: &OutputSchema, _: bool) -> bool {
        false
    }

    fn stream<'a>(&'a self, request: &'a ModelRequest) -> ModelStream<'a> {
        let opening = async {
            let (chat, options) = request::encode(request, &self.id);
            let opened = self.client.exec_chat_stream(&*self.id.model, chat, Some(&options)).await;
            let answer = opened.map_err(failure::read)?;
            let reading = Reading {
                origin: self.id.clone(),
                answer: answer.stream,
                ready: VecDeque::new(),
                ended: false,
            };
            Ok(stream::try_unfold(reading, |mut reading| async move {
                Ok(reading.next().await?.map(|event| (event, reading)))
            }))
        };
        Box::pin(stream::once(opening).try_flatten())
    }
}

struct Reading {
    origin: ModelId,
    answer: ChatStream,
    ready: VecDeque<ModelEvent>,
    ended: bool,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<ModelEvent>, ModelError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.ended {
                return Ok(None);
            }
            match self.answer.next().await.transpose().map_err(failure::read)? {
                Some(ChatStreamEvent::Chunk(chunk)) => {
                    self.ready.push_back(ModelEvent::TextDelta(chunk.content));
                }
                Some(ChatStreamEvent::ReasoningChunk(chunk)) => {
                    self.ready.push_back(ModelEvent::ReasoningDelta(chunk.content));
                }
                Some(ChatStreamEvent::End(end)) => self.end(end),
                // Calls are complete at the end only; the rest says that the stream lives.
                Some(_) => {}
                None => return Err(super::codec::interrupted()),
            }
        }
    }

    fn end(&mut self, end: StreamEnd) {
        self.ended = true;
        let mut signatures = Vec::new();
        let mut calls = Vec::new();
        for part in end.captured_content.map(MessageContent::into_parts).unwrap_or_default() {
            match part {
                ContentPart::ThoughtSignature(signature) => signatures.push(signature),
                ContentPart::ToolCall(call) => calls.push(call),
                // Words were told as they came.
                _ => {}
            }
        }
        if !signatures.is_empty() {
            self.ready.push_back(ModelEvent::Part(Part::Opaque(OpaquePart {
                origin: self.origin.clone(),
                kind: SIGNATURES.to_owned(),
                value: signatures.into(),
            })));
        }
        let has_calls = !calls.is_empty();
        for (index, call) in calls.into_iter().enumerate() {
            let text = match call.fn_arguments {
                // Arguments that are no JSON come as the text that they are.
                serde_json::Value::String(text) => text,
                serde_json::Value::Null => String::new(),
                value => value.to_string(),
            };
            let (id, name) = (call.call_id.into(), call.fn_name);
            self.ready.push_back(ModelEvent::ToolCallStarted { index, id, name });
            self.ready.push_back(ModelEvent::ToolArgumentsDelta { index, text });
        }
        let stop = match end.captured_stop_reason {
            Some(reason) => stop_reason(reason, has_calls),
            None if has_calls => StopReason::ToolCalls,
            None => StopReason::EndTurn,
        };
        let usage = end.captured_usage.map(|usage| usage_of(&usage));
        self.ready.push_back(ModelEvent::Finished { stop, usage, model: None });
    }
}

fn stop_reason(reason: ::genai::chat::StopReason, has_calls: bool) -> StopReason {
    use ::genai::chat::StopReason as Theirs;
    match reason {
        Theirs::ToolCall(_) => StopReason::ToolCalls,
        Theirs::Completed(_) | Theirs::StopSequence(_) if has_calls => StopReason::ToolCalls,
        Theirs::Completed(_) | Theirs::StopSequence(_) => StopReason::EndTurn,
        Theirs::MaxTokens(_) => StopReason::Length,
        Theirs::ContentFilter(_) => StopReason::ContentFilter,
        Theirs::Other(reason) if reason == "refusal" => StopReason::Refusal,
        Theirs::Other(reason) => StopReason::Other(reason),
    }
}

fn usage_of(theirs: &::genai::chat::Usage) -> Usage {
    let count = |tokens: Option<i32>| u64::try_from(tokens.unwrap_or_default()).unwrap_or_default();
    let mut usage = Usage::new(count(theirs.prompt_tokens), count(theirs.completion_tokens));
    if let Some(details) = &theirs.prompt_tokens_details {
        usage.cached_input_tokens = count(details.cached_tokens);
        usage.cache_write_tokens = count(details.cache_creation_tokens);
    }
    if let Some(details) = &theirs.completion_tokens_details {
        usage.reasoning_tokens = count(details.reasoning_tokens);
    }
    usage
}

impl fmt::Debug for GenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client may hold keys.
        f.debug_struct("GenAi").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
