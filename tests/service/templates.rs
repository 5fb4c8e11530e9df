//! Servers that are commands, started over HTTP: of what the operator has written down, by
//! administrators, where that is allowed.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use mcp_agent::service::{
    AccessRules, AccessSettings, ApiKey, Role, ServerTemplate, ServiceOptions,
};
use serde_json::{Value, json};

use crate::asking::{Answer, Serving};

fn misbehaving() -> ServerTemplate {
    let template = json!({
        "name": "misbehaving", "command": env!("CARGO_BIN_EXE_misbehave"), "args": ["{fault}"],
        "parameters": {"fault": "[a-z-]+"},
    });
    serde_json::from_value(template).unwrap()
}

fn entry(template: &str, arguments: &Value) -> String {
    json!({"name": "mine", "template": template, "arguments": arguments}).to_string()
}

async fn post(serving: &Serving, key: &str, body: &str) -> Answer {
    let header = format!("authorization: Bearer {key}\r\n");
    serving.ask("POST", "/mcp/servers", &header, Some(body)).await
}

#[tokio::test]
async fn an_administrator_starts_a_server_of_a_template() {
    let mut settings = AccessSettings::default();
    let [admin, operator] = [("a", Role::Admin), ("o", Role::Operator)].map(|(name, role)| {
        let (key, secret) = ApiKey::new(name, role, AccessRules::default()).expect("randomness");
        settings.keys.push(key);
        secret.reveal().to_owned()
    });
    let options = ServiceOptions::new().access(settings).templates(&[misbehaving()]).unwrap();
    let serving = Serving::start(vec![], options).await;
    let good = entry("misbehaving", &json!({"fault": "ok"}));
    assert_eq!(post(&serving, &operator, &good).await.status, 403);
    let added = post(&serving, &admin, &good).await;
    assert_eq!((added.status, &added.json()["state"]), (201, &json!("ready")), "{added:?}");
    let call = json!({"server_name": "mine", "tool_name": "good"}).to_string();
    let header = format!("authorization: Bearer {admin}\r\n");
    let called = serving.ask("POST", "/mcp/tools/call", &header, Some(&call)).await;
    assert_eq!((called.status, &called.json()["content"][0]["text"]), (200, &json!("ok")));
    serving.end().await;
}

#[tokio::test]
async fn nothing_else_becomes_a_command() {
    let marker = tempfile::tempdir().unwrap();
    let mark = marker.path().join("mark").display().to_string();
    let options = ServiceOptions::new().templates(&[misbehaving()]).unwrap();
    let serving = Serving::start(vec![], options).await;
    for (template, arguments, status) in [
        ("misbehaving", json!({"fault": format!("; touch {mark}")}), 422),
        ("misbehaving", json!({"fault": format!("$(touch {mark})")}), 422),
        ("misbehaving", json!({"fault": "ok\n"}), 422),
        ("misbehaving", json!({"fault": "-ok"}), 422),
        ("misbehaving", json!({"fault": ""}), 422),
        ("misbehaving", json!({}), 422),
        ("misbehaving", json!({"fault": "ok", "command": "sh"}), 422),
        ("misbehaving", json!({"fault": ["ok", "more"]}), 400),
        ("sh", json!({"fault": "ok"}), 422),
        ("", json!({}), 422),
    ] {
        let answer = post(&serving, "", &entry(template, &arguments)).await;
        assert_eq!(answer.status, status, "{template} {arguments}: {answer:?}");
    }
    for body in [
        json!({"name": "x", "template": "misbehaving", "arguments": {"fault": "ok"}, "args": []}),
        json!({"name": "x", "template": "misbehaving", "command": "sh", "arguments": {}}),
        json!({"name": "x", "template": {"command": "sh"}}),
        json!({"name": "x", "template": "misbehaving", "url": "stdio://sh"}),
    ] {
        let answer = post(&serving, "", &body.to_string()).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
    }
    assert_eq!(serving.get("/mcp/servers").await.json()["servers"], json!([]));
    assert!(!marker.path().join("mark").exists());
    serving.end().await;
}

#[tokio::test]
async fn without_the_operators_word_there_are_no_templates() {
    let serving = Serving::start(vec![], ServiceOptions::new()).await;
    let answer = post(&serving, "", &entry("misbehaving", &json!({"fault": "ok"}))).await;
    assert_eq!((answer.status, &answer.json()["code"]), (422, &json!("config")));
    serving.end().await;
}
