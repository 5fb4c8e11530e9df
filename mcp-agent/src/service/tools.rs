//! `/mcp/tools`

use axum::{Json, extract::State};
use mcp_protocol::tools::CallToolResult;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Service, listing::Which, problem::Problem, read_json};
use crate::caller::{self, Caller as _, ToolHints};

pub(super) async fn list(
    State(service): State<Service>,
    which: Which,
) -> Result<Json<Value>, Problem> {
    let list = |client: mcp_client::Client| async move {
        // A server without tools may refuse to list them.
        if client.server().capabilities.tools.is_none() {
            return Ok(mcp_client::Listing::default());
        }
        client.list_tools().await
    };
    let listed = service.list(which, list).await?;
    Ok(Json(json!({"tools": listed.items, "problems": listed.problems})))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Call {
    server_name: String,
    tool_name: String,
    #[serde(default)]
    arguments: Map<String, Value>,
}

/// Calls a tool. A result with `isError` is a result. When the client goes away, the server is told
/// to stop.
pub(super) async fn call(
    State(service): State<Service>,
    read_json::Json(call): read_json::Json<Call>,
) -> Result<Json<CallToolResult>, Problem> {
    let server = service.server(&call.server_name)?;
    let called = caller::Call::tool(call.server_name, call.tool_name.as_str(), call.arguments)
        .hints(known_hints(&server, &call.tool_name));
    let reply = service.stack().call(called).await?;
    reply.into_tool().map(Json).ok_or_else(Problem::another_answer)
}

/// What the server said of the tool when it was last asked, if it was.
fn known_hints(server: &mcp_client::Server, name: &str) -> ToolHints {
    let listing = server.catalog().tools.listing;
    let tool = listing.items.iter().find(|tool| tool.name == name);
    tool.and_then(|tool| tool.annotations.as_ref()).map(ToolHints::from).unwrap_or_default()
}
