//! A run, told in the way of OpenAI.

use std::{collections::VecDeque, convert::Infallible};

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_core::Stream;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::{
    chat::ChatError,
    chat_logins,
    chat_run::{ChatEvent, ChatRun, Ended, Why},
    waiting_calls::HandedCall,
};
use crate::model::Usage;

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
    pub(super) async fn whole(&self, mut run: ChatRun) -> Result<Value, ChatError> {
        let mut tool_runs = Vec::new();
        loop {
            let event = run.next().await?;
            tool_runs.extend(tool_run(&event));
            let ChatEvent::Ended(ended) = event else { continue };
            let Ended { why, text, logins, calls, usage, .. } = *ended;
            let mut message = json!({"role": "assistant", "content": text, "refusal": null});
            if !calls.is_empty() {
                let calls: Vec<_> = calls.iter().map(tool_call).collect();
                message["tool_calls"] = calls.into();
                if text.is_empty() {
                    message["content"] = Value::Null;
                }
            }
            let mut body = json!({
                "id": self.id,
                "object": "chat.completion",
                "created": self.created,
                "model": self.model,
                "choices": [{
                    "index": 0,
                    "message": message,
                    "finish_reason": finish_reason(why),
                    "logprobs": null,
                }],
                "usage": usage_json(usage),
                "tool_runs": tool_runs,
            });
            if !logins.is_empty() {
                body["logins"] = chat_logins::to_json(&logins);
            }
            return Ok(body);
        }
    }

    /// The answer as it comes. Dropping the stream ends the run.
    pub(super) fn stream(self, run: ChatRun) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
        let first = self.chunk(&json!({"role": "assistant", "content": ""}), None, None);
        let state = Streaming {
            reply: self,
            run,
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
    run: ChatRun,
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
                Ok(event) => self.take(event),
                Err(error) => {
                    self.waiting.push_back(Event::default().data(error.to_json().to_string()));
                    self.over = true;
                }
            }
        }
    }

    fn take(&mut self, event: ChatEvent) {
        let reply = &self.reply;
        match event {
            ChatEvent::Text(text) => {
                self.said = true;
                self.waiting.push_back(reply.chunk(&json!({"content": text}), None, None));
            }
            ChatEvent::Reasoning(text) => {
                let delta = json!({"reasoning_content": text});
                self.waiting.push_back(reply.chunk(&delta, None, None));
            }
            ChatEvent::ToolStarted(call) => {
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
            ChatEvent::Ended(ended) => {
                self.end(&ended);
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

    fn end(&mut self, ended: &Ended) {
        let reply = &self.reply;
        for (index, call) in ended.calls.iter().enumerate() {
            let mut call = tool_call(call);
            call["index"] = index.into();
            let delta = json!({"tool_calls": [call]});
            self.waiting.push_back(reply.chunk(&delta, None, None));
        }
        let finish = finish_reason(ended.why);
        let logins =
            (!ended.logins.is_empty()).then(|| ("logins", chat_logins::to_json(&ended.logins)));
        self.waiting.push_back(reply.chunk(&json!({}), Some(finish), logins));
        if reply.tells_usage {
            let mut chunk = json!({
                "id": reply.id, "object": "chat.completion.chunk",
                "created": reply.created, "model": reply.model, "choices": [],
            });
            chunk["usage"] = usage_json(ended.usage);
            self.waiting.push_back(Event::default().data(chunk.to_string()));
        }
        self.waiting.push_back(Event::default().data("[DONE]"));
    }
}

/// A tool that ran, or was refused.
fn tool_run(event: &ChatEvent) -> Option<Value> {
    match event {
        ChatEvent::ToolEnded { id, name, output, took } => Some(json!({
            "id": id,
            "name": name,
            "is_error": output.is_error,
            "ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        })),
        ChatEvent::ToolRefused { id, name, output, .. } => {
            Some(json!({"id": id, "name": name, "is_error": true, "refused": output.to_text()}))
        }
        _ => None,
    }
}

/// A call that the client is to make.
fn tool_call(call: &HandedCall) -> Value {
    let HandedCall { id, name, arguments } = call;
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}

fn finish_reason(why: Why) -> &'static str {
    match why {
        Why::Answered => "stop",
        Why::Calls => "tool_calls",
        Why::Filtered => "content_filter",
        Why::Limit => "length",
    }
}

fn usage_json(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens(),
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    })
}
