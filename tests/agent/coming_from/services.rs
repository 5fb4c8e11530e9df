//! Servers that are found, share the load, or are played by a test.

use mcp_client::{
    Balance, Client, Ejection, Hub, HubOptions,
    protocol::resources::{Resource, ResourceContents},
    registry::{Kind, Registry, Search},
    testing::TestServer,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    task::JoinSet,
};

use super::{Tried, database, http, tool};

/// Answers every `GET` on this machine with what is made of its path.
async fn answering(
    answer: impl Fn(&str) -> Value + Send + 'static,
) -> std::io::Result<(String, JoinSet<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut lines = BufReader::new(stream).lines();
            let first = lines.next_line().await.unwrap().unwrap_or_default();
            while lines.next_line().await.unwrap().is_some_and(|line| !line.is_empty()) {}
            let body = answer(first.split(' ').nth(1).unwrap_or_default()).to_string();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
            let reply = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            lines.into_inner().write_all(reply.as_bytes()).await.unwrap();
        }
    });
    Ok((url, serving))
}

#[tokio::test]
async fn discovery() -> Tried {
    let server = database().await;
    let entry = json!({"server": {
        "name": "io.github.acme/database", "description": "SQL.", "version": "1.0.0",
        "remotes": [{"type": "streamable-http", "url": server.url()}],
    }});
    let (url, _serving) = answering(move |path| {
        if path.ends_with("/health") {
            json!({"status": "ok"})
        } else {
            json!({"servers": [entry], "metadata": {"count": 1}})
        }
    })
    .await?;
    let url = url.as_str();
    let mut clients = Vec::new();
    // guide: discovery
    let registry = Registry::at(url)?;
    println!("well after {:?}", registry.health().await?);
    let mut wanted = Search::new("database");
    wanted.kind = Some(Kind::Http);
    for found in registry.search(&wanted).await?.servers {
        for way in found.server.ways() {
            println!("{} {}: {}", found.server.name, way.kind(), way.what());
            clients.push(Client::http(way.what()).connect().await?);
        }
    }
    // end
    assert_eq!(clients[0].list_tools().await?.items.len(), 1);
    Ok(())
}

#[tokio::test]
async fn balanced() -> Tried {
    let (one, two) = (database().await, database().await);
    let servers = vec![http("db-1", one.url()), http("db-2", two.url())];
    // guide: balanced
    let hub = Hub::start(servers, &HubOptions::default());
    let databases = hub.replicas("db-*", Balance::RoundRobin, Ejection::default());
    for _ in 0..2 {
        let result = databases.call_tool("query", &json!({"sql": "SELECT 1"})).await?;
        println!("{}", result.joined_text());
    }
    // end
    hub.ready().await;
    let calls: Vec<_> = hub.status().into_iter().map(|server| server.health.tools.len()).collect();
    assert_eq!(calls, [1, 1], "each of them was called");
    hub.close().await;
    Ok(())
}

#[tokio::test]
async fn tested() -> Tried {
    let query = tool("query", "Runs SQL.", "sql");
    let docs = Resource::new("file:///docs", "docs");
    // guide: tested
    let server = TestServer::new()
        .tool(query, |asked| format!(r#"[{{"id": 1, "asked": {}}}]"#, asked["sql"]).into())
        .resource(docs, ResourceContents::text("file:///docs", "doc1.txt\ndoc2.txt"));
    let client = server.client().connect().await?;

    let result = client.call_tool("query", json!({"sql": "SELECT * FROM users"})).await?;
    let rows: Vec<Value> = serde_json::from_str(&result.joined_text())?;
    assert_eq!((rows.len(), &rows[0]["asked"]), (1, &json!("SELECT * FROM users")));
    assert_eq!(server.heard().params("tools/call").len(), 1);

    let read = client.read_resource("file:///docs").await?;
    assert!(json!(read).to_string().contains("doc1.txt"));
    // end
    Ok(())
}
