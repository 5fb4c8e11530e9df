//! The code of `docs/guides/coming-from.md`, run. What the guide shows stands between
//! `// guide: NAME` and `// end`, and is the same text.

#![expect(clippy::print_stdout, reason = "the guide shows whole programs")]

mod agents;
mod asking;
mod connecting;
mod context;
mod operating;
mod services;
mod streams;
mod tools;
mod typed;

use std::collections::BTreeMap;

use mcp_agent::{
    model::scripted::{Scene, ScriptedModel},
    toolbox::McpToolset,
};
use mcp_client::{
    Client,
    config::{ServerConfig, TransportConfig},
    protocol::{
        resources::{Resource, ResourceContents},
        tools::Tool,
    },
    testing::{HttpTestServer, TestServer},
};
use serde_json::{Value, json};

type Tried = Result<(), Box<dyn std::error::Error>>;

/// A tool that only reads and takes one text.
fn tool(name: &str, about: &str, argument: &str) -> Tool {
    let tool = json!({
        "name": name,
        "description": about,
        "annotations": {"readOnlyHint": true},
        "inputSchema": {
            "type": "object",
            "properties": {argument: {"type": "string"}},
            "required": [argument],
        },
    });
    serde_json::from_value(tool).unwrap()
}

/// A server with a database behind it, as far as these examples look.
fn database_script() -> TestServer {
    let mut query = tool("query", "Runs SQL on the database.", "sql");
    query.meta = Some(serde_json::from_value(json!({"tags": ["sql"]})).unwrap());
    TestServer::new()
        .tool(query, |_| r#"[{"name": "Ada", "visits": 3}]"#.into())
        .resource(
            Resource::new("docs://sales/q4", "Sales of the fourth quarter"),
            ResourceContents::text("docs://sales/q4", "In Q4, 120 units were sold."),
        )
        .resource(
            Resource::new("docs://weather", "Weather"),
            ResourceContents::text("docs://weather", "It rains."),
        )
}

async fn database() -> HttpTestServer {
    database_script().http().await.unwrap()
}

async fn weather() -> HttpTestServer {
    let server = TestServer::new()
        .tool(tool("current", "The weather at a place.", "place"), |_| "18 °C, sunny".into());
    server.http().await.unwrap()
}

fn http(name: &str, url: &str) -> ServerConfig {
    ServerConfig::new(name, TransportConfig::Http { url: url.to_owned(), headers: [].into() })
}

async fn tools_of(name: &str, server: &HttpTestServer) -> McpToolset {
    let client = Client::http(server.url()).connect().await.unwrap();
    McpToolset::of_clients([(name.to_owned(), client)]).await
}

/// A model that queries the database once and then says this.
fn queries(then: &str) -> ScriptedModel {
    ScriptedModel::new([
        Scene::call("mcp__database__query", r#"{"sql": "SELECT name, visits FROM users"}"#),
        Scene::text(then),
    ])
}

/// What the model was shown, as JSON text, request by request.
fn shown_to(model: &ScriptedModel) -> Vec<String> {
    let requests = model.requests();
    let messages = requests.iter().map(|request| json!(request.messages));
    messages.map(|messages: Value| messages.to_string()).collect()
}

/// The pieces of code between the marks, by name, as the guide shows them.
fn pieces() -> BTreeMap<&'static str, String> {
    let sources = [
        include_str!("agents.rs"),
        include_str!("asking.rs"),
        include_str!("connecting.rs"),
        include_str!("context.rs"),
        include_str!("operating.rs"),
        include_str!("services.rs"),
        include_str!("streams.rs"),
        include_str!("tools.rs"),
        include_str!("typed.rs"),
    ];
    let mut pieces = BTreeMap::new();
    for source in sources {
        let mut lines = source.lines();
        while let Some(line) = lines.next() {
            let Some(name) = line.trim().strip_prefix("// guide: ") else { continue };
            let piece: Vec<&str> =
                lines.by_ref().take_while(|line| line.trim() != "// end").collect();
            let filled = piece.iter().filter(|line| !line.trim().is_empty());
            let indent = filled.map(|line| line.len() - line.trim_start().len()).min().unwrap();
            let text: Vec<&str> =
                piece.iter().map(|line| line.get(indent..).unwrap_or_default()).collect();
            assert_eq!(pieces.insert(name, text.join("\n")), None, "{name} is there twice");
        }
    }
    pieces
}

#[test]
fn the_guide_shows_what_runs_here() {
    let guide = include_str!("../../../docs/guides/coming-from.md");
    let shown: Vec<&str> =
        guide.split("```rust\n").skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect();
    let pieces = pieces();
    for code in &shown {
        assert!(pieces.values().any(|piece| piece == code), "not run anywhere:\n{code}");
    }
    for (name, piece) in &pieces {
        assert!(shown.contains(&piece.as_str()), "`{name}` is not in the guide:\n{piece}");
    }
}
