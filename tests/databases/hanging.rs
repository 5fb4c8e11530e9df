//! A database that hangs: it takes connections and answers nothing.

use std::time::Duration;

use mcp_agent::{
    shared::{Companion, Presence},
    store::{KeptTurn, PostgresStore, SharedPinStore, StoreError, StoreKey, TurnStore},
};
use mcp_client::{
    Secret,
    oauth::{StoreEntry, TokenStore},
    pins::ServerPins,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    daemon::{Postgres, Redis},
    model::Model,
    replicas::Replica,
};

/// Longer than it takes to see that a database hangs, and far less than if each who asks had to see
/// so.
const SEEN: Duration = Duration::from_secs(25);

async fn store(database: &Postgres) -> PostgresStore {
    let key = StoreKey::derive(b"the secret of all replicas").unwrap();
    PostgresStore::connect(&database.url(), key).await.unwrap()
}

#[tokio::test]
async fn nobody_waits_for_a_database_that_hangs() {
    let database = Postgres::start().await;
    let (store, other) = (store(&database).await, store(&database).await);
    let ids = ["first".to_owned()];
    let kept = KeptTurn::new("first", "key:ci", Secret::new("said"), Duration::from_secs(60));
    TurnStore::keep(&store, &kept).await.unwrap();
    let entry = StoreEntry::Issuer { resource: "https://mcp.example".to_owned() };
    let held = TokenStore::lock(&other, &entry).await.unwrap();

    database.freeze().await;
    let asking = async {
        // One waits for a lock that another replica holds.
        let (locked, ()) = tokio::join!(TokenStore::lock(&store, &entry), async {
            for _ in 0..100 {
                let outcome = TurnStore::find(&store, &ids).await;
                assert!(matches!(outcome, Err(StoreError::Away { .. })), "{outcome:?}");
            }
        });
        assert!(locked.is_err());
        for outcome in [SharedPinStore::revisions(&store).await.map(drop), store_all(&store).await]
        {
            assert!(matches!(outcome, Err(StoreError::Away { .. })), "{outcome:?}");
        }
    };
    timeout(SEEN, asking).await.unwrap();
    assert!(matches!(store.presence(), Presence::Away { .. }));

    database.thaw().await;
    let there_again = async {
        while TurnStore::find(&store, &ids).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // What was under way is of no harm, and changes are heard of again.
        let mut news = SharedPinStore::changes(&store);
        while SharedPinStore::insert(&other, "shop", &ServerPins::default()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        news.changed().await.unwrap();
        drop(held);
        TokenStore::lock(&store, &entry).await.unwrap();
    };
    timeout(SEEN, there_again).await.unwrap();
    assert_eq!(store.presence(), Presence::Here);
    for store in [store, other] {
        store.close().await;
    }
    database.stop().await;
}

/// As a service does for each who sends a turn.
async fn store_all(store: &PostgresStore) -> Result<(), StoreError> {
    for _ in 0..100 {
        let kept = KeptTurn::new("more", "key:ci", Secret::new("said"), Duration::from_secs(60));
        TurnStore::keep(store, &kept).await?;
    }
    Ok(())
}

/// What needs nothing of the database is answered; what does is refused soon, and says when to try
/// again.
#[tokio::test]
async fn a_service_answers_while_its_database_hangs() {
    let (redis, postgres) = (Redis::start().await, Postgres::start().await);
    let model = Model::start().await;
    let url = model.url();
    let options = ["--base-url", &url, "--model", "rules"];
    let mcp = super::folder("MCP_BIN");
    let servers = json!({"demo": {"command": mcp.to_str().unwrap(), "args": ["demo-server"]}});
    let start = || Replica::of(&servers, &redis, Some(&postgres), &options);
    let (one, other) = (start().await, start().await);
    let (status, first) = one.rest("POST", "/v1/responses", &json!({"input": "apples"})).await;
    assert_eq!(status, 200, "{first}");
    let call = json!({"server_name": "demo", "tool_name": "calculator",
        "arguments": {"expression": "6*7"}});
    assert_eq!(one.rest("POST", "/mcp/tools/call", &call).await.0, 200);

    postgres.freeze().await;
    let asking = async {
        let id = first["id"].as_str().unwrap();
        let more = json!({"input": "pears", "previous_response_id": id});
        for _ in 0..20 {
            let refused = other.answer("POST", "/v1/responses", &more).await;
            assert_eq!(refused.status, 503, "{refused:?}");
            assert_eq!(refused.headers["retry-after"], "1");
        }
        let refused = one.answer("PATCH", "/mcp/servers/demo", &json!({"enabled": false})).await;
        assert_eq!((refused.status, &*refused.headers["retry-after"]), (503, "1"), "{refused:?}");
        for _ in 0..20 {
            let user = json!([{"role": "user", "content": "plums"}]);
            let path = "/v1/chat/completions";
            let (status, said) = other.rest("POST", path, &json!({"messages": user})).await;
            assert_eq!(status, 200, "{said}");
            // Kept where it was given.
            let (status, alone) =
                other.rest("POST", "/v1/responses", &json!({"input": "plums"})).await;
            assert_eq!(status, 200, "{alone}");
            let more = json!({"input": "figs", "previous_response_id": alone["id"]});
            assert_eq!(other.rest("POST", "/v1/responses", &more).await.0, 200);
            assert_eq!(one.rest("POST", "/mcp/tools/call", &call).await.0, 200);
        }
    };
    timeout(2 * SEEN, asking).await.unwrap();
    postgres.thaw().await;
    let id = first["id"].as_str().unwrap();
    other
        .comes_to("GET", &format!("/v1/responses/{id}"), &Value::Null, |body| *body == first)
        .await;
    one.end().await;
    other.end().await;
    postgres.stop().await;
    redis.stop().await;
}
