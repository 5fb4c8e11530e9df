//! The examples of the README compile; keep both the same.

use mcp_agent::{Agent, model::ChatModel, toolbox::McpToolset};
use mcp_client::{
    Client,
    protocol::{method::Method, tools::ListTools},
    transport::{Connect, stdio::ChildCommand},
};
use serde_json::json;

#[expect(dead_code, reason = "compiled, not run: it needs servers and a model")]
async fn examples(model: impl ChatModel + 'static) -> Result<(), Box<dyn std::error::Error>> {
    let page = ListTools::decode(br#"{"tools":[{"name":"add","inputSchema":{"type":"object"}}]}"#)?;

    let transport = ChildCommand::new("uvx").arg("mcp-server-time").connect().await?;

    let time = Client::stdio("uvx").arg("mcp-server-time").connect().await?;
    let now = time.call_tool("get_current_time", json!({"timezone": "Asia/Tokyo"})).await?;

    let tools = McpToolset::of_clients([("time".to_owned(), time)]).await;
    let finished =
        Agent::builder(model).tools(tools).build().run("What time is it in Tokyo?").await?;
    drop((page, transport, now, finished));
    Ok(())
}
