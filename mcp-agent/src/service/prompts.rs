//! `/mcp/prompts`

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use mcp_protocol::prompts::GetPromptResult;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Service, listing::Which, problem::Problem, read_json};

pub(super) async fn list(
    State(service): State<Service>,
    which: Which,
) -> Result<Json<Value>, Problem> {
    let list = |client: mcp_client::Client| async move {
        if client.server().capabilities.prompts.is_none() {
            return Ok(mcp_client::Listing::default());
        }
        client.list_prompts().await
    };
    let listed = service.list(which, list).await?;
    Ok(Json(json!({"prompts": listed.items, "problems": listed.problems})))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Get {
    server_name: String,
    prompt_name: String,
    #[serde(default)]
    arguments: BTreeMap<String, String>,
}

pub(super) async fn get(
    State(service): State<Service>,
    read_json::Json(get): read_json::Json<Get>,
) -> Result<Json<GetPromptResult>, Problem> {
    let server = service.server(&get.server_name)?;
    let Get { prompt_name, arguments, .. } = &get;
    let prompt = server
        .call(|client| async move {
            let request = client.get_prompt(prompt_name);
            arguments
                .iter()
                .fold(request, |request, (name, value)| request.argument(name, value))
                .await
        })
        .await?;
    Ok(Json(prompt))
}
