//! Tools that the client of the chat runs itself, beside those of the servers, and the shape of
//! answers.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use mcp_agent::{
    model::{
        Part,
        scripted::{Scene, ScriptedModel},
    },
    service::{ChatOptions, ServiceOptions},
};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::asking::{Answer, Serving, misbehaving};

async fn serving(fault: &str, scenes: impl IntoIterator<Item = Scene>) -> (Serving, ScriptedModel) {
    let model = ScriptedModel::new(scenes);
    let options = ServiceOptions::new().chat(ChatOptions::new(model.clone()));
    (Serving::start(vec![misbehaving("one", fault)], options).await, model)
}

fn question() -> Value {
    json!({
        "model": "any",
        "messages": [{"role": "user", "content": "Is it good, and what is the weather in Rome?"}],
        "tools": [{"type": "function", "function": {
            "name": "weather",
            "description": "Tells the weather.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        }}],
    })
}

/// A turn that calls a tool of a server and one of the client.
fn mixed() -> Scene {
    Scene::calls([("mcp__one__good", "{}"), ("weather", r#"{"city": "Rome"}"#)])
}

fn chunks(answer: &Answer) -> Vec<Value> {
    let lines = answer.body.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The results that the model was shown, oldest first.
fn results(model: &ScriptedModel) -> Vec<String> {
    let requests = model.requests();
    let parts = requests.last().unwrap().messages.iter().flat_map(|message| &message.parts);
    let results = parts.filter_map(|part| match part {
        Part::ToolResult(result) => Some(&result.content),
        _ => None,
    });
    results.map(|content| content.iter().filter_map(Part::as_text).collect()).collect()
}

#[tokio::test]
async fn a_mixed_turn_is_parted_and_goes_on() {
    let (serving, model) = serving("ok", [mixed(), Scene::text("Good, and sunny.")]).await;
    let mut body = question();
    let first = serving.post("/v1/chat/completions", &body).await.json();
    let choice = &first["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls", "{first}");
    let calls = choice["message"]["tool_calls"].as_array().unwrap();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0]["function"]["name"], "weather");
    assert_eq!(calls[0]["function"]["arguments"], r#"{"city":"Rome"}"#);
    assert_eq!(first["tool_runs"][0]["name"], "mcp__one__good");
    // The client knows nothing of the server's call.
    let result = json!({"role": "tool", "tool_call_id": calls[0]["id"], "content": "sunny"});
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": null, "tool_calls": calls}));
    messages.push(result);
    let second = serving.post("/v1/chat/completions", &body).await.json();
    assert_eq!(second["choices"][0]["message"]["content"], "Good, and sunny.", "{second}");
    assert_eq!(results(&model), ["ok", "sunny"]);
    serving.end().await;
}

#[tokio::test]
async fn a_call_that_nobody_remembers_is_taken_from_the_request() {
    let (serving, model) = serving("ok", [Scene::text("Sunny.")]).await;
    let mut body = question();
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "tool_calls": [{
        "id": "call_of_another_life", "type": "function",
        "function": {"name": "weather", "arguments": "{\"city\":\"Rome\"}"},
    }]}));
    messages.push(json!({
        "role": "tool", "tool_call_id": "call_of_another_life", "content": "sunny",
    }));
    let answer = serving.post("/v1/chat/completions", &body).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], "Sunny.", "{answer}");
    assert_eq!(results(&model), ["sunny"]);
    serving.end().await;
}

#[tokio::test]
async fn calls_are_streamed() {
    let (serving, _) = serving("ok", [mixed()]).await;
    let mut body = question();
    body["stream"] = true.into();
    let answer = serving.post("/v1/chat/completions", &body).await;
    let chunks = chunks(&answer);
    let delta = |chunk: &Value| chunk["choices"][0]["delta"]["tool_calls"][0].clone();
    let called: Vec<_> = chunks.iter().map(delta).filter(|call| !call.is_null()).collect();
    assert_eq!(called.len(), 1, "{answer:?}");
    assert_eq!(
        (&called[0]["index"], &called[0]["function"]["name"]),
        (&json!(0), &json!("weather"))
    );
    let runs: Vec<_> = chunks.iter().filter(|chunk| chunk["tool_run"].is_object()).collect();
    assert_eq!(runs.len(), 1);
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
    serving.end().await;
}

#[tokio::test]
async fn arguments_that_do_not_fit_go_back_to_the_model() {
    let scenes = [Scene::call("weather", "{}"), Scene::call("weather", r#"{"city":"Rome"}"#)];
    let (serving, model) = serving("ok", scenes).await;
    let answer = serving.post("/v1/chat/completions", &question()).await.json();
    let calls = &answer["choices"][0]["message"]["tool_calls"];
    assert_eq!(calls[0]["function"]["arguments"], r#"{"city":"Rome"}"#, "{answer}");
    assert_eq!(model.requests().len(), 2);
    serving.end().await;
}

#[tokio::test]
async fn an_answer_has_the_shape_asked_for() {
    let wrong_then_right = || [Scene::text("In Rome."), Scene::text(r#"{ "city": "Rome" }"#)];
    let schema = json!({
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
    });
    for format in [
        json!({"type": "json_schema", "json_schema": {"name": "place", "schema": schema}}),
        json!({"type": "json_object"}),
    ] {
        let (serving, _) = serving("ok", wrong_then_right()).await;
        let mut body = question();
        body["response_format"] = format;
        body["stream"] = true.into();
        let answer = serving.post("/v1/chat/completions", &body).await;
        let chunks = chunks(&answer);
        let words = chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str());
        assert_eq!(words.collect::<String>(), r#"{"city":"Rome"}"#);
        serving.end().await;
    }
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_call() {
    let (serving, _) = serving("silent-call", [Scene::call("mcp__one__good", "{}")]).await;
    let body = json!({"messages": [{"role": "user", "content": "Go"}]}).to_string();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        serving.address,
        body.len()
    );
    let mut client = TcpStream::connect(&serving.address).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    serving.events("", |told| told.contains("event: call")).await;
    drop(client);
    serving.events("", |told| told.contains("abandoned")).await;
    serving.end().await;
}
