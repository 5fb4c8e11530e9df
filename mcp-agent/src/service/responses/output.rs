//! The items of an answer as they come, and the events that tell of them.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use crate::{
    run::RunId,
    service::{
        chat_run::{ChatEvent, ChatRun, Ended},
        waiting_calls::HandedCall,
    },
    toolbox::ToolOutput,
};

/// What was said, item by item. The events are those of a stream, without their numbers.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) items: Vec<Value>,
    pub(super) events: VecDeque<Value>,
    words: Option<Words>,
    /// The places of calls that run.
    running: BTreeMap<String, usize>,
}

/// Words that are being said. They are the last item.
#[derive(Debug)]
struct Words {
    kind: WordsKind,
    id: String,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WordsKind {
    Answer,
    Thought,
}

impl WordsKind {
    /// The events of a piece, and of the whole.
    fn events(self) -> (&'static str, &'static str) {
        match self {
            Self::Answer => ("response.output_text.delta", "response.output_text.done"),
            Self::Thought => ("response.reasoning_text.delta", "response.reasoning_text.done"),
        }
    }

    fn part(self, text: &str) -> Value {
        match self {
            Self::Answer => {
                json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
            }
            Self::Thought => json!({"type": "reasoning_text", "text": text}),
        }
    }

    fn item(self, id: &str, status: &str, content: &[Value]) -> Value {
        match self {
            Self::Answer => json!({
                "id": id, "type": "message", "status": status, "role": "assistant",
                "content": content,
            }),
            Self::Thought => json!({
                "id": id, "type": "reasoning", "status": status, "summary": [],
                "content": content,
            }),
        }
    }
}

impl Output {
    /// Takes in what is heard of a run. Gives back its end.
    pub(super) fn take(&mut self, event: ChatEvent, run: &ChatRun) -> Option<Box<Ended>> {
        match event {
            ChatEvent::Text(text) => self.say(WordsKind::Answer, &text),
            ChatEvent::Reasoning(text) => self.say(WordsKind::Thought, &text),
            ChatEvent::ToolStarted(call) => {
                let arguments = Value::Object(call.arguments).to_string();
                let label = run.server_of(&call.name);
                let place = self.begin_call(label, &call.name, &arguments);
                self.running.insert(call.id.0, place);
            }
            ChatEvent::ToolEnded { id, output, .. } => {
                if let Some(place) = self.running.remove(&id) {
                    self.end_call(place, &output);
                }
            }
            ChatEvent::ToolRefused { name, arguments, output, .. } => {
                let place = self.begin_call(run.server_of(&name), &name, &arguments);
                self.end_call(place, &output);
            }
            ChatEvent::Ended(ended) => {
                self.end_words();
                for call in &ended.calls {
                    self.hand_over(call);
                }
                return Some(ended);
            }
        }
        None
    }

    fn tell(&mut self, kind: &str, place: usize, more: Value) {
        let mut event = json!({"type": kind, "output_index": place});
        if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
            event.extend(more);
        }
        self.events.push_back(event);
    }

    /// Adds an item that is not complete.
    fn add(&mut self, item: Value) -> usize {
        let place = self.items.len();
        self.tell("response.output_item.added", place, json!({ "item": item }));
        self.items.push(item);
        place
    }

    fn done(&mut self, place: usize, item: Value) {
        self.tell("response.output_item.done", place, json!({ "item": item }));
        if let Some(kept) = self.items.get_mut(place) {
            *kept = item;
        }
    }

    fn say(&mut self, kind: WordsKind, text: &str) {
        if self.words.as_ref().is_none_or(|words| words.kind != kind) {
            self.end_words();
            let prefix = if kind == WordsKind::Answer { "msg" } else { "rs" };
            let id = format!("{prefix}_{}", RunId::random());
            let place = self.add(kind.item(&id, "in_progress", &[]));
            let part = json!({"item_id": id, "content_index": 0, "part": kind.part("")});
            self.tell("response.content_part.added", place, part);
            self.words = Some(Words { kind, id, text: String::new() });
        }
        let Some(words) = &mut self.words else { return };
        words.text.push_str(text);
        let mut more = json!({"item_id": words.id, "content_index": 0, "delta": text});
        if kind == WordsKind::Answer {
            more["logprobs"] = json!([]);
        }
        self.tell(kind.events().0, self.items.len() - 1, more);
    }

    fn end_words(&mut self) {
        let Some(Words { kind, id, text }) = self.words.take() else { return };
        let place = self.items.len() - 1;
        let mut more = json!({"item_id": id, "content_index": 0, "text": text});
        if kind == WordsKind::Answer {
            more["logprobs"] = json!([]);
        }
        self.tell(kind.events().1, place, more);
        let part = kind.part(&text);
        let more = json!({"item_id": id, "content_index": 0, "part": part});
        self.tell("response.content_part.done", place, more);
        self.done(place, kind.item(&id, "completed", &[part]));
    }

    /// A tool of a server, or one of the service's own.
    fn begin_call(&mut self, server: Option<String>, name: &str, arguments: &str) -> usize {
        self.end_words();
        let id = format!("mcp_{}", RunId::random());
        let label = server.unwrap_or_else(|| "service".to_owned());
        let place = self.add(json!({
            "id": id, "type": "mcp_call", "status": "in_progress", "server_label": label,
            "name": name, "arguments": arguments, "output": null, "error": null,
            "approval_request_id": null,
        }));
        self.tell("response.mcp_call.in_progress", place, json!({ "item_id": id }));
        let more = json!({"item_id": id, "arguments": arguments});
        self.tell("response.mcp_call_arguments.done", place, more);
        place
    }

    fn end_call(&mut self, place: usize, output: &ToolOutput) {
        let Some(mut item) = self.items.get(place).cloned() else { return };
        let (word, member) =
            if output.is_error { ("failed", "error") } else { ("completed", "output") };
        item["status"] = word.into();
        item[member] = output.to_text().into();
        let more = json!({ "item_id": item["id"] });
        self.tell(&format!("response.mcp_call.{word}"), place, more);
        self.done(place, item);
    }

    /// A call that the client is to make.
    fn hand_over(&mut self, call: &HandedCall) {
        let HandedCall { id: call_id, name, arguments } = call;
        let id = format!("fc_{}", RunId::random());
        let item = |status: &str, arguments: &str| {
            json!({
                "id": id, "type": "function_call", "status": status, "call_id": call_id,
                "name": name, "arguments": arguments,
            })
        };
        let place = self.add(item("in_progress", ""));
        let delta = json!({"item_id": id, "delta": arguments});
        self.tell("response.function_call_arguments.delta", place, delta);
        let done = json!({"item_id": id, "name": name, "arguments": arguments});
        self.tell("response.function_call_arguments.done", place, done);
        self.done(place, item("completed", arguments));
    }
}
