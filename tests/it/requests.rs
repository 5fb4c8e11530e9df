//! Single requests and their answers, whoever asks: what is answered, what is refused, and what is
//! said along with each.

#![expect(clippy::unwrap_used, reason = "a test's words are right or the test fails")]

use std::{future::IntoFuture, time::Duration};

use mcp_client::{
    CallErrorKind, Client, EraChoice,
    protocol::{
        completion::{CompleteParams, CompletionReference},
        jsonrpc::ErrorObject,
        version::{Era, ProtocolVersion},
    },
    testing::{Answer, HttpScript, PlayedServer, TestServer, legacy_opening, modern_opening},
};
use serde_json::{Value, json};

// covers: legacy-server-requests
#[tokio::test]
async fn a_legacy_server_hears_back_whatever_it_asks() {
    let (client, mut server) = PlayedServer::legacy(json!({})).await;
    assert_eq!(server.ask("ping", json!({})).await, Ok(json!({})));
    for unknown in ["elicitation/create", "sampling/createMessage", "roots/list", "tea/make"] {
        let params = json!({"message": "?", "requestedSchema": {"type": "object"},
            "messages": [], "maxTokens": 1});
        let refusal = server.ask(unknown, params).await.unwrap_err();
        assert_eq!(refusal.code, -32601, "{unknown}");
    }
    assert!(!client.is_closed());
}

#[tokio::test]
async fn a_limit_beyond_the_end_of_time_is_none() {
    let (recipe, _) = TestServer::scripted(|method, _| {
        modern_opening(method, &json!({"tools": {}}))
            .unwrap_or_else(|| Answer::result(json!({"resultType": "complete", "content": []})))
    })
    .parts();
    let client = Client::connect_with(recipe).connect().await.unwrap();
    client.call_tool("t", json!({})).timeout(Duration::MAX).await.unwrap();
    client.call_tool("t", json!({})).max_time(Duration::MAX).await.unwrap();
}

// covers: modern-no-server-requests
#[tokio::test]
async fn a_modern_server_is_not_answered_and_calls_go_on() {
    let (client, mut server) = PlayedServer::modern(json!({"tools": {}})).await;
    let (called, ()) = tokio::join!(client.call_tool("t", json!({})).into_future(), async {
        let call = server.request("tools/call").await;
        server.request_unanswered("ping", json!({}));
        server.request_unanswered("roots/list", json!({}));
        server.answer(&call, json!({"resultType": "complete", "content": []}));
    });
    called.unwrap();
    let (sign, ()) = tokio::join!(client.ping(), async {
        let discover = server.request("server/discover").await;
        server.answer(
            &discover,
            json!({"resultType": "complete", "capabilities": {},
            "supportedVersions": ["2026-07-28"], "ttlMs": 0, "cacheScope": "private"}),
        );
    });
    sign.unwrap();
    assert!(server.is_left_alone());
}

// covers: era-override
#[tokio::test]
async fn a_chosen_era_is_not_looked_for() {
    let both = |method: &str, _: &Value| {
        modern_opening(method, &json!({}))
            .or_else(|| legacy_opening(method, "2025-11-25", &json!({})))
            .unwrap_or_else(|| Answer::result(json!({})))
    };
    let (recipe, seen) = TestServer::scripted(both).parts();
    let client = Client::connect_with(recipe).era(EraChoice::Legacy).connect().await.unwrap();
    assert_eq!(client.server().era, Era::Legacy);
    client.ping().await.unwrap();
    assert_eq!(seen.methods(), ["initialize", "notifications/initialized", "ping"]);

    let only_legacy = |method: &str, _: &Value| {
        legacy_opening(method, "2025-11-25", &json!({})).unwrap_or(Answer::Silence)
    };
    let (recipe, seen) = TestServer::scripted(only_legacy).parts();
    let refused = Client::connect_with(recipe).era(EraChoice::Modern).connect().await;
    refused.map(|client| client.server().era).unwrap_err();
    assert_eq!(seen.methods(), ["server/discover"]);
}

/// Answers of a modern server over HTTP to what every client asks first.
fn opening(method: &str) -> Option<Value> {
    (method == "server/discover").then(|| {
        json!({"resultType": "complete", "capabilities": {"tools": {}, "completions": {}},
            "supportedVersions": ["2026-07-28"], "ttlMs": 0, "cacheScope": "private"})
    })
}

/// A tool whose argument is mirrored, or is not.
fn tools(is_mirrored: bool) -> Value {
    let mut region = json!({"type": "string"});
    if is_mirrored {
        region["x-mcp-header"] = "Region".into();
    }
    json!({"resultType": "complete", "ttlMs": 0, "cacheScope": "private", "tools": [
        {"name": "t", "inputSchema": {"type": "object", "properties": {"region": region}}}]})
}

/// Sends a call whose headers the server refuses until they are right, or always.
async fn call_after_change(is_satisfied: bool) -> (Result<(), i64>, Vec<Option<String>>, usize) {
    let mut lists = 0;
    let server = HttpScript::start(move |posted| {
        let id = &posted.message["id"];
        let result = match posted.method() {
            "tools/list" => {
                lists += 1;
                tools(lists > 1)
            }
            "tools/call" if !is_satisfied || !posted.headers.contains_key("mcp-param-region") => {
                let error = json!({"code": -32020, "message": "Mcp-Param-Region is missing"});
                return (400, json!({"jsonrpc": "2.0", "id": id, "error": error}));
            }
            "tools/call" => json!({"resultType": "complete", "content": []}),
            other => opening(other).unwrap_or_default(),
        };
        (200, json!({"jsonrpc": "2.0", "id": id, "result": result}))
    })
    .await
    .unwrap();
    let client = Client::from_url(server.url()).unwrap().connect().await.unwrap();
    client.list_tools().await.unwrap();
    let called = client.call_tool("t", json!({"region": "eu"})).await;
    let outcome = called.map(drop).map_err(|error| error.error_object().unwrap().code);
    let calls = server.posted("tools/call");
    let sent = calls.iter().map(|call| call.headers.get("mcp-param-region").cloned()).collect();
    (outcome, sent, server.posted("tools/list").len())
}

// covers: http-header-mismatch
#[tokio::test]
async fn refused_headers_are_made_anew_once() {
    let sent = vec![None, Some("eu".to_owned())];
    assert_eq!(call_after_change(true).await, (Ok(()), sent.clone(), 2));
    assert_eq!(call_after_change(false).await, (Err(-32020), sent, 2), "no third attempt");
}

// covers: http-404-method
#[tokio::test]
async fn a_method_that_is_not_found_is_not_a_lost_server() {
    let server = HttpScript::start(|posted| {
        let id = &posted.message["id"];
        let known = opening(posted.method())
            .or_else(|| (posted.method() == "tools/list").then(|| tools(false)));
        if let Some(result) = known {
            return (200, json!({"jsonrpc": "2.0", "id": id, "result": result}));
        }
        let error = json!({"code": -32601, "message": "unknown"});
        (404, json!({"jsonrpc": "2.0", "id": id, "error": error}))
    })
    .await
    .unwrap();
    let client = Client::from_url(server.url()).unwrap().connect().await.unwrap();
    assert_eq!(client.server().era, Era::Modern);
    let prompt = CompletionReference::prompt("p");
    let error = client.complete(CompleteParams::new(prompt, "a", "")).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::Rejected(object) if object.code == -32601));
    assert_eq!(error.http_status().map(|status| status.as_u16()), Some(404));
    assert!(error.is_answer() && !error.is_session_lost() && !error.is_retryable());
    assert!(!client.is_closed());
    client.list_tools().await.unwrap();
    assert_eq!(server.posted("server/discover").len(), 1);
}

#[tokio::test]
async fn a_server_that_was_replaced_says_what_it_speaks_now() {
    let (recipe, seen) = TestServer::scripted(|method, _| {
        modern_opening(method, &json!({"tools": {}})).unwrap_or_else(|| {
            let data = json!({"supported": ["2025-11-25"], "requested": "2026-07-28"});
            Answer::error_with(if method == "tools/call" { -32022 } else { -32603 }, "no", data)
        })
    })
    .parts();
    let client = Client::connect_with(recipe).connect().await.unwrap();
    let error = client.call_tool("t", json!({})).await.unwrap_err();
    assert_eq!(error.supported_versions(), Some(vec![ProtocolVersion::V2025_11_25]));
    assert_eq!(seen.params("tools/call").len(), 1, "no modern revision is left to try");
    let error = client.list_tools().await.unwrap_err();
    assert_eq!(error.supported_versions(), None);
}

// covers: version-mismatch-retry
#[tokio::test]
async fn a_server_that_speaks_the_revision_after_all_is_asked_once_more() {
    let mut refused = std::collections::HashSet::new();
    let (recipe, seen) = TestServer::scripted(move |method, _| {
        if let Some(opening) = modern_opening(method, &json!({"tools": {}, "prompts": {}})) {
            return opening;
        }
        let supported = json!({"supported": ["2026-07-28"], "requested": "2026-07-28"});
        match method {
            "tools/list" | "tools/call" if !refused.insert(method.to_owned()) => {
                Answer::result(json!({"tools": [], "content": []}))
            }
            _ => Answer::error_with(-32022, "not yet", supported),
        }
    })
    .parts();
    let client = Client::connect_with(recipe).connect().await.unwrap();
    client.call_tool("t", json!({})).await.unwrap();
    client.list_tools().await.unwrap();
    client.get_prompt("p").await.unwrap_err();
    for method in ["tools/call", "tools/list", "prompts/get"] {
        assert_eq!(seen.params(method).len(), 2, "{method}");
    }
}

// covers: resource-not-found
#[tokio::test]
async fn a_missing_resource_is_told_apart_in_both_spellings() {
    let (recipe, _) = TestServer::scripted(|method, params| {
        modern_opening(method, &json!({"resources": {}, "tools": {}})).unwrap_or_else(|| {
            let code = match params["uri"].as_str() {
                Some("file:///old") => -32002,
                Some("file:///broken") => -32603,
                _ => -32602,
            };
            Answer::error_with(code, "no", Value::Null)
        })
    })
    .parts();
    let client = Client::connect_with(recipe).connect().await.unwrap();
    for (uri, is_missing) in
        [("file:///old", true), ("file:///new", true), ("file:///broken", false)]
    {
        let error = client.read_resource(uri).await.unwrap_err();
        assert_eq!(error.is_resource_not_found(), is_missing, "{uri}");
    }
    let error = client.call_tool("t", json!({})).await.unwrap_err();
    assert!(!error.is_resource_not_found(), "an unknown tool is no resource");
}

// covers: sampling-declared
#[tokio::test]
async fn sampling_is_declared_as_far_as_it_is_answered() {
    for (handler, expected) in
        [("none", Value::Null), ("plain", json!({})), ("with tools", json!({"tools": {}}))]
    {
        for era in [EraChoice::Legacy, EraChoice::Modern] {
            let (recipe, seen) = TestServer::scripted(|method, _| {
                modern_opening(method, &json!({}))
                    .or_else(|| legacy_opening(method, "2025-11-25", &json!({})))
                    .unwrap_or(Answer::Silence)
            })
            .parts();
            let refuse = async |_, _| Err(ErrorObject::new(-1, "no"));
            let builder = Client::connect_with(recipe).era(era);
            let builder = match handler {
                "plain" => builder.on_sampling(refuse),
                "with tools" => builder.on_sampling_with_tools(refuse),
                _ => builder,
            };
            builder.connect().await.unwrap();
            let declared = match era {
                EraChoice::Legacy => seen.params("initialize")[0]["capabilities"].clone(),
                _ => seen.params("server/discover")[0]["_meta"]
                    ["io.modelcontextprotocol/clientCapabilities"]
                    .clone(),
            };
            assert!(declared.is_object(), "{era:?}");
            assert_eq!(declared["sampling"], expected, "{handler}, {era:?}");
        }
    }
}

// covers: mrtr-elsewhere
#[tokio::test]
async fn a_list_that_asks_for_input_is_invalid() {
    for with_tools in [false, true] {
        let (recipe, seen) = TestServer::scripted(move |method, _| {
            modern_opening(method, &json!({"tools": {}})).unwrap_or_else(|| {
                let mut asked = json!({"resultType": "input_required", "inputRequests": {
                    "where": {"method": "roots/list"}}});
                if with_tools {
                    asked["tools"] = json!([]);
                }
                Answer::result(asked)
            })
        })
        .parts();
        let client = Client::connect_with(recipe).roots([]).connect().await.unwrap();
        let error = client.list_tools().await.unwrap_err();
        assert!(matches!(error.kind(), CallErrorKind::Undecodable(_)), "{error:?}");
        assert_eq!(seen.methods(), ["server/discover", "tools/list"], "nothing is answered");
    }
}
