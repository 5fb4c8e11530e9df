//! `/mcp/tools`

use axum::{Json, extract::State};
use mcp_protocol::{raw::RawJson, tools::CallToolResult};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Service, listing::Which, problem::Problem, read_json};

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
    let arguments = RawJson::from(Value::Object(call.arguments));
    Ok(Json(server.call_tool(&call.tool_name, &arguments).await?))
}
