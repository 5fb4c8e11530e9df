//! `/v1/responses`, with a model that plays a script and tools that are real.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use mcp_agent::{
    model::{
        Part,
        scripted::{Scene, ScriptedModel},
    },
    service::{ChatOptions, ServiceOptions},
};
use serde_json::{Value, json};

use crate::asking::{Serving, misbehaving};

async fn serving(scenes: impl IntoIterator<Item = Scene>) -> (Serving, ScriptedModel) {
    let model = ScriptedModel::new(scenes);
    let options = ServiceOptions::new().chat(ChatOptions::new(model.clone()));
    (Serving::start(vec![misbehaving("one", "ok")], options).await, model)
}

fn weather() -> Value {
    json!([{"type": "function", "name": "weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}},
    }}])
}

/// A turn that calls a tool of a server and one of the client.
fn mixed() -> Scene {
    Scene::calls([("mcp__one__good", "{}"), ("weather", r#"{"city": "Rome"}"#)])
}

/// All words that the model was shown with its last request, results included.
fn shown(model: &ScriptedModel) -> Vec<String> {
    let requests = model.requests();
    let parts = requests.last().unwrap().messages.iter().flat_map(|message| &message.parts);
    let words = parts.map(|part| match part {
        Part::ToolResult(result) => result.content.iter().filter_map(Part::as_text).collect(),
        part => part.as_text().unwrap_or_default().to_owned(),
    });
    words.filter(|words: &String| !words.is_empty()).collect()
}

fn kinds(response: &Value) -> Vec<&str> {
    response["output"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["type"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn an_answer_goes_on_by_its_name() {
    let scenes = [mixed(), Scene::text("Good, and sunny."), Scene::text("You are welcome.")];
    let (serving, model) = serving(scenes).await;
    let first = json!({"input": "How is it?", "instructions": "Be brief.", "tools": weather()});
    let first = serving.post("/v1/responses", &first).await.json();
    assert_eq!(
        (&first["status"], kinds(&first)),
        (&json!("completed"), vec!["mcp_call", "function_call"])
    );
    assert_eq!(first["output"][0]["server_label"], "one");
    assert_eq!(first["output"][0]["output"], "ok");
    let call = &first["output"][1];
    assert_eq!(
        (&call["name"], &call["arguments"]),
        (&json!("weather"), &json!(r#"{"city":"Rome"}"#))
    );
    let second = json!({
        "previous_response_id": first["id"], "tools": weather(),
        "input": [{"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}],
    });
    let second = serving.post("/v1/responses", &second).await.json();
    assert_eq!(second["output"][0]["content"][0]["text"], "Good, and sunny.", "{second}");
    // The instructions were for the first request alone.
    assert_eq!(shown(&model), ["How is it?", "ok", "sunny"]);
    let third = json!({"previous_response_id": second["id"], "input": "Thanks!", "store": false});
    let third = serving.post("/v1/responses", &third).await.json();
    assert_eq!(shown(&model), ["How is it?", "ok", "sunny", "Good, and sunny.", "Thanks!"]);
    let path = |id: &Value| format!("/v1/responses/{}", id.as_str().unwrap());
    assert_eq!(serving.get(&path(&second["id"])).await.json(), second);
    assert_eq!(serving.get(&path(&third["id"])).await.status, 404);
    let deleted = serving.ask("DELETE", &path(&second["id"]), "", None).await;
    assert_eq!((deleted.status, &deleted.json()["deleted"]), (200, &json!(true)));
    assert_eq!(serving.get(&path(&second["id"])).await.status, 404);
    serving.end().await;
}

#[tokio::test]
async fn the_items_of_an_answer_are_input_again() {
    let (serving, model) = serving([mixed(), Scene::text("Good, and sunny.")]).await;
    let mut body = json!({"input": [{"role": "user", "content": "How is it?"}], "store": false});
    body["tools"] = weather();
    let first = serving.post("/v1/responses", &body).await.json();
    let input = body["input"].as_array_mut().unwrap();
    input.extend(first["output"].as_array().unwrap().clone());
    let id = first["output"][1]["call_id"].clone();
    input.push(json!({"type": "function_call_output", "call_id": id, "output": "sunny"}));
    let second = serving.post("/v1/responses", &body).await.json();
    assert_eq!(second["output"][0]["content"][0]["text"], "Good, and sunny.", "{second}");
    assert_eq!(shown(&model), ["How is it?", "ok", "sunny"]);
    serving.end().await;
}

#[tokio::test]
async fn an_answer_is_streamed() {
    let (serving, _) =
        serving([mixed(), Scene::call("mcp__one__good", "{}"), Scene::text("All good.")]).await;
    let body = json!({"input": "How is it?", "stream": true, "tools": weather()});
    let answer = serving.post("/v1/responses", &body).await;
    let events = events(&answer.body);
    let told: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        told[..3],
        ["response.created", "response.in_progress", "response.output_item.added"]
    );
    assert_eq!(told.last(), Some(&"response.completed"));
    for kind in [
        "response.mcp_call.completed",
        "response.function_call_arguments.done",
        "response.output_item.done",
    ] {
        assert!(told.contains(&kind), "{kind}: {told:?}");
    }
    let numbers: Vec<_> = events.iter().map(|event| event["sequence_number"].clone()).collect();
    assert_eq!(numbers, (0..events.len()).map(Value::from).collect::<Vec<_>>());
    // What the stream builds up is what its end says.
    let response = &events.last().unwrap()["response"];
    let done = events.iter().filter(|event| event["type"] == "response.output_item.done");
    let mut built = vec![Value::Null; response["output"].as_array().unwrap().len()];
    for event in done {
        built[usize::try_from(event["output_index"].as_u64().unwrap()).unwrap()] =
            event["item"].clone();
    }
    assert_eq!(Value::from(built), response["output"]);
    let next = json!({
        "previous_response_id": response["id"], "stream": true, "tools": weather(),
        "input": [{
            "type": "function_call_output", "call_id": response["output"][1]["call_id"],
            "output": "sunny",
        }],
    });
    let answer = serving.post("/v1/responses", &next).await;
    let next = self::events(&answer.body);
    let words = next.iter().filter(|event| event["type"] == "response.output_text.delta");
    let words: String = words.map(|event| event["delta"].as_str().unwrap()).collect();
    assert_eq!(words, "All good.");
    serving.end().await;
}

fn events(body: &str) -> Vec<Value> {
    let lines = body.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let (serving, _) = serving([]).await;
    for (body, status, param) in [
        (json!({"input": []}), 400, "input"),
        (json!({"input": "hi", "background": true}), 400, "background"),
        (json!({"input": "hi", "previous_response_id": "resp_x"}), 404, "previous_response_id"),
        (json!({"input": "hi", "tools": [{"type": "web_search"}]}), 400, "tools"),
    ] {
        let answer = serving.post("/v1/responses", &body).await;
        assert_eq!((answer.status, &answer.json()["error"]["param"]), (status, &json!(param)));
    }
    // The script is at its end.
    let failed = serving.post("/v1/responses", &json!({"input": "hi", "stream": true})).await;
    let last = events(&failed.body).pop().unwrap();
    assert_eq!(
        (&last["type"], &last["response"]["status"]),
        (&json!("response.failed"), &json!("failed"))
    );
    serving.end().await;
}
