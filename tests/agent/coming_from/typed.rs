//! Servers as databases, folders, stores and queues.

use mcp_agent::resources::{Profile, Shape, Step, TypedResource, Verb};
use mcp_client::{
    protocol::tools::CallToolResult,
    testing::{Answer, TestServer},
};
use serde_json::{Value, json};

use super::{Tried, database_script, tool};

// guide: typed-row
#[derive(serde::Deserialize)]
struct User {
    name: String,
    visits: u32,
}
// end

#[tokio::test]
async fn database() -> Tried {
    let server = database_script();
    let client = server.client().connect().await?;
    // guide: sql
    let db = TypedResource::of_client("database", client, Profile::postgres()).await?;
    let users: Vec<User> =
        db.execute("SELECT * FROM users WHERE created_at > ?", ["2024-01-01"]).await?;
    println!("{} came {} times", users[0].name, users[0].visits);
    // end
    assert_eq!((users[0].name.as_str(), users[0].visits), ("Ada", 3));
    let sent = server.heard().params("tools/call");
    assert!(sent[0]["arguments"]["sql"].as_str().unwrap().contains("'2024-01-01'"), "{sent:?}");
    Ok(())
}

#[tokio::test]
async fn files() -> Tried {
    let tree = r#"[{"name": "report.pdf", "type": "file"},
        {"name": "old", "type": "directory", "children": [{"name": "a.pdf", "type": "file"}]}]"#;
    let any = |name: &str| tool(name, "Files.", "path");
    let server = TestServer::new()
        .tool(any("read_text_file"), |_| "Sales grew.".into())
        .tool(any("read_media_file"), |_| Answer::error(-32602, "no picture"))
        .tool(any("list_directory"), |_| "[FILE] report.pdf".into())
        .tool(any("directory_tree"), move |_| tree.into())
        .tool(any("write_file"), |_| "written".into());
    let client = server.client().connect().await?;
    // guide: files
    let shared = TypedResource::of_client("shared", client, Profile::filesystem()).await?;
    let report = shared.read("documents/report.txt").await?;
    println!("{report}");
    for entry in shared.list_recursive("documents").await? {
        println!("{} {:?}", entry.path, entry.kind);
    }
    // end
    assert_eq!(report, "Sales grew.");
    assert_eq!(shared.list_recursive("documents").await?.len(), 3);
    Ok(())
}

#[tokio::test]
async fn web_keys_and_queue() -> Tried {
    let mut stored: Option<String> = None;
    let one = |name: &str, argument: &str| tool(name, "One thing.", argument);
    let server = TestServer::new()
        .tool(one("fetch", "url"), |_| r#"{"celsius": 18}"#.into())
        .tool(one("store", "key"), move |given| {
            match given["value"].as_str() {
                Some(value) => stored = Some(value.to_owned()),
                None => return stored.clone().unwrap_or_default().into(),
            }
            "stored".into()
        })
        .tool(one("send", "topic"), |_| CallToolResult::text("sent").into());
    let client = server.client().connect().await?;
    // guide: profile
    let profile = Profile::new("office")
        .base_url("https://api.example/weather/")
        .verb(Verb::HttpGet, Step::tool("fetch", json!({"url": "{url}"})).shape(Shape::Json))
        .verb(Verb::Set, Step::tool("store", json!({"key": "{key}", "value": "{value}"})))
        .verb(Verb::Get, Step::tool("store", json!({"key": "{key}"})).shape(Shape::Text))
        .verb(Verb::Publish, Step::tool("send", json!({"topic": "{topic}", "body": "{message}"})));
    let office = TypedResource::of_client("office", client, profile).await?;

    let weather: Value = office.http_get("current", json!({"city": "London"})).await?;
    office.set("user:123", &json!({"name": "Alice", "role": "admin"})).await?;
    let user: Option<Value> = office.get("user:123").await?;
    office.publish("user.created", &json!({"id": 123})).await?;
    // end
    assert_eq!(weather["celsius"], 18);
    assert_eq!(user.unwrap()["role"], "admin");
    let sent = server.heard().params("tools/call");
    let first = &sent[0]["arguments"]["url"];
    assert_eq!(first, "https://api.example/weather/current?city=London");
    let last = sent.last().unwrap()["arguments"]["body"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(last)?, json!({"id": 123}));
    Ok(())
}

#[tokio::test]
async fn raw_is_there_too() -> Tried {
    let server = database_script();
    let client = server.client().connect().await?;
    // guide: raw-resource
    for resource in client.list_resources().await?.items {
        println!("{}", resource.uri);
    }
    let read = client.read_resource("docs://sales/q4").await?;
    // end
    assert!(json!(read).to_string().contains("120 units"));
    Ok(())
}
