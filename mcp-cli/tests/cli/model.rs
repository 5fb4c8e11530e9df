//! A scripted model: a small HTTP server that speaks Chat Completions, one answer per request.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

/// What the model does next.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Says this, in two pieces.
    Text(&'static str),
    /// Calls tools: names and arguments.
    Calls(Vec<(&'static str, Value)>),
    /// Refuses with this status.
    Status(u16, &'static str),
    /// Says a word, then nothing more for a long time.
    Stall,
}

pub(crate) struct Model {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Value>>>,
}

impl Model {
    /// The model gives these answers, then its last one again and again.
    pub(crate) fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<Value>>>::default();
        let seen = Arc::clone(&requests);
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, answers) = (Arc::clone(&seen), answers.clone());
                thread::spawn(move || serve(stream.unwrap(), &seen, &answers));
            }
        });
        Self { url, requests }
    }

    /// What was asked so far.
    pub(crate) fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Value>>, answers: &[Answer]) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut start = String::new();
        if reader.read_line(&mut start).unwrap_or(0) == 0 {
            return;
        }
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            if header.trim().is_empty() {
                break;
            }
            if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        if start.starts_with("GET") {
            let list = json!({"object": "list", "data": [{"id": "scripted"}]});
            reply(&mut stream, 200, "application/json", &list.to_string());
            continue;
        }
        let index = {
            let mut seen = seen.lock().unwrap();
            seen.push(serde_json::from_slice(&body).unwrap());
            seen.len() - 1
        };
        match answers.get(index).or(answers.last()).unwrap() {
            Answer::Status(status, message) => {
                let error = json!({"error": {"message": message, "type": "invalid_request_error"}});
                reply(&mut stream, *status, "application/json", &error.to_string());
            }
            Answer::Text(text) => {
                let (one, two) = text.split_at(text.len() / 2);
                let events = [
                    event(&json!({"content": one}), None),
                    event(&json!({"content": two}), None),
                    event(&json!({}), Some("stop")),
                ];
                reply(&mut stream, 200, "text/event-stream", &finish(&events));
            }
            Answer::Calls(calls) => {
                let calls: Vec<Value> = calls
                    .iter()
                    .enumerate()
                    .map(|(at, (name, arguments))| {
                        json!({"index": at, "id": format!("call_{index}_{at}"), "type": "function",
                            "function": {"name": name, "arguments": arguments.to_string()}})
                    })
                    .collect();
                let events = [
                    event(&json!({"tool_calls": calls}), None),
                    event(&json!({}), Some("tool_calls")),
                ];
                reply(&mut stream, 200, "text/event-stream", &finish(&events));
            }
            Answer::Stall => {
                let text = event(&json!({"content": "Let me"}), None);
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{text}"
                )
                .unwrap();
                thread::sleep(Duration::from_secs(30));
                return;
            }
        }
    }
}

fn event(delta: &Value, finish: Option<&str>) -> String {
    let chunk = json!({"id": "c", "object": "chat.completion.chunk", "model": "scripted",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
    format!("data: {chunk}\n\n")
}

fn finish(events: &[String]) -> String {
    let usage = json!({"id": "c", "object": "chat.completion.chunk", "model": "scripted",
        "choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 10}});
    format!("{}data: {usage}\n\ndata: [DONE]\n\n", events.concat())
}

fn reply(stream: &mut TcpStream, status: u16, kind: &str, body: &str) {
    // The client may have left.
    let _ = write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
}
