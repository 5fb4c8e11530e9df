//! A run, told in the way of OpenAI.

use std::{collections::VecDeque, convert::Infallible};

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_core::Stream;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::{chat::ChatError, chat_noting::Noting};
use crate::{
    AgentEvent, AgentRun, Finished,
    model::Usage,
    run::{Outcome, Stop},
};

/// What every piece of an answer carries.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) id: String,
    /// Seconds since 1970.
    pub(super) created: u64,
    pub(super) model: String,
    pub(super) tells_usage: bool,
}

impl Reply {
    /// The whole answer at once. The tool calls that were made on the way are in `tool_runs`.
    pub(super) async fn whole(
        &self,
        mut run: AgentRun,
        mut noting: Noting,
    ) -> Result<Value, ChatError> {
        let mut tool_runs = Vec::new();
        loop {
            match run.next().await {
                Some(Ok(AgentEvent::Finished(finished))) => {
                    let Finished { outcome, run, .. } = *finished;
                    return Ok(json!({
                        "id": self.id,
                        "object": "chat.completion",
                        "created": self.created,
                        "model": self.model,
                        "choices": [{
                            "index": 0,
                            "message": {"role": "assistant", "content": outcome.text()},
                            "finish_reason": finish_reason(&outcome),
                            "logprobs": null,
                        }],
                        "usage": usage(run.usage()),
                        "tool_runs": tool_runs,
                    }));
                }
                Some(Ok(event)) => {
                    noting.hear(&event);
                    tool_runs.extend(tool_run(&event));
                }
                Some(Err(error)) => return Err(error.into()),
                None => return Err(crate::AgentError::AlreadyFinished.into()),
            }
        }
    }

    /// The answer as it comes. Dropping the stream ends the run.
    pub(super) fn stream(
        self,
        run: AgentRun,
        noting: Noting,
    ) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
        let first = self.chunk(&json!({"role": "assistant", "content": ""}), None, None);
        let state = Streaming {
            reply: self,
            run,
            noting,
            waiting: VecDeque::from([first]),
            over: false,
            said: false,
        };
        let events = stream::unfold(state, |mut state| async move {
            let event = state.next().await?;
            Some((Ok(event), state))
        });
        Sse::new(events.fuse()).keep_alive(KeepAlive::default())
    }

    fn chunk(&self, delta: &Value, finish: Option<&str>, more: Option<(&str, Value)>) -> Event {
        let mut chunk = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        });
        if let Some((key, value)) = more {
            chunk[key] = value;
        }
        Event::default().data(chunk.to_string())
    }
}

struct Streaming {
    reply: Reply,
    run: AgentRun,
    noting: Noting,
    waiting: VecDeque<Event>,
    over: bool,
    /// Whether words of an earlier turn were told.
    said: bool,
}

impl Streaming {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            match self.run.next().await {
                Some(Ok(event)) => self.take(event),
                Some(Err(error)) => {
                    let error = ChatError::from(error).to_json();
                    self.waiting.push_back(Event::default().data(error.to_string()));
                    self.over = true;
                }
                None => self.over = true,
            }
        }
    }

    fn take(&mut self, event: AgentEvent) {
        let reply = &self.reply;
        self.noting.hear(&event);
        match event {
            AgentEvent::TextDelta(text) => {
                self.said = true;
                self.waiting.push_back(reply.chunk(&json!({"content": text}), None, None));
            }
            AgentEvent::ReasoningDelta(text) => {
                let delta = json!({"reasoning_content": text});
                self.waiting.push_back(reply.chunk(&delta, None, None));
            }
            AgentEvent::ToolCallStarted(call) => {
                // What the model says after its tools is another paragraph.
                if std::mem::take(&mut self.said) {
                    self.waiting.push_back(reply.chunk(&json!({"content": "\n\n"}), None, None));
                }
                let told = json!({
                    "id": call.id.as_str(), "name": call.name, "arguments": call.arguments,
                });
                let more = Some(("tool_run_started", told));
                self.waiting.push_back(reply.chunk(&json!({}), None, more));
            }
            AgentEvent::Finished(finished) => {
                let Finished { outcome, run, .. } = *finished;
                let finish = finish_reason(&outcome);
                self.waiting.push_back(reply.chunk(&json!({}), Some(finish), None));
                if reply.tells_usage {
                    let mut chunk = json!({
                        "id": reply.id, "object": "chat.completion.chunk",
                        "created": reply.created, "model": reply.model, "choices": [],
                    });
                    chunk["usage"] = usage(run.usage());
                    self.waiting.push_back(Event::default().data(chunk.to_string()));
                }
                self.waiting.push_back(Event::default().data("[DONE]"));
                self.over = true;
            }
            event => {
                if let Some(told) = tool_run(&event) {
                    let more = Some(("tool_run", told));
                    self.waiting.push_back(reply.chunk(&json!({}), None, more));
                }
            }
        }
    }
}

/// A tool that ran, or was refused.
fn tool_run(event: &AgentEvent) -> Option<Value> {
    match event {
        AgentEvent::ToolCallFinished { id, name, output, took, .. } => Some(json!({
            "id": id.as_str(),
            "name": name,
            "is_error": output.is_error,
            "ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        })),
        AgentEvent::ToolCallRefused { call, output } => Some(json!({
            "id": call.id.as_str(), "name": call.name, "is_error": true, "refused": output.to_text(),
        })),
        _ => None,
    }
}

fn finish_reason(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Final { .. } => "stop",
        Outcome::Stopped { why: Stop::ContentFilter | Stop::Refusal, .. } => "content_filter",
        // Whatever else ended it, the answer is not complete.
        _ => "length",
    }
}

fn usage(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens(),
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    })
}
