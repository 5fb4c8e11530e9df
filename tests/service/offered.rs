//! What the configuration says of tools, and servers that are slow to list theirs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mcp_agent::service::ServiceOptions;
use mcp_client::{
    Client,
    config::{ServerConfig, TransportConfig},
    protocol::tools::Tool,
    testing::{Answer, TestServer},
};
use serde_json::json;

use crate::asking::Serving;

fn configured(name: &str, url: &str) -> ServerConfig {
    ServerConfig::new(name, TransportConfig::Http { url: url.to_owned(), headers: [].into() })
}

fn with_tools(names: &[&str]) -> TestServer {
    names.iter().fold(TestServer::new(), |server, name| {
        server.tool(Tool::new(*name, json!({"type": "object"})), |_| "done".into())
    })
}

#[tokio::test]
async fn tools_that_the_configuration_denies_are_not_there() {
    let server = with_tools(&["read", "write"]);
    let running = server.http().await.expect("serves");
    let mut config = configured("notes", running.url());
    config.tools.deny = vec!["wri*".to_owned()];
    let serving = Serving::start(vec![config], ServiceOptions::new()).await;

    let client = Client::http(format!("http://{}/mcp", serving.address)).connect().await;
    let client = client.expect("connects");
    let listed = client.list_tools().await.expect("a list").items;
    let names: Vec<_> = listed.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["read"]);
    let error = client.call_tool("write", json!({})).await.expect_err("refused");
    assert!(error.to_string().contains("there is no tool `write`"), "{error}");
    client.close().await;

    let listed = serving.get("/mcp/tools").await.json();
    assert_eq!(listed["tools"].as_array().map(Vec::len), Some(1), "{listed}");
    let call = json!({"server_name": "notes", "tool_name": "write", "arguments": {}});
    let refused = serving.post("/mcp/tools/call", &call).await;
    assert_eq!((refused.status, &refused.json()["code"]), (404, &json!("not_found")));
    assert!(server.heard().params("tools/call").is_empty());
    serving.end().await;
}

#[tokio::test]
async fn a_server_that_falls_silent_does_not_hold_up_the_lists() {
    let is_silent = Arc::new(AtomicBool::new(false));
    let silent = Arc::clone(&is_silent);
    let server = with_tools(&["slow"]).on("tools/list", move |_| {
        if silent.load(Ordering::Relaxed) { Answer::Silence } else { Answer::Usual }
    });
    let (server, other) = (server.http().await, with_tools(&["quick"]).http().await);
    let (server, other) = (server.expect("serves"), other.expect("serves"));
    let mut config = configured("silent", server.url());
    // Longer than whoever asks the service waits.
    config.call_timeout = Some(Duration::from_secs(3600));
    let configs = vec![config, configured("other", other.url())];
    let serving = Serving::start(configs, ServiceOptions::new()).await;
    let client = Client::http(format!("http://{}/mcp", serving.address)).connect().await;
    let client = client.expect("connects");
    for silence in [false, true] {
        is_silent.store(silence, Ordering::Relaxed);
        let listed = client.list_tools().anew().await.expect("a list").items;
        let names: Vec<_> = listed.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(names, ["slow", "quick"], "silent: {silence}");
    }
    client.close().await;
    serving.end().await;
}
