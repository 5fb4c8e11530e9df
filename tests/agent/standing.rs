//! Who stands behind a server's name can become another: nothing of the former is told of it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use mcp_agent::{
    caller::{Call, CallError, Caller, ServerCaller},
    layers::{BreakerPolicy, CacheRules, CircuitState},
    stack::{Stack, StackOptions},
};
use mcp_client::{
    Hub, HubOptions, StateKind,
    config::{ServerConfig, TransportConfig},
    oauth::{
        AuthorizationCode, ClientCredentials, ClientCredentialsGrant, MemoryTokenStore, OAuth,
        Pasted, TokenStore,
    },
    protocol::tools::Tool,
    testing::{Answer, TestServer},
    transport::{
        error::BoxError,
        http::{HttpClient, PlainLimits},
    },
};
use mcp_tests::protected_server::ProtectedServer;
use serde_json::{Map, json};
use url::Url;

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

fn look(arguments: &serde_json::Value) -> Call {
    let arguments = arguments.as_object().cloned().unwrap_or_else(Map::new);
    Call::tool("db", "look", arguments)
}

async fn said(stack: &Stack) -> (String, bool) {
    let reply = stack.call(look(&json!({}))).await.unwrap();
    let from_cache = reply.from_cache;
    (reply.into_tool().unwrap().joined_text(), from_cache)
}

/// Waits for a start that was wished for.
async fn until_ready(hub: &Hub) {
    let ready = async {
        let mut seen = 0;
        while hub.status()[0].state.kind() != StateKind::Ready {
            seen = hub.changed_since(seen).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ready).await.expect("it starts");
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
    let identity = hub.identity("db");
    hub.restart("db");
    until_ready(&hub).await;
    assert_eq!(hub.identity("db"), identity);
    assert_eq!(said(&stack).await, ("one".to_owned(), true));

    let failing = look(&json!({"fail": true})).idle_at_most(Duration::from_millis(20));
    stack.call(failing).await.unwrap_err();
    let refused = stack.call(look(&json!({"other": 1}))).await.unwrap_err();
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
    stack.call(look(&json!({"other": 1}))).await.unwrap();
    assert_eq!(server.world().token_requests.len(), 2);
    assert!(!said(&stack).await.1);
    assert!(said(&stack).await.1);
    hub.close().await;
}

/// The person says yes: follows the address to where it leads.
async fn consent(url: Url) -> Result<String, BoxError> {
    let request = http::Request::get(url.as_str()).body(Bytes::new())?;
    let answer = HttpClient::new().send(request, PlainLimits::default()).await?;
    Ok(answer.headers[http::header::LOCATION].to_str()?.to_owned())
}

/// As with `mcp serve`, which asks nobody, and `mcp login`, which is another process.
#[tokio::test]
async fn a_login_of_somebody_else_is_used_and_begins_anew() {
    let server = ProtectedServer::start().await.unwrap();
    let store: Arc<dyn TokenStore> = Arc::new(MemoryTokenStore::new());
    let mut options = HubOptions::default();
    let kept = Arc::clone(&store);
    options.authorize(move |_| {
        let nobody = Pasted::new(|_| async { Err("nobody is asked".into()) });
        Some(OAuth::with(AuthorizationCode::new(nobody)).shared_store(Arc::clone(&kept)))
    });
    let person = || OAuth::pasted(consent).shared_store(Arc::clone(&store)).at(&server.url());
    let hub = Hub::start(vec![at(server.url())], &options);
    let stack = keeping(&hub);
    hub.ready().await;
    assert_eq!(hub.status()[0].state.kind(), StateKind::NeedsAuth);

    person().unwrap().login().await.unwrap();
    hub.restart("db");
    until_ready(&hub).await;
    assert!(!said(&stack).await.1);
    assert!(said(&stack).await.1);

    // Somebody else logs in, and the first one's token is good no more.
    let first = person().unwrap();
    first.logout().await.unwrap();
    first.login().await.unwrap();
    assert_eq!(server.world().registrations.len(), 2);
    stack.call(look(&json!({"other": 1}))).await.unwrap();
    assert!(!said(&stack).await.1);
    hub.close().await;
}
