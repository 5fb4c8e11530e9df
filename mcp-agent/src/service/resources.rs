//! `/mcp/resources`

use std::sync::Arc;

use axum::{Json, extract::State};
use mcp_protocol::resources::ReadResourceResult;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Service, listing::Which, problem::Problem, read_json};
use crate::caller::{Answer, Call, Caller as _, Operation};

pub(super) async fn list(
    State(service): State<Service>,
    which: Which,
) -> Result<Json<Value>, Problem> {
    let list = |client: mcp_client::Client| async move {
        if client.server().capabilities.resources.is_none() {
            return Ok(mcp_client::Listing::default());
        }
        client.list_resources().await
    };
    let listed = service.list(which, list).await?;
    Ok(Json(json!({"resources": listed.items, "problems": listed.problems})))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Read {
    server_name: String,
    uri: String,
}

pub(super) async fn read(
    State(service): State<Service>,
    read_json::Json(Read { server_name, uri }): read_json::Json<Read>,
) -> Result<Json<ReadResourceResult>, Problem> {
    service.server(&server_name)?;
    let read = Call::new(server_name, Operation::ReadResource { uri: uri.into() });
    match service.stack().call(read).await?.answer {
        Answer::Resource(result) => Ok(Json(Arc::unwrap_or_clone(result))),
        _ => Err(Problem::another_answer()),
    }
}
