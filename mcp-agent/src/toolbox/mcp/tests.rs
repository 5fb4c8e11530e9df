use std::sync::{Arc, Mutex};

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

use super::*;
use crate::{
    Agent, AgentEvent,
    model::{
        Part,
        scripted::{Scene, ScriptedModel},
    },
};

/// A legacy server whose tools are a list that can be replaced.
struct Server {
    tools: Arc<Mutex<Value>>,
}

impl Server {
    async fn call(&self, params: Value, peer: &Peer) -> Result<Value, ErrorObject> {
        let arguments = &params["arguments"];
        match params["name"].as_str().unwrap() {
            "echo" => Ok(json!({"content": [{"type": "text", "text": arguments.to_string()}]})),
            "fail" => Ok(json!({"content": [{"type": "text", "text": "boom"}], "isError": true})),
            "slow" => {
                let token = &params["_meta"]["progressToken"];
                let progress = json!({"progressToken": token, "progress": 1, "total": 2});
                peer.notify("notifications/progress", &progress).await.unwrap();
                Ok(json!({"content": [], "structuredContent": {"done": true}}))
            }
            _ => Err(ErrorObject::new(-32602, "unknown tool")),
        }
    }
}

impl Service for Server {
    fn request<'a>(
        &'a self,
        request: Request,
        peer: &'a Peer,
    ) -> BoxFuture<'a, Result<RawJson, ErrorObject>> {
        Box::pin(async move {
            let params: Value = serde_json::from_slice(&request.params).unwrap_or_default();
            let result = match &*request.method {
                "initialize" => json!({
                    "protocolVersion": "2025-11-25",
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "test", "version": "1"},
                    "instructions": "Be gentle.",
                }),
                "tools/list" => json!({"tools": *self.tools.lock().unwrap()}),
                "tools/call" => self.call(params, peer).await?,
                _ => return Err(ErrorObject::new(-32601, "unknown method")),
            };
            Ok(result.into())
        })
    }
}

pub(in crate::toolbox) fn tool(name: &str) -> Value {
    json!({"name": name, "description": format!("Does {name}."), "inputSchema": {
        "type": "object", "properties": {"n": {"type": "integer"}},
    }})
}

pub(in crate::toolbox) async fn client(tools: &Arc<Mutex<Value>>) -> Client {
    let service = Arc::new(Server { tools: Arc::clone(tools) });
    let recipe = MemoryConnect::new(move |peer| {
        let service: Arc<dyn Service> = Arc::clone(&service) as _;
        serve::in_memory(peer, service)
    });
    Client::connect_with(recipe).connect().await.unwrap()
}

pub(in crate::toolbox) fn list(names: &[&str]) -> Arc<Mutex<Value>> {
    Arc::new(Mutex::new(names.iter().map(|name| tool(name)).collect()))
}

#[tokio::test]
async fn the_tools_of_two_servers_side_by_side() {
    let (one, two) = (list(&["slow", "echo"]), list(&["echo", "fail"]));
    let servers = [("two".to_owned(), client(&two).await), ("one".to_owned(), client(&one).await)];
    let tools = McpToolset::of_clients(servers).await;
    let snapshot = tools.snapshot();
    let names: Vec<_> = snapshot.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["mcp__one__echo", "mcp__one__slow", "mcp__two__echo", "mcp__two__fail"]);
    assert_eq!(tools.tool("mcp__two__fail").unwrap().server, "two");
    assert_eq!(tools.instructions()[0], ("two".to_owned(), "Be gentle.".to_owned()));
    assert_eq!(tools.problems(), []);

    let model = ScriptedModel::new([
        Scene::calls([
            ("mcp__one__slow", "{}"),
            ("mcp__two__echo", r#"{"n": "5"}"#),
            ("mcp__two__fail", "null"),
        ]),
        Scene::text("done"),
    ]);
    let agent = Agent::builder(model.clone()).tools(tools).build();
    let mut run = agent.run("go");
    let mut progress = Vec::new();
    while let Some(event) = run.next().await {
        if let AgentEvent::ToolCallProgress { progress: told, .. } = event.unwrap() {
            progress.push((told.progress, told.total));
        }
    }
    assert_eq!(progress, [(1.0, Some(2.0))]);
    let requests = model.requests();
    let results: Vec<_> = requests[1].messages.last().unwrap().parts.iter().collect();
    let results: Vec<_> = results
        .into_iter()
        .map(|part| match part {
            Part::ToolResult(result) => {
                (ToolOutput::parts(result.content.clone()).to_text(), result.is_error)
            }
            part => panic!("{part:?}"),
        })
        .collect();
    assert_eq!(
        results,
        [
            (r#"{"done":true}"#.to_owned(), false),
            (r#"{"n":5}"#.to_owned(), false),
            ("boom".to_owned(), true),
        ]
    );
}

#[tokio::test]
async fn a_changed_list_changes_the_next_snapshot_only() {
    let offered = list(&["echo"]);
    let tools = McpToolset::of_clients([("s".to_owned(), client(&offered).await)]).await;
    let before = tools.snapshot();
    assert!(!tools.refresh().await);
    assert_eq!(tools.snapshot().generation, before.generation);
    *offered.lock().unwrap() = json!([tool("echo"), tool("gone"), {"name": 7}]);
    assert!(tools.refresh().await);
    assert_eq!(tools.snapshot().tools.len(), 2);
    assert_eq!(before.tools.len(), 1);
    let problems = tools.problems();
    assert_eq!((problems.len(), problems[0].server.as_str()), (1, "s"));

    // A tool that its server refuses to know is an error that the model can read.
    let call = PreparedCall::new("1", "mcp__s__gone", serde_json::Map::new());
    let error = tools.call(call, Arc::new(|_| {})).await.unwrap_err();
    assert!(error.explain().ends_with("unknown tool (code -32602)"), "{}", error.explain());
}

#[tokio::test]
async fn a_server_that_is_gone_is_said_to_be() {
    let connected = client(&list(&["echo"])).await;
    let tools = McpToolset::of_clients([("s".to_owned(), connected.clone())]).await;
    connected.close().await;
    let call = PreparedCall::new("1", "mcp__s__echo", serde_json::Map::new());
    let error = tools.call(call, Arc::new(|_| {})).await.unwrap_err();
    assert!(matches!(error, ToolError::Failed { .. }), "{error:?}");
}
