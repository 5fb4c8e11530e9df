//! All servers as one, asked by our own client in both lifecycles.

use mcp_agent::service::ServiceOptions;
use mcp_client::{Client, EraChoice, protocol::version::Era};

use serde_json::json;

use crate::asking::{Serving, misbehaving};

// covers: serve-discover, serve-names
#[tokio::test]
async fn many_servers_are_one_in_both_lifecycles() {
    let servers =
        vec![misbehaving("a", "ok"), misbehaving("b", "ok"), misbehaving("down", "exit-at-once")];
    let serving = Serving::start(servers, ServiceOptions::new()).await;
    let url = format!("http://{}/mcp", serving.address);
    for (choice, era) in [(EraChoice::Legacy, Era::Legacy), (EraChoice::Modern, Era::Modern)] {
        let client = Client::http(&url).era(choice).connect().await.unwrap();
        assert_eq!(client.server().protocol_version.era(), era);
        let tools = client.list_tools().await.unwrap().items;
        let names: Vec<_> = tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(names, ["a__good", "b__good"]);
        let result = client.call_tool("b__good", json!({})).await.unwrap();
        assert_eq!(result.content[0].as_text(), Some("ok"));
        let error = client.call_tool("good", json!({})).await.unwrap_err();
        assert!(error.to_string().contains("there is no tool `good`"), "{error}");
        assert!(client.list_prompts().await.unwrap().items.is_empty());
        client.close().await;
    }
    let url = format!("http://{}/servers/a/mcp", serving.address);
    let alone = Client::http(&url).connect().await.unwrap();
    assert_eq!(alone.list_tools().await.unwrap().items[0].name, "good");
    alone.close().await;
    assert_eq!(serving.get("/servers/nobody/mcp").await.status, 404);
    serving.end().await;
}

#[tokio::test]
async fn a_server_is_found_however_its_name_is_written() {
    let servers = vec![misbehaving("one two", "ok")];
    let serving = Serving::start(servers, ServiceOptions::new()).await;
    for name in ["%6fne%20two", "one%20two", "%6Fn%65%20two"] {
        let url = format!("http://{}/servers/{name}/mcp", serving.address);
        let client = Client::http(&url).connect().await.unwrap();
        assert_eq!(client.list_tools().await.unwrap().items[0].name, "good");
        client.close().await;
    }
    serving.end().await;
}

// covers: serve-down
#[tokio::test]
async fn a_server_that_went_away_keeps_its_tools_and_says_why() {
    let serving =
        Serving::start(vec![misbehaving("one", "exit-mid-call")], ServiceOptions::new()).await;
    let url = format!("http://{}/mcp", serving.address);
    let client = Client::http(&url).connect().await.unwrap();
    assert_eq!(client.list_tools().await.unwrap().items[0].name, "good");
    let result = client.call_tool("good", json!({})).await.unwrap();
    assert!(result.is_error);
    let text = result.content[0].as_text().unwrap();
    assert!(text.contains("`one`") && text.contains("whether it ran is unknown"), "{text}");
    assert_eq!(client.list_tools().anew().await.unwrap().items[0].name, "good");
    client.close().await;
    serving.end().await;
}
