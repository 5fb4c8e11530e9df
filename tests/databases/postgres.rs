//! What replicas keep together in PostgreSQL.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use mcp_agent::{
    Agent,
    model::scripted::{Scene, ScriptedModel},
    store::{PostgresStore, Store, StoreError, StoreKey},
};
use mcp_client::{
    Secret,
    oauth::{StoreEntry, TokenStore, TokenStoreError},
};
use tokio::task::JoinSet;

use super::daemon::Postgres;

async fn replica(database: &Postgres, secret: &[u8]) -> PostgresStore {
    PostgresStore::connect(&database.url(), StoreKey::derive(secret).unwrap()).await.unwrap()
}

fn kept_by(replica: &PostgresStore) -> &dyn Store {
    replica
}

fn entry() -> StoreEntry {
    StoreEntry::Issuer { resource: "https://mcp.example/'; DROP TABLE mcp_tokens; --".to_owned() }
}

const SECRET: &[u8] = b"the secret of all replicas";

/// Nobody begins with another secret.
async fn is_refused(database: &Postgres) {
    let key = || StoreKey::derive(b"another secret").unwrap();
    let error = PostgresStore::check(&database.url(), &key()).await.unwrap_err();
    assert!(matches!(error, StoreError::WrongKey { .. }), "{error:?}");
    let error = PostgresStore::connect(&database.url(), key()).await.unwrap_err();
    assert!(matches!(error, StoreError::WrongKey { .. }), "{error:?}");
}

#[tokio::test]
async fn another_key_is_found_before_it_is_used() {
    let database = Postgres::start().await;
    let key = || StoreKey::derive(SECRET).unwrap();
    let has_tables = "SELECT 1 / (count(*) = 0)::int FROM pg_tables WHERE tablename LIKE 'mcp%'";
    // Looking leaves nothing.
    PostgresStore::check(&database.url(), &key()).await.unwrap();
    database.run(has_tables).await;
    let store = replica(&database, SECRET).await;
    is_refused(&database).await;
    PostgresStore::check(&database.url(), &key()).await.unwrap();
    let token = Secret::new("a token");
    TokenStore::save(&store, &entry(), &token).await.unwrap();
    // As it was kept before there was anything to try a key on.
    database.run("DELETE FROM mcp_key").await;
    is_refused(&database).await;
    PostgresStore::check(&database.url(), &key()).await.unwrap();
    replica(&database, SECRET).await.close().await;
    database.run("DELETE FROM mcp_tokens").await;
    is_refused(&database).await;
    store.close().await;
    database.stop().await;
}

#[tokio::test]
async fn replicas_make_their_tables_at_the_same_time() {
    let database = Postgres::start().await;
    let mut starting = JoinSet::new();
    let url: Arc<str> = database.url().into();
    for _ in 0..6 {
        let url = Arc::clone(&url);
        starting.spawn(async move {
            let key = StoreKey::derive(SECRET).unwrap();
            PostgresStore::connect(&url, key).await.unwrap().close().await;
        });
    }
    while let Some(started) = starting.join_next().await {
        started.unwrap();
    }
    // Tables of a later version are left alone.
    database.run("INSERT INTO mcp_version VALUES (1000)").await;
    let key = StoreKey::derive(SECRET).unwrap();
    let error = PostgresStore::connect(&url, key).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("version 1000"), "{source}");
    let wrong = "postgres://user:s3cret@127.0.0.1:none/db";
    let key = StoreKey::derive(SECRET).unwrap();
    let error = PostgresStore::connect(wrong, key).await.unwrap_err();
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    database.stop().await;
}

#[tokio::test]
async fn a_conversation_goes_on_at_another_replica() {
    let database = Postgres::start().await;
    let (one, other) = (replica(&database, SECRET).await, replica(&database, SECRET).await);
    let model = || ScriptedModel::new([Scene::text("Noon."), Scene::text("Still noon.")]);
    let first = Agent::builder(model()).journal(one.clone()).build();
    first.run("What time is it?\nPlease.").await.unwrap();
    let kept = other.list().await.unwrap();
    assert_eq!((kept.len(), kept[0].title.as_str()), (1, "What time is it?"));
    let id = other.find(&kept[0].id.as_str()[..8]).await.unwrap().id;
    let run = kept_by(&other).load(&id, None).await.unwrap();
    assert_eq!(run.feeds(), kept[0].feeds);
    assert!(run.transcript().entries().len() >= 2);
    assert_eq!(kept_by(&other).load(&id, Some(1)).await.unwrap().feeds(), 1);

    // Nobody without the secret reads it.
    is_refused(&database).await;
    assert!(kept_by(&one).remove(&id).await.unwrap());
    assert!(!kept_by(&other).remove(&id).await.unwrap());
    assert!(matches!(kept_by(&other).load(&id, None).await, Err(StoreError::Unknown { .. })));
    for store in [one, other] {
        store.close().await;
    }
    database.stop().await;
}

#[tokio::test]
async fn one_of_many_replicas_renews_a_token() {
    let database = Postgres::start().await;
    let renewed = Arc::new(AtomicU32::new(0));
    let mut replicas = JoinSet::new();
    for _ in 0..3 {
        let store = replica(&database, SECRET).await;
        let renewed = Arc::clone(&renewed);
        replicas.spawn(async move {
            let (entry, tokens) = (entry(), &store as &dyn TokenStore);
            let lock = tokens.lock(&entry).await.unwrap();
            // As whoever renews does: it looks again once it holds the lock.
            if tokens.load(&entry).await.unwrap().is_none() {
                renewed.fetch_add(1, Ordering::Relaxed);
                tokens.save(&entry, &Secret::new("fresh")).await.unwrap();
            }
            drop(lock);
            assert_eq!(tokens.load(&entry).await.unwrap().unwrap().reveal(), "fresh");
            store.close().await;
        });
    }
    while let Some(done) = replicas.join_next().await {
        done.unwrap();
    }
    assert_eq!(renewed.load(Ordering::Relaxed), 1);
    // One that somebody changed is of no more use, and does no harm.
    database.run("UPDATE mcp_tokens SET sealed = sealed || '\\x00'").await;
    let replica = replica(&database, SECRET).await;
    let error = TokenStore::load(&replica, &entry()).await.unwrap_err();
    assert!(matches!(error, TokenStoreError::Unreadable { .. }), "{error:?}");
    TokenStore::remove(&replica, &entry()).await.unwrap();
    assert!(TokenStore::load(&replica, &entry()).await.unwrap().is_none());
    replica.close().await;
    database.stop().await;
}
