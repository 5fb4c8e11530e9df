//! The bodies and paths of another gateway's REST interface work as they are, against a server that
//! wants a token.

use mcp_agent::service::ServiceOptions;
use mcp_tests::protected_server::ProtectedServer;
use serde_json::{Value, json};

use crate::asking::{Serving, misbehaving};

/// As that gateway's documentation has it, with the addresses of this test.
fn server(protected: &ProtectedServer) -> Value {
    json!({
        "name": "my_server",
        "url": protected.url(),
        "oauth2_client_id": "client_id",
        "oauth2_client_secret": "client_secret",
        "oauth2_token_url": format!("{}/token", protected.issuer()),
        "oauth2_scopes": ["read:tools"],
        "timeout": 30,
    })
}

#[tokio::test]
async fn every_body_works_as_it_is() {
    let protected = ProtectedServer::start().await.unwrap();
    let serving = Serving::start(vec![], ServiceOptions::new()).await;
    let added = serving.post("/mcp/servers", &server(&protected)).await;
    assert_eq!((added.status, &added.json()["state"]), (201, &json!("ready")), "{added:?}");
    assert!(!added.body.contains("client_secret"));
    {
        let world = protected.world();
        let form = &world.token_requests[0];
        assert_eq!(form["grant_type"], "client_credentials");
        assert!(form["scope"].contains("read:tools"), "{form:?}");
        // Where tokens are was said: nothing is looked for.
        assert!(!world.requests.iter().any(|request| request.contains("well-known")));
    }
    let tools = serving.get("/mcp/tools?server_name=my_server").await;
    assert_eq!(tools.status, 200, "{tools:?}");
    let call = json!({
        "server_name": "my_server",
        "tool_name": "database_query",
        "arguments": {"query": "SELECT * FROM users", "limit": 10},
    });
    let called = serving.post("/mcp/tools/call", &call).await;
    assert_eq!(called.status, 200, "{called:?}");
    let status = serving.get("/mcp/servers/status").await.json();
    assert_eq!(status["servers"][0]["name"], "my_server");
    assert_eq!(status["servers"][0]["connected"], true);
    serving.end().await;
}

#[tokio::test]
async fn what_is_switched_off_stays_off() {
    let serving = Serving::start(vec![misbehaving("one", "ok")], ServiceOptions::new()).await;
    let switch = async |enabled: bool| {
        let body = json!({ "enabled": enabled }).to_string();
        serving.ask("PATCH", "/mcp/servers/one", "", Some(&body)).await
    };
    assert_eq!(switch(false).await.status, 202);
    serving.events("", |told| told.contains("disabled")).await;
    let call = json!({"server_name": "one", "tool_name": "good"});
    let refused = serving.post("/mcp/tools/call", &call).await;
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("unreachable")));
    assert_eq!(serving.get("/mcp/servers").await.json()["servers"][0]["state"], "disabled");
    assert_eq!(switch(true).await.status, 202);
    let called = serving.post("/mcp/tools/call", &call).await;
    assert_eq!(called.status, 200, "{called:?}");
    let nobody = serving.ask("PATCH", "/mcp/servers/nobody", "", Some("{\"enabled\":true}")).await;
    assert_eq!(nobody.status, 404);
    serving.end().await;
}
