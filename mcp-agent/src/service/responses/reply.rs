//! A run, told in the way of `/v1/responses`.

use std::convert::Infallible;

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_core::Stream;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::{Responses, output::Output, request::ResponseRequest};
use crate::{
    model::Usage,
    run::RunId,
    service::{
        access::Principal,
        chat::{ChatError, unix_seconds},
        chat_run::{ChatRun, Ended, Why},
    },
};

/// An answer that is being given.
#[derive(Debug)]
pub(super) struct Reply {
    id: String,
    /// All that is known before the model speaks.
    base: Value,
    keeping: Option<Keeping>,
}

/// Where an answer is kept.
#[derive(Debug)]
struct Keeping {
    place: Responses,
    principal: Principal,
    /// How many entries of the conversation are rules for this request alone.
    rules: usize,
}

impl Reply {
    pub(super) fn new(request: &ResponseRequest, model: &str) -> Self {
        let id = format!("resp_{}", RunId::random());
        let format = request.text.as_ref().and_then(|text| text.format.clone());
        let base = json!({
            "id": id,
            "object": "response",
            "created_at": unix_seconds(),
            "status": "in_progress",
            "background": false,
            "error": null,
            "incomplete_details": null,
            "instructions": request.instructions,
            "max_output_tokens": request.max_output_tokens,
            "max_tool_calls": null,
            "metadata": request.metadata.clone().unwrap_or_default(),
            "model": model,
            "output": [],
            "parallel_tool_calls": request.parallel_tool_calls.unwrap_or(true),
            "previous_response_id": request.previous_response_id,
            "reasoning": {"effort": null, "summary": null},
            "store": request.is_kept(),
            "temperature": request.temperature,
            "text": {"format": format.unwrap_or_else(|| json!({"type": "text"}))},
            "tool_choice": request.tool_choice.clone().unwrap_or_else(|| "auto".into()),
            "tools": request.tools.clone().unwrap_or_default(),
            "top_p": request.top_p,
            "truncation": "disabled",
            "usage": null,
            "user": null,
        });
        Self { id, base, keeping: None }
    }

    /// The answer is kept here, where that is wanted, without so many entries of the conversation.
    pub(super) fn kept_in(self, place: Responses, principal: Principal, rules: usize) -> Self {
        let is_wanted = self.base["store"] == true;
        Self { keeping: is_wanted.then_some(Keeping { place, principal, rules }), ..self }
    }

    /// The whole answer at once.
    pub(super) async fn whole(self, mut run: ChatRun) -> Result<Value, ChatError> {
        let mut output = Output::default();
        loop {
            let event = run.next().await?;
            output.events.clear();
            if let Some(ended) = output.take(event, &run) {
                return Ok(self.end(&ended, output.items).await);
            }
        }
    }

    /// The answer as it comes. Dropping the stream ends the run.
    pub(super) fn stream(self, run: ChatRun) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
        let mut output = Output::default();
        for kind in ["response.created", "response.in_progress"] {
            output.events.push_back(json!({"type": kind, "response": self.base}));
        }
        let state = Streaming { reply: self, run, output, told: 0, over: false };
        let events = stream::unfold(state, |mut state| async move {
            let event = state.next().await?;
            Some((Ok(event), state))
        });
        Sse::new(events.fuse()).keep_alive(KeepAlive::default())
    }

    /// The answer, which is kept where that is wanted.
    async fn end(&self, ended: &Ended, items: Vec<Value>) -> Value {
        let mut body = self.base.clone();
        body["output"] = items.into();
        body["usage"] = usage_json(ended.usage);
        let incomplete = match ended.why {
            Why::Answered | Why::Calls => None,
            Why::Filtered => Some("content_filter"),
            Why::Limit => Some("max_output_tokens"),
        };
        match incomplete {
            Some(reason) => {
                body["status"] = "incomplete".into();
                body["incomplete_details"] = json!({ "reason": reason });
            }
            None => body["status"] = "completed".into(),
        }
        if let Some(Keeping { place, principal, rules }) = &self.keeping {
            let said = ended.transcript.entries().get(*rules..).unwrap_or_default();
            place.keep(principal, &self.id, &body, said).await;
        }
        body
    }

    fn failed(&self, error: &ChatError, items: Vec<Value>) -> Value {
        let mut body = self.base.clone();
        body["status"] = "failed".into();
        body["error"] = json!({"code": "server_error", "message": error.message()});
        body["output"] = items.into();
        body
    }
}

struct Streaming {
    reply: Reply,
    run: ChatRun,
    output: Output,
    /// How many events were told.
    told: u64,
    over: bool,
}

impl Streaming {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(mut event) = self.output.events.pop_front() {
                event["sequence_number"] = self.told.into();
                self.told += 1;
                let kind = event["type"].as_str().unwrap_or_default();
                return Some(Event::default().event(kind).data(event.to_string()));
            }
            if self.over {
                return None;
            }
            let body = match self.run.next().await {
                Ok(event) => match self.output.take(event, &self.run) {
                    Some(ended) => self.reply.end(&ended, self.output.items.clone()).await,
                    None => continue,
                },
                Err(error) => self.reply.failed(&error, self.output.items.clone()),
            };
            self.over = true;
            let status = body["status"].as_str().unwrap_or_default();
            let last = json!({"type": format!("response.{status}"), "response": body});
            self.output.events.push_back(last);
        }
    }
}

fn usage_json(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens(),
    })
}
