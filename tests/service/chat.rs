//! The chat of OpenAI's shape, with a model that plays a script and tools that are real.

use mcp_agent::{
    model::scripted::{Scene, ScriptedModel},
    service::{ChatOptions, ServiceOptions},
};
use serde_json::{Value, json};

use crate::asking::{Serving, misbehaving};

async fn serving(scenes: impl IntoIterator<Item = Scene>) -> (Serving, ScriptedModel) {
    let model = ScriptedModel::new(scenes);
    let options = ServiceOptions::new().chat(ChatOptions::new(model.clone()).system("Be brief."));
    (Serving::start(vec![misbehaving("one", "ok")], options).await, model)
}

fn question() -> Value {
    json!({"model": "any", "messages": [{"role": "user", "content": "Is it good?"}]})
}

#[tokio::test]
async fn the_servers_tools_are_used_without_being_named() {
    let (serving, model) =
        serving([Scene::call("mcp__one__good", "{}"), Scene::text("It is ok.")]).await;
    let answer = serving.post("/v1/chat/completions", &question()).await;
    let json = answer.json();
    assert_eq!(json["choices"][0]["message"]["content"], "It is ok.", "{answer:?}");
    assert_eq!(json["choices"][0]["finish_reason"], "stop");
    assert_eq!(json["tool_runs"][0]["name"], "mcp__one__good");
    let requests = model.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].messages[0].parts[0].as_text(), Some("Be brief."));
    let models = serving.get("/v1/models").await.json();
    assert_eq!(models["data"].as_array().unwrap().len(), 1);
    serving.end().await;
}

#[tokio::test]
async fn an_answer_is_streamed() {
    let (serving, _) =
        serving([Scene::call("mcp__one__good", "{}"), Scene::text("It is ok.")]).await;
    let mut body = question();
    body["stream"] = true.into();
    body["stream_options"] = json!({"include_usage": true});
    let answer = serving.post("/v1/chat/completions", &body).await;
    assert!(answer.head.contains("text/event-stream"), "{}", answer.head);
    let lines: Vec<_> =
        answer.body.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let (last, chunks) = lines.split_last().unwrap();
    assert_eq!(*last, "[DONE]");
    let chunks: Vec<Value> =
        chunks.iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect();
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let text: String =
        chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "It is ok.");
    assert!(chunks.iter().any(|chunk| chunk["tool_run"]["name"] == "mcp__one__good"));
    let (usage, rest) = chunks.split_last().unwrap();
    assert!(usage["usage"]["total_tokens"].is_u64());
    assert_eq!(rest.last().unwrap()["choices"][0]["finish_reason"], "stop");
    serving.end().await;
}

#[tokio::test]
async fn what_goes_wrong_is_told_in_the_way_of_openai() {
    let (serving, _) = serving([]).await;
    let empty = serving.post("/v1/chat/completions", &json!({"messages": []})).await;
    assert_eq!(empty.status, 400);
    assert_eq!(empty.json()["error"]["type"], "invalid_request_error");
    // The script is at its end.
    let failed = serving.post("/v1/chat/completions", &question()).await;
    assert_eq!((failed.status, &failed.json()["error"]["type"]), (502, &json!("model_error")));
    serving.end().await;
    let without = Serving::start(vec![], ServiceOptions::new()).await;
    assert_eq!(without.post("/v1/chat/completions", &question()).await.status, 404);
    without.end().await;
}
