//! What a later request goes on from, in a store that services share.

use std::{
    collections::HashMap,
    future::{Future, ready},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use mcp_agent::{
    model::scripted::{Scene, ScriptedModel},
    service::{AccessRules, AccessSettings, ApiKey, ChatOptions, Role, ServiceOptions},
    store::{KeptTurn, StoreError, TurnStore},
};
use mcp_client::Secret;
use serde_json::{Value, json};

use crate::asking::{Answer, Serving, misbehaving};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A store in memory that can be away.
#[derive(Clone, Debug, Default)]
struct Turns(Arc<Kept>);

#[derive(Debug, Default)]
struct Kept {
    turns: Mutex<HashMap<String, Secret>>,
    is_away: AtomicBool,
}

impl Turns {
    fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut HashMap<String, Secret>) -> T,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        Box::pin(ready(if self.0.is_away.load(Ordering::SeqCst) {
            Err(StoreError::Failed { place: "memory".to_owned(), source: "it is away".into() })
        } else {
            Ok(ask(&mut self.0.turns.lock().expect("not poisoned")))
        }))
    }
}

impl TurnStore for Turns {
    fn keep<'a>(&'a self, turn: &'a KeptTurn) -> BoxFuture<'a, Result<(), StoreError>> {
        self.ask(|turns| drop(turns.insert(turn.id.clone(), turn.said.clone())))
    }

    fn find<'a>(
        &'a self,
        ids: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<(String, Secret)>, StoreError>> {
        self.ask(|turns| {
            let found = ids.iter().filter_map(|id| Some((id.clone(), turns.get(id)?.clone())));
            found.collect()
        })
    }

    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.ask(|turns| turns.remove(id).is_some())
    }
}

/// A service with two keys.
async fn serving(turns: &Turns, access: &AccessSettings, scenes: Vec<Scene>) -> Serving {
    let chat = ChatOptions::new(ScriptedModel::new(scenes));
    let options = ServiceOptions::new().access(access.clone()).chat(chat).turns(turns.clone());
    Serving::start(vec![misbehaving("one", "ok")], options).await
}

async fn ask(serving: &Serving, key: &str, method: &str, path: &str, body: &Value) -> Answer {
    let headers = format!("authorization: Bearer {key}\r\n");
    let body = (!body.is_null()).then(|| body.to_string());
    serving.ask(method, path, &headers, body.as_deref()).await
}

fn keys() -> (AccessSettings, [String; 2]) {
    let mut settings = AccessSettings::default();
    let keys = ["ann", "bob"].map(|name| {
        let made = ApiKey::new(name, Role::User, AccessRules::default());
        let (key, secret) = made.expect("randomness");
        settings.keys.push(key);
        secret.reveal().to_owned()
    });
    (settings, keys)
}

#[tokio::test]
async fn answers_are_there_for_their_owner_at_every_service() {
    let (turns, (access, [ann, bob])) = (Turns::default(), keys());
    let one = serving(&turns, &access, vec![Scene::text("Hello.")]).await;
    let other = serving(&turns, &access, vec![Scene::text("Again.")]).await;
    let first = ask(&one, &ann, "POST", "/v1/responses", &json!({"input": "hi"})).await.json();
    let path = format!("/v1/responses/{}", first["id"].as_str().expect("an id"));
    assert_eq!(ask(&other, &ann, "GET", &path, &Value::Null).await.json(), first);
    // To somebody else it does not exist.
    for (method, path, body) in [
        ("GET", path.as_str(), Value::Null),
        ("DELETE", path.as_str(), Value::Null),
        ("POST", "/v1/responses", json!({"input": "hi", "previous_response_id": first["id"]})),
    ] {
        let answer = ask(&other, &bob, method, path, &body).await;
        assert_eq!(answer.status, 404, "{answer:?}");
    }
    let more = json!({"input": "and now?", "previous_response_id": first["id"]});
    let second = ask(&other, &ann, "POST", "/v1/responses", &more).await;
    assert_eq!(second.json()["output"][0]["content"][0]["text"], "Again.", "{second:?}");
    assert_eq!(ask(&other, &ann, "DELETE", &path, &Value::Null).await.status, 200);
    assert_eq!(ask(&one, &ann, "GET", &path, &Value::Null).await.status, 404);
    one.end().await;
    other.end().await;
}

#[tokio::test]
async fn calls_of_the_clients_tools_go_on_for_their_owner_only() {
    let (turns, (access, [ann, bob])) = (Turns::default(), keys());
    let mixed = Scene::calls([("mcp__one__good", "{}"), ("weather", "{}")]);
    let one = serving(&turns, &access, vec![mixed]).await;
    let scenes = vec![Scene::text("Good, and sunny."), Scene::text("Sunny.")];
    let model = ScriptedModel::new(scenes);
    let options = ServiceOptions::new().access(access.clone()).turns(turns.clone());
    let options = options.chat(ChatOptions::new(model.clone()));
    let other = Serving::start(vec![misbehaving("one", "ok")], options).await;
    let weather = json!({"type": "function", "function": {"name": "weather"}});
    let mut body = json!({"messages": [{"role": "user", "content": "?"}], "tools": [weather]});
    let asked = ask(&one, &ann, "POST", "/v1/chat/completions", &body).await.json();
    let calls = &asked["choices"][0]["message"]["tool_calls"];
    assert_eq!(calls[0]["function"]["name"], "weather", "{asked}");
    assert!(calls[0]["id"].as_str().expect("an id").len() <= 40, "{asked}");
    let messages = body["messages"].as_array_mut().expect("a list");
    messages.push(json!({"role": "assistant", "content": null, "tool_calls": calls}));
    let result = json!({"role": "tool", "tool_call_id": calls[0]["id"], "content": "sunny"});
    messages.push(result);
    // With the call of the server before it; for somebody else the request is all there is.
    for (key, results) in [(&ann, 2), (&bob, 1)] {
        let answer = ask(&other, key, "POST", "/v1/chat/completions", &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let requests = model.requests();
        let messages = &requests.last().expect("a request").messages;
        let parts = messages.iter().flat_map(|message| &message.parts);
        let shown = parts.filter(|part| matches!(part, mcp_agent::model::Part::ToolResult(_)));
        assert_eq!(shown.count(), results);
    }
    one.end().await;
    other.end().await;
}

#[tokio::test]
async fn without_the_store_an_answer_is_kept_where_it_was_given() {
    let (turns, (access, [ann, _])) = (Turns::default(), keys());
    let one = serving(&turns, &access, vec![Scene::text("Hello."), Scene::text("Again.")]).await;
    let before = ask(&one, &ann, "POST", "/v1/responses", &json!({"input": "hi"})).await.json();
    turns.0.is_away.store(true, Ordering::SeqCst);
    let alone = ask(&one, &ann, "POST", "/v1/responses", &json!({"input": "hi"})).await.json();
    let path = |answer: &Value| format!("/v1/responses/{}", answer["id"].as_str().expect("an id"));
    assert_eq!(ask(&one, &ann, "GET", &path(&alone), &Value::Null).await.json(), alone);
    let answer = ask(&one, &ann, "GET", &path(&before), &Value::Null).await;
    assert_eq!((answer.status, &answer.json()["error"]["type"]), (503, &json!("server_error")));
    turns.0.is_away.store(false, Ordering::SeqCst);
    assert_eq!(ask(&one, &ann, "GET", &path(&before), &Value::Null).await.json(), before);
    one.end().await;
}
