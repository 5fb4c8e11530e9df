//! Ways in which services like this one were broken into.

use std::sync::Arc;

use mcp_agent::service::ServiceOptions;
use mcp_client::{
    Secret,
    config::{ServerConfig, TransportConfig},
    protocol::tools::Tool,
    testing::{Answer, TestServer},
};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinSet};

use crate::asking::{Serving, misbehaving};

const MODERN: &str = "accept: application/json, text/event-stream\r\n\
    mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: echo\r\n";

/// A page that was made to resolve to this machine still says who it is.
#[tokio::test]
async fn a_web_page_of_elsewhere_reaches_nothing() {
    let options = ServiceOptions::new().token(Secret::new("s3cret"));
    let serving = Serving::start(vec![misbehaving("one", "ok")], options).await;
    let call = json!({"server_name": "one", "tool_name": "good"}).to_string();
    for foreign in [
        "host: evil.example\r\n",
        "host: 0.0.0.0\r\n",
        "host: 127.0.0.1.evil.example\r\n",
        "host: localhost@evil.example\r\n",
        "origin: https://evil.example\r\n",
        "origin: http://0.0.0.0:7777\r\n",
        "origin: null\r\n",
    ] {
        for (method, path, body) in [
            ("POST", "/mcp", Some(&call)),
            ("GET", "/mcp", None),
            ("POST", "/servers/one/mcp", Some(&call)),
            ("POST", "/mcp/tools/call", Some(&call)),
            ("POST", "/mcp/servers", Some(&call)),
            ("DELETE", "/mcp/servers/one", None),
            ("GET", "/mcp/events", None),
            ("POST", "/v1/chat/completions", Some(&call)),
            ("GET", "/metrics", None),
            ("GET", "/healthz", None),
            ("GET", "/", None),
            ("OPTIONS", "/mcp", None),
        ] {
            let headers = format!("{foreign}authorization: Bearer s3cret\r\n");
            let answer = serving.ask(method, path, &headers, body.map(String::as_str)).await;
            assert_eq!(answer.status, 403, "{method} {path} {foreign}: {answer:?}");
            let open = answer.head.to_ascii_lowercase().contains("access-control-allow");
            assert!(!open, "{answer:?}");
        }
    }
    // Nor is there anything without the token, on this machine itself.
    assert_eq!(serving.ask("POST", "/mcp/tools/call", "", Some(&call)).await.status, 401);
    serving.end().await;
}

/// Clients choose their ids alike: all begin at 1.
#[tokio::test]
async fn equal_ids_of_many_clients_get_their_own_answers() {
    let tool = Tool::new("echo", json!({"type": "object"}));
    let echo = TestServer::new().tool(tool, |arguments| {
        let said = arguments["said"].as_u64().unwrap_or_default();
        let result = Answer::result(json!({
            "content": [{"type": "text", "text": format!("said {said}")}],
            "resultType": "complete",
        }));
        // The first to ask are the last to hear.
        result.after(std::time::Duration::from_millis(40 - said))
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("tcp://{}", listener.local_addr().expect("an address"));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (input, output) = stream.into_split();
            echo.lines(input, output).await.expect("serves");
        }
    });
    let transport = TransportConfig::Http { url, headers: [].into() };
    let servers = vec![ServerConfig::new("echo", transport)];
    let serving = Arc::new(Serving::start(servers, ServiceOptions::new()).await);
    let mut clients = JoinSet::new();
    for number in 0..40 {
        let serving = Arc::clone(&serving);
        clients.spawn(async move {
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
                "name": "echo", "arguments": {"said": number}, "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            }});
            let answer = serving.ask("POST", "/mcp", MODERN, Some(&body.to_string())).await.json();
            assert_eq!(answer["id"], 1);
            let text = &answer["result"]["content"][0]["text"];
            assert_eq!(text, &json!(format!("said {number}")), "{answer}");
        });
    }
    while let Some(client) = clients.join_next().await {
        client.expect("its own answer");
    }
    Arc::into_inner(serving).expect("no client is left").end().await;
}

/// What a server is sent is what its operator wrote and what was called, and no header in it ends
/// before its time.
#[tokio::test]
async fn no_header_is_smuggled_into_the_entry_of_a_server() {
    let serving = Serving::start(vec![], ServiceOptions::new()).await;
    for (name, value) in [
        ("x", "1\r\nAuthorization: Bearer stolen"),
        ("x\r\nHost", "evil.example"),
        ("x y", "1"),
        ("x", "1\u{0}"),
    ] {
        let entry = json!({"name": "r", "url": "http://127.0.0.1:1/mcp", "headers": {name: value}});
        let answer = serving.post("/mcp/servers", &entry).await;
        assert_eq!((answer.status, &answer.json()["code"]), (422, &json!("config")), "{answer:?}");
    }
    for name in ["../x", "a/b", "", "a\r\nb"] {
        let entry = json!({"name": name, "url": "http://127.0.0.1:1/mcp"});
        assert_eq!(serving.post("/mcp/servers", &entry).await.status, 422, "{name}");
    }
    serving.end().await;
}
