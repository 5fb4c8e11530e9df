//! What `docs/guides/typed-resources.md` shows: `cargo xtask databases guide --nocapture`.

use std::time::Duration;

use futures_util::StreamExt;
use mcp_agent::{
    resources::{Profile, SqlDialect, TypedResource},
    streams::{EventKind, EventOptions, Filter, events},
};
use mcp_client::Client;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    daemon::{Postgres, Redis},
    folder, node, python,
};

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "printed")]
struct Order {
    id: i64,
    customer: String,
    total: f64,
}

#[derive(Debug, Serialize, Deserialize)]
struct User {
    name: String,
    role: String,
}

#[tokio::test]
async fn guide_resources() {
    let (postgres, redis) = (Postgres::start().await, Redis::start().await);
    postgres
        .run(
            "CREATE TABLE orders (id int, customer text, total float8, placed date);
             INSERT INTO orders VALUES (1, 'Ada', 12.5, '2023-12-30'),
                 (2, 'O''Hara', 80, '2024-02-01'), (3, 'Grace', 7.25, '2024-03-10')",
        )
        .await;
    let databases = || folder("MCP_DATABASES_DIR");
    let profile = Profile::postgres();
    let db = node(databases(), "mcp-server-postgres", &[&postgres.url()], profile).await;
    let sql = "SELECT id, customer, total FROM orders WHERE placed > ? AND customer <> ?";
    let orders: Vec<Order> = db.execute(sql, ("2024-01-01", "x' OR '1'='1")).await.unwrap();
    for order in &orders {
        println!("{order:?}");
    }
    println!(
        "{:?}",
        SqlDialect::Postgresql.bind(sql, &[json!("2024-01-01"), json!("x' OR '1'='1"),])
    );
    for (sql, params) in [
        ("SELECT ?", vec![]),
        ("COMMIT; DROP TABLE orders", vec![]),
        (r"SELECT '\' || ?", vec!["a"]),
    ] {
        let error = db.execute::<Value>(sql, params).await.unwrap_err();
        println!("{sql}\n    {error}: {}", std::error::Error::source(&error).unwrap());
    }
    println!("{}", db.get::<Value>("key").await.unwrap_err());

    let url = redis.url();
    let store = node(databases(), "mcp-server-redis", &[&url], Profile::redis()).await;
    let user = User { name: "Alice".to_owned(), role: "admin".to_owned() };
    store.set("user:123", &user).await.unwrap();
    println!("{:?}", store.get::<User>("user:123").await.unwrap());
    println!("{:?}", store.get::<User>("user:124").await.unwrap().map(|user| user.name));
    println!("{:?}", store.keys("user:*").await.unwrap());
    let stored = redis.client(&["GET", "user:123"]).output().await.unwrap();
    println!("redis-cli: {}", String::from_utf8_lossy(&stored.stdout).trim_end());
    let missing = store.publish("user.created", &json!({"id": 123})).await.unwrap_err();
    println!("{missing}");
    let profile = Profile::redis_mcp_server();
    let queue = python(databases(), "redis-mcp-server", &["--url", &url], profile).await;
    queue.publish("user.created", &json!({"id": 123})).await.unwrap();
    redis.stop().await;
    postgres.stop().await;
}

#[tokio::test]
async fn guide_streams() {
    let graph = tempfile::tempdir().unwrap();
    let file = graph.path().join("graph.jsonl");
    let server = folder("MCP_INTEROP_DIR").join("node_modules/.bin/mcp-server-memory");
    let wanted = Filter::new().kinds([EventKind::Resource]);
    let (sink, mut stream) = events(EventOptions::default().capacity(1000).filter(wanted));
    let builder =
        Client::stdio(server.to_str().unwrap()).env("MEMORY_FILE_PATH", file.to_str().unwrap());
    let client = sink.hear("memory", builder).connect().await.unwrap();
    let uri = "memory://knowledge-graph".to_owned();
    stream.follow_contents(&sink, "memory", client.clone(), vec![uri]).await;
    let queue = TypedResource::of_client("memory", client, Profile::memory()).await.unwrap();
    queue.publish("news", "the kettle is hot").await.unwrap();

    let mut windows = std::pin::pin!(stream.windows(10, Duration::from_secs(1)));
    let window = windows.next().await.unwrap();
    let last = window.last().unwrap();
    println!("{} {}: {}", last.server, last.data["uri"], last.data["contents"][0]["text"]);
    assert!(last.data["contents"][0]["text"].as_str().unwrap().contains("the kettle is hot"));
    assert_eq!(last.lost_before, 0);
}
