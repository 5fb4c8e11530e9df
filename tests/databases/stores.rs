//! Redis through the servers from npm and PyPI, and the memory server, as key-value stores.

use std::{process::Stdio, time::Duration};

use mcp_agent::resources::{Profile, ResourceError, TypedResource};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{daemon::Redis, folder, node, python, start};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    role: Option<String>,
}

/// What every store does.
async fn check(store: &TypedResource) {
    assert_eq!(store.get::<User>("user:123").await.unwrap(), None);
    let user = User { name: "Alice \"🦀\"".to_owned(), role: None };
    store.set("user:123", &user).await.unwrap();
    assert_eq!(store.get("user:123").await.unwrap(), Some(user));
    for value in [json!("plain words"), json!("42"), json!(42), json!("\"quoted\"")] {
        store.set("value", &value).await.unwrap();
        assert_eq!(store.get::<Value>("value").await.unwrap(), Some(value));
    }
    store.set("value", &json!({"list": [null, 1.5]})).await.unwrap();
    let kept: Value = store.get("value").await.unwrap().unwrap();
    assert_eq!(kept, json!({"list": [null, 1.5]}));
    store.set_text("value", "two\nlines").await.unwrap();
    assert_eq!(store.get_text("value").await.unwrap().as_deref(), Some("two\nlines"));
    store.delete("value").await.unwrap();
    store.delete("value").await.unwrap();
    assert_eq!(store.get_text("value").await.unwrap(), None);
}

async fn check_redis(redis: &Redis, store: &TypedResource) {
    check(store).await;
    assert_eq!(store.keys("user:*").await.unwrap(), ["user:123"]);
    assert!(store.keys("none:*").await.unwrap().is_empty());
    store.set_for("session", "open", Duration::from_secs(600)).await.unwrap();
    let left = redis.client(&["TTL", "session"]).output().await.unwrap().stdout;
    let left: i64 = String::from_utf8(left).unwrap().trim().parse().unwrap();
    assert!((1..=600).contains(&left), "{left}");
}

#[tokio::test]
async fn redis_from_npm() {
    let redis = Redis::start().await;
    let folder = folder("MCP_DATABASES_DIR");
    let store = node(folder, "mcp-server-redis", &[&redis.url()], Profile::redis()).await;
    check_redis(&redis, &store).await;
    store.set("list", &json!([null])).await.unwrap();
    assert_eq!(store.get::<Value>("list").await.unwrap(), Some(json!([null])));
    redis.stop().await;
}

#[tokio::test]
async fn redis_from_pypi() {
    let redis = Redis::start().await;
    let (folder, profile) = (folder("MCP_DATABASES_DIR"), Profile::redis_mcp_server());
    let store = python(folder, "redis-mcp-server", &["--url", &redis.url()], profile).await;
    check_redis(&redis, &store).await;

    // Its SDK reads texts that are JSON before the tool sees them. What the tool then refuses is
    // told, and nothing else is stored in its place.
    for refused in [json!([1]), json!(null)] {
        let error = store.set("list", &refused).await.unwrap_err();
        assert!(matches!(error, ResourceError::Failed { .. }), "{error:?}");
    }
    assert_eq!(store.get::<Value>("list").await.unwrap(), None);

    // A message arrives at somebody who listens.
    let mut listener =
        redis.client(&["SUBSCRIBE", "user.created"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(listener.stdout.take().unwrap()).lines();
    for subscribed in ["subscribe", "user.created", "1"] {
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some(subscribed));
    }
    store.publish("user.created", &json!({"id": 123})).await.unwrap();
    for told in ["message", "user.created", r#"{"id":123}"#] {
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some(told));
    }
    listener.kill().await.unwrap();
    redis.stop().await;
}

#[tokio::test]
async fn the_memory_server() {
    let graph = tempfile::tempdir().unwrap();
    let file = graph.path().join("graph.jsonl");
    let program = folder("MCP_INTEROP_DIR").join("node_modules/.bin/mcp-server-memory");
    let env = [("MEMORY_FILE_PATH", file.to_str().unwrap())];
    let store = start(program, &[], &env, Profile::memory()).await;
    check(&store).await;
    store.publish("news", "first").await.unwrap();
    store.publish("news", "second").await.unwrap();
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(kept.contains(r#"["first","second"]"#), "{kept}");
}
