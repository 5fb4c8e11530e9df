//! Plans over REST, with real tools.

use mcp_agent::service::ServiceOptions;
use serde_json::{Value, json};

use crate::asking::{Serving, misbehaving};

/// Two steps, the second of which needs the first.
fn plan() -> Value {
    json!({"goal": "both", "steps": [
        {"id": "first", "tool": "one.good"},
        {"id": "second", "tool": "one.good", "depends_on": ["first"]},
    ]})
}

#[tokio::test]
async fn a_plan_is_checked_tried_and_run() {
    let serving = Serving::start(vec![misbehaving("one", "ok")], ServiceOptions::new()).await;
    let valid = serving.post("/mcp/plans/validate", &json!({"plan": plan()})).await.json();
    let waves = json!([["first"], ["second"]]);
    assert_eq!(valid, json!({"valid": true, "problems": [], "waves": waves}));
    let dry =
        serving.post("/mcp/plans/run", &json!({"plan": plan(), "dry_run": true})).await.json();
    assert_eq!(dry, json!({"goal": "both", "done": false, "steps": {}, "waves": waves}));
    assert_eq!(serving.get("/mcp/servers").await.json()["servers"][0]["calls"], 0);
    let run = serving.post("/mcp/plans/run", &json!({"plan": plan()})).await.json();
    assert_eq!(run["done"], true, "{run}");
    assert_eq!(run["steps"], json!({"first": {"done": "ok"}, "second": {"done": "ok"}}));
    let told = serving.events("", |told| told.matches("\"via\":\"plan\"").count() >= 2).await;
    assert!(told.contains("\"tool\":\"good\""), "{told}");
    serving.end().await;
}

#[tokio::test]
async fn what_ended_well_does_not_run_again() {
    let serving = Serving::start(vec![misbehaving("one", "ok")], ServiceOptions::new()).await;
    let steps = json!({"first": {"done": "before"}, "second": {"failed": {"reason": "gone"}}});
    let body = json!({"plan": plan(), "steps": steps});
    let run = serving.post("/mcp/plans/resume", &body).await.json();
    assert_eq!(run["steps"], json!({"first": {"done": "before"}, "second": {"done": "ok"}}));
    assert_eq!(serving.get("/mcp/servers").await.json()["servers"][0]["calls"], 1);
    serving.end().await;
}

#[tokio::test]
async fn a_run_is_told_step_by_step() {
    let serving = Serving::start(vec![misbehaving("one", "ok")], ServiceOptions::new()).await;
    let body = json!({"plan": plan()}).to_string();
    let headers = "accept: text/event-stream\r\n";
    let answer = serving.ask("POST", "/mcp/plans/run", headers, Some(&body)).await;
    let kinds: Vec<_> =
        answer.body.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(kinds, ["step", "step", "result"]);
    assert!(answer.body.contains(r#""done":true"#), "{}", answer.body);
    serving.end().await;
}

#[tokio::test]
async fn a_plan_that_cannot_run_is_told_whole() {
    let serving = Serving::start(vec![misbehaving("one", "ok")], ServiceOptions::new()).await;
    let plan = json!({"steps": [
        {"id": "a", "tool": "one.missing"}, {"id": "b", "tool": "one.good", "depends_on": ["c"]},
    ]});
    let checked = serving.post("/mcp/plans/validate", &json!({"plan": plan})).await.json();
    assert_eq!(
        (&checked["valid"], checked["problems"].as_array().unwrap().len()),
        (&json!(false), 2)
    );
    let refused = serving.post("/mcp/plans/run", &json!({"plan": plan})).await;
    assert_eq!((refused.status, &refused.json()["code"]), (422, &json!("invalid_arguments")));
    serving.end().await;
}
