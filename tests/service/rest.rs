//! Servers, tools and errors over REST.

use mcp_agent::service::ServiceOptions;
use mcp_client::{Secret, testing::HttpScript};

use serde_json::{Value, json};

use crate::asking::{Serving, misbehaving};

#[tokio::test]
async fn one_server_that_is_down_hides_no_other() {
    let servers = vec![misbehaving("good", "ok"), misbehaving("bad", "exit-at-once")];
    let serving = Serving::start(servers, ServiceOptions::new()).await;
    let status = serving.get("/mcp/servers/status").await.json();
    assert_eq!(status["servers"][0]["state"], "ready");
    assert_eq!(status["servers"][1]["state"], "down");
    assert!(status["servers"][1]["reason"].as_str().unwrap().contains("cannot read the settings"));
    let all = serving.get("/mcp/tools").await.json();
    assert_eq!(all["tools"][0]["name"], "good");
    assert_eq!(all["tools"][0]["server_name"], "good");
    assert_eq!(all["problems"][0]["server"], "bad");
    let bad = serving.get("/mcp/tools?server_name=bad").await;
    assert_eq!((bad.status, &bad.json()["code"]), (503, &json!("unreachable")));
    let none = serving.get("/mcp/tools?server_name=nobody").await;
    assert_eq!((none.status, &none.json()["code"]), (404, &json!("unknown_server")));
    let ready = serving.get("/readyz").await;
    assert_eq!(
        (ready.status, ready.json()),
        (200, json!({"servers": 2, "usable": 1, "starting": 0}))
    );
    serving.end().await;
}

#[tokio::test]
async fn a_tool_is_called_and_counted() {
    let serving = Serving::start(vec![misbehaving("one", "ok")], ServiceOptions::new()).await;
    let call = |name: &str| json!({"server_name": "one", "tool_name": name, "arguments": {}});
    let result = serving.post("/mcp/tools/call", &call("good")).await;
    assert_eq!((result.status, &result.json()["content"][0]["text"]), (200, &json!("ok")));
    let status = serving.get("/mcp/servers").await.json();
    assert_eq!(status["servers"][0]["calls"], 1);
    assert_eq!(status["servers"][0]["tools"]["good"]["calls"], 1);
    let metrics = serving.get("/metrics").await;
    assert!(metrics.head.contains("text/plain; version=0.0.4"), "{}", metrics.head);
    assert!(metrics.body.contains(r#"server="one""#), "{}", metrics.body);
    serving.end().await;
}

#[tokio::test]
async fn requests_that_are_wrong_are_told_so() {
    let serving = Serving::start(vec![misbehaving("one", "ok")], ServiceOptions::new()).await;
    for (method, path, body, status, code) in [
        ("POST", "/mcp/tools/call", "{", 400, "usage"),
        ("POST", "/mcp/tools/call", r#"{"server_name": "one"}"#, 400, "usage"),
        (
            "POST",
            "/mcp/tools/call",
            r#"{"server_name":"one","tool_name":"x","more":1}"#,
            400,
            "usage",
        ),
        ("GET", "/mcp/tools?server=one", "", 400, "usage"),
        ("GET", "/nowhere", "", 404, "not_found"),
        ("DELETE", "/mcp/servers/nobody", "", 404, "unknown_server"),
        ("POST", "/mcp/servers", r#"{"name":"one","url":"http://h"}"#, 409, "duplicate_server"),
        ("POST", "/mcp/servers", r#"{"name":"x","url":"stdio://sh?arg=-c"}"#, 422, "config"),
        ("POST", "/mcp/servers", r#"{"name":"x","command":"sh"}"#, 400, "usage"),
    ] {
        let answer = serving.ask(method, path, "", Some(body)).await;
        let json = answer.json();
        assert_eq!(
            (answer.status, &json["code"]),
            (status, &json!(code)),
            "{method} {path} {body}"
        );
        assert!(answer.head.contains("application/problem+json"), "{}", answer.head);
    }
    serving.end().await;
}

// covers: serve-origin, serve-token
#[tokio::test]
async fn the_token_and_the_host_are_demanded() {
    let options = ServiceOptions::new().token(Secret::new("a-token-of-the-test"));
    let serving = Serving::start(vec![], options).await;
    let with = "authorization: Bearer a-token-of-the-test\r\n";
    for (path, headers, status) in [
        ("/mcp/servers", "", 401),
        ("/mcp/servers", "authorization: Bearer another\r\n", 401),
        ("/mcp/servers", with, 200),
        ("/v1/models", "", 401),
        ("/healthz", "", 200),
        // A page of another site whose name was made to point here.
        ("/mcp/servers", &format!("host: evil.example\r\n{with}"), 403),
        ("/healthz", "host: evil.example\r\n", 403),
        ("/mcp/servers", &format!("origin: https://evil.example\r\n{with}"), 403),
        ("/mcp/servers", &format!("host: 0.0.0.0\r\n{with}"), 403),
    ] {
        let answer = serving.ask("GET", path, headers, None).await;
        assert_eq!(answer.status, status, "{path} {headers}");
    }
    serving.end().await;
}

#[tokio::test]
async fn a_server_is_added_with_its_headers_and_removed() {
    let server = HttpScript::start(|posted| match posted.method() {
        "initialize" => (
            200,
            reply(
                &posted.message,
                &json!({
                    "protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                    "serverInfo": {"name": "remote", "version": "1"},
                }),
            ),
        ),
        "tools/list" => (
            200,
            reply(
                &posted.message,
                &json!({"tools": [
                    {"name": "database_query", "inputSchema": {"type": "object"}},
                ]}),
            ),
        ),
        "server/discover" => (
            400,
            json!({"jsonrpc": "2.0", "id": posted.message["id"],
            "error": {"code": -32601, "message": "Method not found"}}),
        ),
        _ => (202, Value::Null),
    })
    .await
    .unwrap();
    let serving = Serving::start(vec![], ServiceOptions::new()).await;
    let body = json!({
        "name": "my_server", "url": server.url(), "timeout": 30,
        "headers": [{"key": "X-Api-Key", "value": "s3cret"}],
    });
    let added = serving.post("/mcp/servers", &body).await;
    assert_eq!((added.status, &added.json()["state"]), (201, &json!("ready")), "{added:?}");
    assert!(!added.body.contains("s3cret"));
    let tools = serving.get("/mcp/tools?server_name=my_server").await.json();
    assert_eq!(tools["tools"][0]["name"], "database_query");
    assert_eq!(server.posted("tools/list")[0].headers["x-api-key"], "s3cret");
    let removed = serving.ask("DELETE", "/mcp/servers/my_server", "", None).await;
    assert_eq!(removed.status, 204);
    assert_eq!(serving.get("/mcp/servers").await.json(), json!({"servers": []}));
    serving.end().await;
}

fn reply(request: &Value, result: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": request["id"], "result": result})
}
