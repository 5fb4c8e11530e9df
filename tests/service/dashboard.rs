//! The dashboard's files, the events that feed it, and calls that tell how far they are.

use mcp_agent::service::ServiceOptions;
use mcp_client::Secret;
use serde_json::{Value, json};

use crate::asking::{Serving, misbehaving};

#[tokio::test]
async fn its_files_need_no_token_and_allow_nothing_foreign() {
    let options = ServiceOptions::new().token(Secret::new("s3cret"));
    let serving = Serving::start(vec![], options).await;
    let page = serving.get("/").await;
    assert_eq!(page.status, 200, "{}", page.head);
    let head = page.head.to_ascii_lowercase();
    assert!(head.contains("content-type: text/html; charset=utf-8"), "{head}");
    assert!(head.contains("content-security-policy: default-src 'none'; script-src 'self';"));
    assert!(!head.contains("unsafe"), "{head}");
    let script = serving.get("/dashboard/app.js").await;
    assert_eq!(script.status, 200);
    let tag = script.head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    let known = format!("if-none-match: {tag}\r\n");
    assert_eq!(serving.ask("GET", "/dashboard/app.js", &known, None).await.status, 304);
    assert_eq!(serving.get("/dashboard/other.js").await.status, 404);
    // What the page shows needs the token, and pages of other hosts get nothing at all.
    assert_eq!(serving.get("/mcp/servers").await.status, 401);
    assert_eq!(serving.get("/mcp/events").await.status, 401);
    assert_eq!(serving.ask("GET", "/", "host: evil.example\r\n", None).await.status, 403);
    serving.end().await;
}

#[tokio::test]
async fn a_call_tells_how_far_it_is() {
    let serving =
        Serving::start(vec![misbehaving("slow", "reports-progress")], ServiceOptions::new()).await;
    let body = json!({"server_name": "slow", "tool_name": "good"}).to_string();
    let accepts = "accept: text/event-stream\r\n";
    let answer = serving.ask("POST", "/mcp/tools/call", accepts, Some(&body)).await;
    let events = events(&answer.body);
    let kinds: Vec<_> = events.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["progress", "progress", "result"], "{}", answer.body);
    assert_eq!(events[0].1, json!({"progress": 1.0, "total": 2.0, "message": "half way"}));
    assert_eq!(events[2].1["content"][0]["text"], "done");
    serving.end().await;
}

#[tokio::test]
async fn a_call_that_fails_tells_its_problem() {
    let serving =
        Serving::start(vec![misbehaving("gone", "exit-mid-call")], ServiceOptions::new()).await;
    let body = json!({"server_name": "gone", "tool_name": "good"}).to_string();
    let accepts = "accept: text/event-stream\r\n";
    let answer = serving.ask("POST", "/mcp/tools/call", accepts, Some(&body)).await;
    let events = events(&answer.body);
    assert_eq!(events.last().unwrap().0, "problem");
    assert_eq!(events.last().unwrap().1["code"], "connection_lost");
    serving.end().await;
}

#[tokio::test]
async fn events_tell_what_happened_and_go_on_where_they_were_left() {
    let serving = Serving::start(vec![misbehaving("one", "ok")], ServiceOptions::new()).await;
    for _ in 0..2 {
        let body = json!({"server_name": "one", "tool_name": "good"});
        assert_eq!(serving.post("/mcp/tools/call", &body).await.status, 200);
    }
    let told = serving.events("", |told| told.matches("\"phase\":\"finished\"").count() == 2).await;
    let all = events(&told);
    let calls: Vec<_> =
        all.iter().filter(|(kind, _)| kind == "call").map(|(_, told)| &told["phase"]).collect();
    assert_eq!(calls, ["started", "finished", "started", "finished"], "{told}");
    assert!(all.iter().any(|(kind, told)| kind == "server" && told["state"] == "ready"), "{told}");

    let ids: Vec<_> = told.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
    let left = format!("last-event-id: {}\r\n", ids[ids.len() - 2]);
    let rest = serving.events(&left, |told| told.contains("finished")).await;
    assert_eq!(events(&rest).len(), 1);
    assert_eq!(events(&rest)[0], all[all.len() - 1]);
    serving.end().await;
}

#[tokio::test]
async fn a_server_is_started_anew() {
    let serving = Serving::start(vec![misbehaving("one", "ok")], ServiceOptions::new()).await;
    let answer = serving.ask("POST", "/mcp/servers/one/restart", "", None).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    // Once when it came up, and once more.
    serving.events("", |told| told.matches("\"state\":\"ready\"").count() >= 2).await;
    let one = serving.get("/mcp/servers/one").await.json();
    assert_eq!((&one["server"]["restarts"], &one["stderr"]), (&json!(1), &json!([])));
    assert_eq!(serving.ask("POST", "/mcp/servers/two/restart", "", None).await.status, 404);
    serving.end().await;
}

/// Kinds and data.
fn events(body: &str) -> Vec<(String, Value)> {
    body.split("\n\n")
        .filter_map(|block| {
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            let data = serde_json::from_str(field("data: ")?)
                .unwrap_or_else(|error| panic!("{error}: {block}"));
            Some((field("event: ")?.to_owned(), data))
        })
        .collect()
}
