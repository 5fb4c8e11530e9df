//! A model that answers by rule, behind the Chat Completions API.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// It ends with the value.
pub(crate) struct Model {
    address: String,
    _serving: JoinSet<()>,
}

impl Model {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut answering = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                answering.spawn(answer(stream));
            }
        });
        Self { address, _serving: serving }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

/// Answers one request.
async fn answer(mut stream: TcpStream) {
    let mut read = Vec::new();
    let (head, mut body) = loop {
        if stream.read_buf(&mut read).await.unwrap_or_default() == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            break (head.to_ascii_lowercase(), body.as_bytes().to_vec());
        }
    };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    while body.len() < length {
        assert_ne!(stream.read_buf(&mut body).await.unwrap(), 0);
    }
    let (kind, text) = if head.starts_with("get ") {
        ("application/json", json!({"object": "list", "data": [{"id": "rules"}]}).to_string())
    } else {
        ("text/event-stream", told(&serde_json::from_slice(&body).unwrap()))
    };
    let length = text.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{text}"
    );
    // Whoever asked may have gone.
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// The events of an answer.
fn told(request: &Value) -> String {
    let messages = request["messages"].as_array().unwrap();
    let said = |role: &str| -> Vec<&str> {
        let of_role = messages.iter().filter(|message| message["role"] == role);
        of_role.filter_map(|message| message["content"].as_str()).collect()
    };
    let results = said("tool");
    let (delta, finish) = if said("user").last() == Some(&"both") && results.is_empty() {
        let call = |index: usize, name: &str, arguments: Value| {
            json!({"index": index, "id": format!("call_{index}"), "type": "function",
                "function": {"name": name, "arguments": arguments.to_string()}})
        };
        let calls = [
            call(0, "mcp__demo__calculator", json!({"expression": "6*7"})),
            call(1, "weather", json!({})),
        ];
        (json!({ "tool_calls": calls }), "tool_calls")
    } else if results.is_empty() {
        (json!({"content": format!("I heard of {}.", said("user").join(", "))}), "stop")
    } else {
        (json!({"content": format!("The results are {}.", results.join(" and "))}), "stop")
    };
    let chunk = |delta: Value, finish: Value| {
        let choices = json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
        let chunk = json!({"id": "1", "object": "chat.completion.chunk", "created": 1,
            "model": "rules", "choices": choices});
        format!("data: {chunk}\n\n")
    };
    let first = chunk(delta, Value::Null);
    format!("{first}{}data: [DONE]\n\n", chunk(json!({}), finish.into()))
}
