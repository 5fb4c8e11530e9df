//! Who stands behind a server's name can become another: nothing of the former is told of it.

use std::time::Duration;

use mcp_agent::{
    caller::{Call, CallError, Caller, ServerCaller},
    layers::{BreakerPolicy, CacheRules, CircuitState},
    stack::{Stack, StackOptions},
};
use mcp_client::{
    Hub, HubOptions,
    config::{ServerConfig, TransportConfig},
    oauth::{ClientCredentials, ClientCredentialsGrant, OAuth},
    protocol::tools::Tool,
    testing::{Answer, TestServer},
};
use mcp_tests::protected_server::ProtectedServer;
use serde_json::{Map, json};

const LONG: Duration = Duration::from_secs(600);

fn at(url: impl Into<String>) -> ServerConfig {
    ServerConfig::new("db", TransportConfig::Http { url: url.into(), headers: [].into() })
}

/// A server whose tool says who it is, and falls silent when it is asked to.
fn named(name: &'static str) -> TestServer {
    TestServer::new().tool(Tool::new("look", json!({"type": "object"})), move |arguments| {
        if arguments["fail"] == true { Answer::Silence } else { name.into() }
    })
}

fn look(arguments: serde_json::Value) -> Call {
    let arguments = arguments.as_object().cloned().unwrap_or_else(Map::new);
    Call::tool("db", "look", arguments)
}

async fn said(stack: &Stack) -> (String, bool) {
    let reply = stack.call(look(json!({}))).await.unwrap();
    let from_cache = reply.from_cache;
    (reply.into_tool().unwrap().joined_text(), from_cache)
}

fn keeping(hub: &Hub) -> Stack {
    let options = StackOptions::default()
        .cache(CacheRules::new(LONG).tool("db.look", LONG))
        .breaker(BreakerPolicy::default().failure_threshold(1).recovery_timeout(LONG));
    Stack::new(ServerCaller::of_hub(hub.clone()), &options)
}

#[tokio::test]
async fn a_replaced_entry_answers_for_itself() {
    let (one, two) = (named("one").http().await.unwrap(), named("two").http().await.unwrap());
    let hub = Hub::start(vec![at(one.url())], &HubOptions::default());
    let stack = keeping(&hub);
    assert_eq!(said(&stack).await, ("one".to_owned(), false));
    assert_eq!(said(&stack).await, ("one".to_owned(), true));

    // A restart is no change.
    hub.restart("db");
    assert_eq!(said(&stack).await, ("one".to_owned(), true));

    let failing = look(json!({"fail": true})).idle_at_most(Duration::from_millis(20));
    stack.call(failing).await.unwrap_err();
    let refused = stack.call(look(json!({"other": 1}))).await.unwrap_err();
    assert!(matches!(refused, CallError::CircuitOpen { .. }), "{refused}");

    let applied = hub.apply(vec![at(two.url())]).await;
    assert_eq!(applied.replaced, ["db"]);
    assert_eq!(said(&stack).await, ("two".to_owned(), false));
    let breaker = stack.report().server("db").unwrap().breaker.clone().unwrap();
    assert_eq!((breaker.state, breaker.opened), (CircuitState::Closed, 0));

    // Nor does the first one come back with what it said then.
    hub.apply(vec![at(one.url())]).await;
    assert_eq!(said(&stack).await, ("one".to_owned(), false));
    hub.close().await;
}

#[tokio::test]
async fn another_login_is_not_answered_with_what_the_former_was_told() {
    let server = ProtectedServer::start().await.unwrap();
    let mut options = HubOptions::default();
    let issuer = server.issuer().to_owned();
    options.authorize(move |_| {
        let client = ClientCredentials::secret("nightly", "s");
        Some(OAuth::with(ClientCredentialsGrant).client_at(issuer.as_str(), client))
    });
    let hub = Hub::start(vec![at(server.url())], &options);
    let stack = keeping(&hub);
    assert!(!said(&stack).await.1);
    assert!(said(&stack).await.1);

    // The token is taken back, and the next call gets another.
    server.world().access_token = None;
    stack.call(look(json!({"other": 1}))).await.unwrap();
    assert_eq!(server.world().token_requests.len(), 2);
    assert!(!said(&stack).await.1);
    assert!(said(&stack).await.1);
    hub.close().await;
}
