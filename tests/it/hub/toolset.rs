//! The tools that a model sees while servers come and go.

use std::{sync::Arc, time::Duration};

use mcp_agent::toolbox::{McpToolset, PreparedCall, ToolError, Toolset};
use mcp_client::{Backoff, Hub, HubOptions, StateKind};
use serde_json::json;

use super::{
    healing::{pid, quick, signal},
    misbehaving, until, until_that,
};

fn names(tools: &McpToolset) -> Vec<String> {
    tools.snapshot().tools.iter().map(|tool| tool.name.clone()).collect()
}

async fn call(tools: &McpToolset, name: &str) -> Result<String, ToolError> {
    let call = PreparedCall::new("1", name, serde_json::Map::new());
    tools.call(call, Arc::new(|_| {})).await.map(|output| output.to_text())
}

#[tokio::test]
async fn the_tools_of_a_server_that_is_down_stay_and_say_why() {
    let mut options = HubOptions::default();
    let hour = Duration::from_secs(3600);
    options.restart = Some(Backoff { first: hour, longest: hour });
    let hub = Hub::start(vec![misbehaving("one", "ok"), misbehaving("two", "ok")], &options);
    let tools = McpToolset::of_hub(hub.clone()).await;
    let before = tools.snapshot();
    assert_eq!(names(&tools), ["mcp__one__good", "mcp__two__good"]);
    assert_eq!(tools.problems(), []);

    signal(pid(&hub, "one").await, "-KILL");
    until(&hub, "one", StateKind::Down).await;
    assert!(Arc::ptr_eq(&before.tools, &tools.snapshot().tools), "the model sees the same bytes");
    let error = call(&tools, "mcp__one__good").await.unwrap_err();
    let ToolError::Unavailable { server, reason, .. } = &error else { panic!("{error:?}") };
    assert_eq!(server, "one");
    assert!(reason.starts_with("server `one` is down; it is started again in "), "{reason}");
    assert_eq!(call(&tools, "mcp__two__good").await.unwrap(), "ok");
    let problems = tools.problems();
    assert_eq!((problems.len(), problems[0].server.as_str()), (1, "one"));

    // A call waits for a server that is being started.
    hub.restart("one");
    until_that(&hub, "one", |status| status.state.kind() != StateKind::Down).await;
    assert_eq!(call(&tools, "mcp__one__good").await.unwrap(), "ok");
    assert!(Arc::ptr_eq(&before.tools, &tools.snapshot().tools));

    // A server that is removed is gone, with its tools.
    hub.remove("one").await;
    assert_eq!(names(&tools), ["mcp__two__good"]);
    hub.close().await;
}

#[tokio::test]
async fn what_the_configuration_says_of_tools_is_heeded() {
    let mut prefixed = misbehaving("prefixed", "changes");
    prefixed.tool_prefix = Some("my".to_owned());
    let mut denied = misbehaving("denied", "ok");
    denied.tools.deny = vec!["go*".to_owned()];
    let mut unregistered = misbehaving("unregistered", "ok");
    unregistered.auto_register_tools = false;
    let mut allowed = misbehaving("allowed", "ok");
    allowed.auto_register_tools = false;
    allowed.tools.allow = Some(vec!["good".to_owned()]);
    let hub = Hub::start(vec![prefixed, denied, unregistered, allowed], &quick());
    let tools = McpToolset::of_hub(hub.clone()).await;
    assert_eq!(names(&tools), ["mcp__allowed__good", "my_good"]);
    assert_eq!(tools.problems(), []);
    assert_eq!(call(&tools, "my_good").await.unwrap(), "ok");

    // A tool that the server adds is there in the next snapshot.
    let mut changes = hub.events();
    hub.server("prefixed").unwrap().call_tool("grow", &json!({})).await.unwrap();
    changes.recv().await.unwrap();
    assert_eq!(names(&tools), ["mcp__allowed__good", "my_better", "my_good"]);
    hub.close().await;
}
