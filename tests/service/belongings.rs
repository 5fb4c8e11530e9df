//! What the service keeps for one caller does not exist for another, and plans keep to the rules.

use mcp_agent::{
    model::{
        Part,
        scripted::{Scene, ScriptedModel},
    },
    service::{AccessRules, AccessSettings, ApiKey, ChatOptions, Role, ServiceOptions},
};
use serde_json::{Value, json};

use crate::asking::{Answer, Serving, misbehaving};

/// Two users, of whom the second may not call anything.
fn two_users() -> (AccessSettings, [String; 2]) {
    let mut settings = AccessSettings::default();
    let nothing = AccessRules::default().deny("one/good");
    let shown = [("one", AccessRules::default()), ("two", nothing)].map(|(name, rules)| {
        let (key, secret) = ApiKey::new(name, Role::User, rules).expect("randomness");
        settings.keys.push(key);
        format!("authorization: Bearer {}\r\n", secret.reveal())
    });
    (settings, shown)
}

/// A call of a client's tool is good for that client alone: it leads to what was said before it.
#[tokio::test]
async fn the_chat_has_the_tools_and_the_turns_of_its_caller() {
    let (settings, [one, two]) = two_users();
    let calls = Scene::calls([("mcp__one__good", "{}"), ("mine", "{}")]);
    let model = ScriptedModel::new([
        calls,
        Scene::call("mcp__one__good", "{}"),
        Scene::text("There is none."),
        Scene::text("Good."),
    ]);
    let options = ServiceOptions::new().access(settings).chat(ChatOptions::new(model.clone()));
    let serving = Serving::start(vec![misbehaving("one", "ok")], options).await;
    let mine = json!({"type": "function", "function": {
        "name": "mine", "parameters": {"type": "object"},
    }});
    let asked = json!({"role": "user", "content": "Is it good?"});
    let body = json!({"model": "any", "messages": [asked], "tools": [mine]});
    let first = post(&serving, &one, "/v1/chat/completions", &body).await.json();
    let handed = &first["choices"][0]["message"]["tool_calls"];
    let mut next = body.clone();
    next["messages"] = json!([
        asked,
        {"role": "assistant", "content": null, "tool_calls": handed},
        {"role": "tool", "tool_call_id": handed[0]["id"], "content": "mine"},
    ]);
    for (headers, offered, said) in
        [(&two, vec!["mine"], "There is none."), (&one, vec!["mcp__one__good", "mine"], "Good.")]
    {
        let answer = post(&serving, headers, "/v1/chat/completions", &next).await.json();
        assert_eq!(answer["choices"][0]["message"]["content"], said, "{answer}");
        let last = model.requests().pop().expect("a request");
        let mut names: Vec<_> = last.tools.iter().map(|tool| tool.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, offered);
        // What the server's tool gave was said to the first one only.
        let results = last.messages.iter().flat_map(|message| &message.parts);
        let results = results.filter_map(|part| match part {
            Part::ToolResult(result) => Some(&result.content),
            _ => None,
        });
        let is_ok =
            results.filter(|content| content.iter().any(|part| part.as_text() == Some("ok")));
        assert_eq!(is_ok.count() == 1, said == "Good.");
    }
    serving.end().await;
}

async fn post(serving: &Serving, headers: &str, path: &str, body: &Value) -> Answer {
    serving.ask("POST", path, headers, Some(&body.to_string())).await
}

#[tokio::test]
async fn answers_are_kept_for_their_caller_alone() {
    let (settings, [one, two]) = two_users();
    let model = ScriptedModel::new([Scene::text("Hello."), Scene::text("Hello again.")]);
    let options = ServiceOptions::new().access(settings).chat(ChatOptions::new(model));
    let serving = Serving::start(vec![], options).await;
    let first = post(&serving, &one, "/v1/responses", &json!({"input": "Hi"})).await.json();
    let path = format!("/v1/responses/{}", first["id"].as_str().expect("an id"));
    let next = json!({"input": "Hi", "previous_response_id": first["id"]});
    assert_eq!(post(&serving, &two, "/v1/responses", &next).await.status, 404);
    for (method, headers, status) in
        [("GET", &two, 404), ("DELETE", &two, 404), ("GET", &one, 200), ("DELETE", &one, 200)]
    {
        assert_eq!(serving.ask(method, &path, headers, None).await.status, status, "{method}");
    }
    serving.end().await;
}

#[tokio::test]
async fn plans_have_the_tools_of_their_caller_and_conversations_are_for_operators() {
    let (settings, [one, two]) = two_users();
    let options = ServiceOptions::new().access(settings);
    let serving = Serving::start(vec![misbehaving("one", "ok")], options).await;
    let plan = json!({"plan": {"steps": [{"id": "a", "tool": "one.good"}]}});
    let run = post(&serving, &one, "/mcp/plans/run", &plan).await;
    assert_eq!((run.status, &run.json()["done"]), (200, &json!(true)), "{run:?}");
    let refused = post(&serving, &two, "/mcp/plans/run", &plan).await;
    assert_eq!((refused.status, &refused.json()["code"]), (422, &json!("invalid_arguments")));
    let kept = serving.ask("GET", "/mcp/conversations", &one, None).await;
    assert_eq!((kept.status, &kept.json()["code"]), (403, &json!("refused")));
    serving.end().await;
}
