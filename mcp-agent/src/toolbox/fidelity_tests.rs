//! Faults that users met in other agents, each as a server would cause it.

use std::sync::Arc;

use mcp_client::Client;
use mcp_protocol::{
    jsonrpc::{ErrorObject, Request},
    raw::RawJson,
};
use mcp_transport::{
    BoxFuture,
    memory::MemoryConnect,
    serve::{self, Peer, Service},
};
use serde_json::{Value, json};

use super::McpToolset;
use crate::{
    Agent,
    model::{
        Part,
        scripted::{Scene, ScriptedModel},
    },
};

/// Seven tools over two pages; what a call does is in its name.
struct Awkward;

fn schema() -> Value {
    json!({"type": "object", "required": ["at"], "additionalProperties": false,
        "$defs": {"point": {"type": "object", "properties": {"lat": {"type": "number"}}}},
        "properties": {"at": {"$ref": "#/$defs/point"}}})
}

impl Service for Awkward {
    fn request<'a>(
        &'a self,
        request: Request,
        peer: &'a Peer,
    ) -> BoxFuture<'a, Result<RawJson, ErrorObject>> {
        Box::pin(async move {
            let params: Value = serde_json::from_slice(&request.params).unwrap_or_default();
            let named = |names: &[&str]| {
                let tools = names.iter().map(|name| {
                    let schema =
                        if *name == "place" { schema() } else { json!({"type": "object"}) };
                    json!({"name": name, "inputSchema": schema})
                });
                tools.collect::<Vec<_>>()
            };
            let result = match &*request.method {
                "initialize" => json!({
                    "protocolVersion": "2025-11-25",
                    "capabilities": {"tools": {}, "logging": {}},
                    "serverInfo": {"name": "awkward", "version": "1"},
                }),
                "tools/list" if params["cursor"].is_null() => {
                    json!({"tools": named(&["z", "y", "x", "place"]), "nextCursor": "2"})
                }
                "tools/list" => json!({"tools": named(&["picture", "link", "chatty"])}),
                "tools/call" => match params["name"].as_str().unwrap_or_default() {
                    "picture" => json!({"content": [
                        {"type": "image", "data": "AAAA", "mimeType": "image/png"}]}),
                    "link" => json!({"content": [
                        {"type": "resource_link", "uri": "file:///a", "name": "a"}]}),
                    _ => {
                        let log = json!({"level": "info", "data": "on my way"});
                        peer.notify("notifications/message", &log).await.unwrap();
                        json!({"content": [{"type": "text", "text": "the answer"}]})
                    }
                },
                _ => return Err(ErrorObject::new(-32601, "unknown method")),
            };
            Ok(result.into())
        })
    }
}

async fn tools() -> McpToolset {
    let recipe =
        MemoryConnect::new(|peer| serve::in_memory(peer, Arc::new(Awkward) as Arc<dyn Service>));
    let client = Client::connect_with(recipe).connect().await.unwrap();
    McpToolset::of_clients([("s".to_owned(), client)]).await
}

#[tokio::test]
async fn all_pages_sorted_and_schemas_whole() {
    let model = ScriptedModel::new([Scene::text("ready")]);
    Agent::builder(model.clone()).tools(tools().await).build().run("go").await.unwrap();
    let offered = &model.requests()[0].tools;
    let names: Vec<_> = offered.iter().map(|tool| tool.name.as_str()).collect();
    let wanted = ["chatty", "link", "picture", "place", "x", "y", "z"];
    assert_eq!(names, wanted.map(|name| format!("mcp__s__{name}")));
    let seen: Value = offered[3].parameters.parse().unwrap();
    assert_eq!(seen, schema());
}

#[tokio::test]
async fn pictures_links_and_log_messages_come_through() {
    let model = ScriptedModel::new([
        Scene::calls([("mcp__s__picture", "{}"), ("mcp__s__link", "{}"), ("mcp__s__chatty", "{}")]),
        Scene::text("seen"),
    ]);
    Agent::builder(model.clone()).tools(tools().await).build().run("go").await.unwrap();
    let requests = model.requests();
    let results: Vec<_> = requests[1]
        .messages
        .iter()
        .flat_map(|message| &message.parts)
        .filter_map(|part| match part {
            Part::ToolResult(result) => Some(&result.content[0]),
            _ => None,
        })
        .collect();
    assert!(matches!(results[0], Part::Image(media) if media.mime_type == "image/png"));
    assert!(results[1].as_text().unwrap().contains("file:///a"));
    assert_eq!(results[2].as_text(), Some("the answer"));
}
