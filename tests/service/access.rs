//! Who may do what, through every door.

use mcp_agent::service::{AccessRules, AccessSettings, ApiKey, Role, ServiceOptions};
use mcp_client::{Client, EraChoice, testing::HttpScript};
use serde_json::{Value, json};

use crate::asking::{Answer, Serving, misbehaving};

/// Keys, and the headers that show them.
fn keys<const N: usize>(wanted: [(&str, Role, AccessRules); N]) -> (AccessSettings, [String; N]) {
    let mut settings = AccessSettings::default();
    let shown = wanted.map(|(name, role, rules)| {
        let (key, secret) = ApiKey::new(name, role, rules).expect("randomness");
        settings.keys.push(key);
        secret.reveal().to_owned()
    });
    (settings, shown)
}

fn header(key: &str) -> String {
    format!("authorization: Bearer {key}\r\n")
}

fn call(server: &str, tool: &str) -> String {
    json!({"server_name": server, "tool_name": tool}).to_string()
}

impl Serving {
    async fn as_key(&self, key: &str, method: &str, path: &str, body: Option<&str>) -> Answer {
        self.ask(method, path, &header(key), body).await
    }
}

#[tokio::test]
async fn a_role_opens_what_it_is_for() {
    use Role::{Admin, Operator, User, Viewer};
    let everything = AccessRules::default;
    let (settings, keys) = keys(
        [("v", Viewer), ("u", User), ("o", Operator), ("a", Admin)]
            .map(|(name, role)| (name, role, everything())),
    );
    let options = ServiceOptions::new().access(settings);
    let serving = Serving::start(vec![misbehaving("one", "ok")], options).await;
    let tool = call("one", "good");
    let added = json!({"name": "x", "url": "http://127.0.0.1:1/mcp"}).to_string();
    // What each of the four is answered.
    for (method, path, body, statuses) in [
        ("GET", "/mcp/servers/status", None, [200; 4]),
        ("GET", "/mcp/tools", None, [200; 4]),
        ("GET", "/metrics", None, [200; 4]),
        ("POST", "/mcp/tools/call", Some(&tool), [403, 200, 200, 200]),
        ("GET", "/v1/models", None, [403, 404, 404, 404]),
        ("POST", "/mcp/servers/one/restart", None, [403, 403, 202, 202]),
        ("POST", "/mcp/servers", Some(&added), [403, 403, 403, 201]),
        ("DELETE", "/mcp/servers/x", None, [403, 403, 403, 204]),
    ] {
        for (key, status) in keys.iter().zip(statuses) {
            let answer = serving.as_key(key, method, path, body.map(String::as_str)).await;
            assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
            let told = answer.head.contains(r#"error="insufficient_scope""#);
            assert_eq!(told, status == 403, "{}", answer.head);
        }
        assert_eq!(serving.ask(method, path, "", body.map(String::as_str)).await.status, 401);
    }
    serving.end().await;
}

#[tokio::test]
async fn whoever_shows_nothing_is_challenged_and_told_no_more() {
    let (settings, [key]) = keys([("ci", Role::User, AccessRules::default())]);
    let options = ServiceOptions::new().access(settings);
    let serving = Serving::start(vec![misbehaving("one", "ok")], options).await;
    for path in ["/mcp", "/servers/one/mcp", "/servers/two/mcp", "/mcp/servers/two", "/nowhere"] {
        let answer = serving.get(path).await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.head.contains(r#"www-authenticate: Bearer realm="mcp""#), "{answer:?}");
        assert!(!answer.head.contains("error="), "{answer:?}");
    }
    let wrong = serving.as_key("mcp_other", "GET", "/mcp/servers", None).await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.head.contains(r#"error="invalid_token""#), "{}", wrong.head);
    // Addresses end up in logs: a key in one is none.
    let path = format!("/mcp/servers?access_token={key}");
    assert_eq!(serving.get(&path).await.status, 401);
    assert_eq!(serving.as_key(&key, "GET", "/mcp/servers", None).await.status, 200);
    serving.end().await;
}

#[tokio::test]
async fn what_somebody_may_not_call_is_not_there() {
    let rules = AccessRules::default().allow("two").allow("page*/tool-1*").deny("*/tool-11");
    let (settings, [key]) = keys([("some", Role::User, rules)]);
    let options = ServiceOptions::new().access(settings);
    let servers =
        vec![misbehaving("one", "ok"), misbehaving("two", "ok"), misbehaving("three", "ok")];
    let serving = Serving::start(servers, options).await;
    let listed = serving.as_key(&key, "GET", "/mcp/tools", None).await.json();
    let names: Vec<_> =
        listed["tools"].as_array().unwrap().iter().map(|tool| &tool["server_name"]).collect();
    assert_eq!(names, ["two"]);
    let status = serving.as_key(&key, "GET", "/mcp/servers/status", None).await.json();
    assert_eq!(status["servers"].as_array().unwrap().len(), 1);
    for (method, path, body) in [
        ("GET", "/mcp/tools?server_name=one", None),
        ("GET", "/mcp/servers/one", None),
        ("POST", "/mcp/tools/call", Some(call("one", "good"))),
        ("POST", "/servers/one/mcp", Some("{}".to_owned())),
    ] {
        let answer = serving.as_key(&key, method, path, body.as_deref()).await;
        assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("unknown_server")));
    }
    // All servers' metrics are for those who may see all servers.
    assert_eq!(serving.as_key(&key, "GET", "/metrics", None).await.status, 403);
    let url = format!("http://{}/mcp", serving.address);
    for era in [EraChoice::Legacy, EraChoice::Modern] {
        let bearer = format!("Bearer {key}");
        let client = Client::http(&url).header("authorization", bearer).era(era);
        let client = client.connect().await.unwrap();
        let tools = client.list_tools().await.unwrap().items;
        let names: Vec<_> = tools.iter().map(|tool| tool.name.as_str()).collect();
        // Nobody else has one of that name, as far as this one can see.
        assert_eq!(names, ["good"]);
        assert_eq!(client.call_tool("good", json!({})).await.unwrap().joined_text(), "ok");
        let error = client.call_tool("one__good", json!({})).await.unwrap_err();
        assert!(error.to_string().contains("there is no tool"), "{error}");
        client.close().await;
    }
    serving.end().await;
}

#[tokio::test]
async fn what_is_counted_of_hidden_tools_is_hidden_too() {
    let (settings, [all, some]) = keys([
        ("all", Role::Operator, AccessRules::default()),
        ("some", Role::Operator, AccessRules::default().allow("one/good")),
    ]);
    let options = ServiceOptions::new().access(settings);
    let serving = Serving::start(vec![misbehaving("one", "ok")], options).await;
    for tool in ["good", "pid", "pid"] {
        let call = call("one", tool);
        let answer = serving.as_key(&all, "POST", "/mcp/tools/call", Some(&call)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    for path in ["/mcp/servers", "/mcp/servers/status", "/mcp/servers/one"] {
        let report = async |key: &str| {
            let told = serving.as_key(key, "GET", path, None).await.json();
            if path.ends_with("one") { told["server"].clone() } else { told["servers"][0].clone() }
        };
        let (whole, part) = (report(&all).await, report(&some).await);
        assert_eq!(whole["calls"], 3, "{whole}");
        assert_eq!(whole["tools"]["pid"]["calls"], 2);
        assert!(whole["requests_per_minute"].as_u64().is_some_and(|calls| calls >= 3), "{whole}");
        assert_eq!((&part["calls"], &part["failures"]), (&json!(1), &json!(0)), "{part}");
        assert_eq!(part["tools"].as_object().unwrap().keys().collect::<Vec<_>>(), ["good"]);
        for hidden in ["requests_per_minute", "error_rate", "latency_ms", "calls_running"] {
            assert!(part[hidden].is_null() && !whole[hidden].is_null(), "{hidden}: {part}");
        }
        assert!(!part.to_string().contains("pid"), "{part}");
    }
    // Nor is it told that such a tool was called.
    let bearer = |key: &str| format!("authorization: Bearer {key}\r\n");
    let ended = |told: &str| told.contains("\"tool\":\"good\"") && told.contains("finished");
    let told = serving.events(&bearer(&some), ended).await;
    assert!(!told.contains("pid"), "{told}");
    serving.events(&bearer(&all), |told| told.contains("\"tool\":\"pid\"")).await;
    serving.end().await;
}

#[tokio::test]
async fn single_tools_are_hidden_in_lists_and_calls() {
    let (settings, [most, viewer]) = keys([
        ("most", Role::User, AccessRules::default().deny("one/good")),
        ("viewer", Role::Viewer, AccessRules::default()),
    ]);
    let options = ServiceOptions::new().access(settings);
    let serving = Serving::start(vec![misbehaving("one", "ok")], options).await;
    let listed = serving.as_key(&most, "GET", "/mcp/tools?server_name=one", None).await.json();
    assert_eq!(listed["tools"], json!([]), "{listed}");
    let refused =
        serving.as_key(&most, "POST", "/mcp/tools/call", Some(&call("one", "good"))).await;
    assert_eq!((refused.status, &refused.json()["code"]), (404, &json!("not_found")));
    let url = format!("http://{}/servers/one/mcp", serving.address);
    for (key, names, told) in [(&most, 0, "there is no tool"), (&viewer, 1, "role `user`")] {
        let bearer = format!("Bearer {key}");
        let client = Client::http(&url).header("authorization", bearer).connect().await.unwrap();
        assert_eq!(client.list_tools().await.unwrap().items.len(), names);
        let error = client.call_tool("good", json!({})).await.unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
        client.close().await;
    }
    serving.end().await;
}

#[tokio::test]
async fn a_session_is_there_for_its_principal_only() {
    let (settings, [ada, bob]) =
        keys(["ada", "bob"].map(|name| (name, Role::User, AccessRules::default())));
    let options = ServiceOptions::new().access(settings);
    let serving = Serving::start(vec![misbehaving("one", "ok")], options).await;
    let opening = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }});
    let accept = "accept: application/json, text/event-stream\r\n";
    let headers = format!("{}{accept}", header(&ada));
    let opened = serving.ask("POST", "/mcp", &headers, Some(&opening.to_string())).await;
    assert_eq!(opened.status, 200, "{opened:?}");
    let id = opened.head.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).unwrap();
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}).to_string();
    for (key, status) in [(&bob, 404), (&ada, 200)] {
        let headers = format!("{}{accept}mcp-session-id: {id}\r\n", header(key));
        let answer = serving.ask("POST", "/mcp", &headers, Some(&list)).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    // Nor can it be ended by another.
    let headers = format!("{}mcp-session-id: {id}\r\n", header(&bob));
    assert_eq!(serving.ask("DELETE", "/mcp", &headers, None).await.status, 404);
    serving.end().await;
}

#[tokio::test]
async fn a_key_that_is_removed_opens_nothing_from_then_on() {
    let (mut settings, [stays, goes]) =
        keys(["stays", "goes"].map(|name| (name, Role::User, AccessRules::default())));
    let options = ServiceOptions::new().access(settings.clone());
    let serving = Serving::start(vec![misbehaving("one", "ok")], options).await;
    let url = format!("http://{}/mcp", serving.address);
    let bearer = format!("Bearer {goes}");
    let client = Client::http(&url).header("authorization", bearer).era(EraChoice::Legacy);
    let client = client.connect().await.unwrap();
    client.list_tools().await.unwrap();
    settings.keys.retain(|key| key.name == "stays");
    serving.service.set_access(&settings);
    assert_eq!(serving.as_key(&stays, "GET", "/mcp/servers", None).await.status, 200);
    assert_eq!(serving.as_key(&goes, "GET", "/mcp/servers", None).await.status, 401);
    client.call_tool("good", json!({})).await.unwrap_err();
    serving.end().await;
}

/// Calls, with their arguments and results, are not for every eye.
#[tokio::test]
async fn events_tell_of_what_somebody_may_see() {
    let (settings, [user, operator]) = keys([
        ("user", Role::User, AccessRules::default().allow("one")),
        ("operator", Role::Operator, AccessRules::default()),
    ]);
    let options = ServiceOptions::new().access(settings);
    let servers = vec![misbehaving("two", "ok"), misbehaving("one", "ok")];
    let serving = Serving::start(servers, options).await;
    let called = serving.as_key(&user, "POST", "/mcp/tools/call", Some(&call("one", "good"))).await;
    assert_eq!(called.status, 200);
    let told = serving.events(&header(&operator), |told| told.contains("finished")).await;
    assert!(told.contains(r#""server":"two""#), "{told}");
    assert_eq!(
        serving.as_key(&operator, "POST", "/mcp/servers/one/restart", None).await.status,
        202
    );
    let restarted = |told: &str| told.matches(r#""state":"ready""#).count() >= 2;
    let told = serving.events(&header(&user), restarted).await;
    assert!(!told.contains("event: call") && !told.contains(r#""server":"two""#), "{told}");
    serving.end().await;
}

/// Whatever somebody may do, a command comes from the configuration alone.
#[tokio::test]
async fn no_role_makes_a_command_of_a_request() {
    let (settings, [admin]) = keys([("admin", Role::Admin, AccessRules::default())]);
    let serving = Serving::start(vec![], ServiceOptions::new().access(settings)).await;
    for entry in [
        json!({"name": "x", "command": "touch", "args": ["/tmp/owned"]}),
        json!({"name": "x", "url": "http://127.0.0.1:1/mcp", "command": "touch"}),
        json!({"name": "x", "transport": {"type": "stdio", "command": "touch"}}),
        json!({"name": "x", "url": "stdio:touch?/tmp/owned"}),
        json!({"name": "x", "url": "file:///bin/sh"}),
        json!({"name": "x", "url": "unix:///run/docker.sock"}),
    ] {
        let answer = serving.as_key(&admin, "POST", "/mcp/servers", Some(&entry.to_string())).await;
        let refused = matches!(answer.status, 400 | 422);
        assert!(refused, "{entry}: {answer:?}");
    }
    for path in ["/mcp/servers/test", "/mcp-rest/test/connection", "/mcp/test/tools/list"] {
        let body = json!({"command": "touch"}).to_string();
        let answer = serving.as_key(&admin, "POST", path, Some(&body)).await;
        assert!(matches!(answer.status, 404 | 405), "{path}: {answer:?}");
    }
    let status = serving.as_key(&admin, "GET", "/mcp/servers", None).await.json();
    assert_eq!(status["servers"], json!([]));
    serving.end().await;
}

/// A remote server, and what it was sent.
/// A server that notes what it is told.
pub(crate) async fn remote() -> HttpScript {
    HttpScript::start(|posted| {
        let result = match posted.method() {
            "server/discover" => json!({
                "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
                "resultType": "complete",
            }),
            "tools/list" => json!({
                "tools": [{"name": "good", "inputSchema": {"type": "object"}}],
                "resultType": "complete",
            }),
            "tools/call" => json!({"content": [], "resultType": "complete"}),
            _ => return (202, Value::Null),
        };
        (200, json!({"jsonrpc": "2.0", "id": posted.message["id"], "result": result}))
    })
    .await
    .expect("a port")
}

#[tokio::test]
async fn nothing_of_a_client_reaches_a_server_but_its_call() {
    let upstream = remote().await;
    let (settings, [key]) = keys([("ci", Role::Admin, AccessRules::default())]);
    let serving = Serving::start(vec![], ServiceOptions::new().access(settings)).await;
    let entry = json!({
        "name": "remote", "url": upstream.url(), "headers": {"authorization": "Bearer its-own"},
    });
    let added = serving.as_key(&key, "POST", "/mcp/servers", Some(&entry.to_string())).await;
    assert_eq!((added.status, &added.json()["state"]), (201, &json!("ready")), "{added:?}");
    let secret = "cookie: session=c1\r\nx-api-key: c2\r\nproxy-authorization: Basic c3\r\n\
                  x-forwarded-for: c4\r\nmcp-param-region: c5\r\nforwarded: for=c6\r\n";
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let shown = format!("{}{secret}traceparent: {trace}\r\nbaggage: zz8=1\r\n", header(&key));
    let answer =
        serving.ask("POST", "/mcp/tools/call", &shown, Some(&call("remote", "good"))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "good", "arguments": {}, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
            "example.com/secret": "c7", "baggage": "zz8=1",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        },
    }});
    let over_mcp = format!(
        "{shown}accept: application/json, text/event-stream\r\n\
         mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: good\r\n"
    );
    let answer = serving.ask("POST", "/mcp", &over_mcp, Some(&body.to_string())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let calls = upstream.posted("tools/call");
    assert_eq!(calls.len(), 2);
    // But for the trace that it belongs to, which tells nothing of the client.
    let traces: Vec<_> =
        calls.iter().map(|sent| &sent.message["params"]["_meta"]["traceparent"]).collect();
    let own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(traces, [trace, own]);
    for sent in calls {
        assert_eq!(sent.headers["authorization"], "Bearer its-own");
        let all = format!("{:?} {}", sent.headers, sent.message);
        for own in ["c1", "c2", "c3", "c4", "c5", "c6", "c7", "zz8", &key] {
            assert!(!all.contains(own), "{own}: {all}");
        }
    }
    serving.end().await;
}
