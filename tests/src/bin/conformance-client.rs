//! The adapter that the official conformance suite runs as the client under test.
//!
//! The suite hands over a URL (last argument), the scenario's name and its revision. The name
//! chooses which public calls to make; how they behave is the business of the crates.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use mcp_client::{
    Client, EraChoice, Secret, Skills,
    oauth::{
        AssertionSource, ClientCredentials, ClientCredentialsGrant, EnterpriseManaged,
        IdentityProvider, OAuth, SigningKey, WorkloadIdentity,
    },
    protocol::{elicitation::ElicitResult, object::Object},
    transport::{
        error::BoxError,
        http::{HttpClient, PlainLimits},
    },
};
use serde_json::{Value, json};
use url::Url;

/// The suite kills only the shell that started us, so a hang must end by itself.
const WATCHDOG: Duration = Duration::from_secs(25);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match tokio::time::timeout(WATCHDOG, run()).await {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
        Err(_) => {
            complain("the scenario hangs");
            ExitCode::from(124)
        }
    }
}

#[expect(clippy::print_stderr, reason = "the suite keeps it beside the scenario's checks")]
fn complain(text: &str) {
    eprintln!("{text}");
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

async fn run() -> Result<()> {
    let url = std::env::args().next_back().context("the suite passes the server's URL")?;
    let scenario = variable("MCP_CONFORMANCE_SCENARIO").context("no scenario")?;
    let era = match variable("MCP_CONFORMANCE_ERA").as_deref() {
        Some("auto") => EraChoice::Auto,
        Some(other) => bail!("unknown era `{other}`"),
        None => match variable("MCP_CONFORMANCE_PROTOCOL_VERSION").as_deref() {
            Some("2026-07-28") => EraChoice::Modern,
            _ => EraChoice::Legacy,
        },
    };
    let context: Value = match variable("MCP_CONFORMANCE_CONTEXT") {
        Some(text) => serde_json::from_str(&text).context("the suite's context")?,
        None => Value::Null,
    };
    let mut client = Client::http(url);
    if scenario.starts_with("auth/") {
        client = client.auth(oauth(&scenario, &context)?);
    }
    if scenario.starts_with("sep-2640-") {
        client = client.extension(Skills);
    }
    let client = client
        .name("conformance-client", env!("CARGO_PKG_VERSION"))
        .era(era)
        // A person who accepts without filling in anything: the schema's defaults apply.
        .on_elicitation(|_, _| async { Ok(ElicitResult::accept(Object::new())) })
        .connect()
        .await?;
    act(&client, &scenario, &context).await?;
    client.close().await;
    Ok(())
}

/// Where the suite expects the document about the client to be.
const CLIENT_METADATA: &str = "https://conformance-test.local/client-metadata.json";

/// How to get access with what the suite provides: by a program's own credentials, by the word of
/// a platform or of an identity provider, or by a person without a browser who consents at once.
fn oauth(scenario: &str, context: &Value) -> Result<OAuth> {
    let get = |name: &str| context[name].as_str();
    let client = match (get("client_id"), get("client_secret"), get("private_key_pem")) {
        (Some(id), _, Some(pem)) => {
            Some(ClientCredentials::private_key_jwt(id, SigningKey::from_pem(pem)?))
        }
        (Some(id), Some(secret), None) => Some(ClientCredentials::secret(id, secret)),
        (Some(id), None, None) => Some(ClientCredentials::public(id)),
        (None, ..) => None,
    };
    let auth = if let Some(jwt) = get("valid_jwt") {
        OAuth::with(WorkloadIdentity::new(handed_over(jwt)))
    } else if let (Some(issuer), Some(endpoint), Some(id), Some(token)) =
        (get("idp_issuer"), get("idp_token_endpoint"), get("idp_client_id"), get("idp_id_token"))
    {
        let provider = IdentityProvider::new(issuer, endpoint, ClientCredentials::public(id));
        OAuth::with(EnterpriseManaged::new(provider, handed_over(token)))
    } else if scenario.starts_with("auth/client-credentials-") {
        OAuth::with(ClientCredentialsGrant)
    } else {
        OAuth::pasted(consent).client_id_metadata(CLIENT_METADATA)
    };
    Ok(match client {
        Some(client) => auth.client(client),
        None => auth,
    })
}

/// An assertion that the suite made.
fn handed_over(assertion: &str) -> AssertionSource {
    let assertion = Secret::new(assertion);
    AssertionSource::callback(move || std::future::ready(Ok(assertion.clone())))
}

/// Opens an authorization URL and gives back where it redirects to.
async fn consent(url: Url) -> Result<String, BoxError> {
    let request = http::Request::get(url.as_str()).body(Bytes::new())?;
    let answer = HttpClient::new().send(request, PlainLimits::default()).await?;
    let location = answer.headers.get(http::header::LOCATION);
    let location = location.ok_or_else(|| format!("no redirect but HTTP {}", answer.status))?;
    Ok(location.to_str()?.to_owned())
}

async fn act(client: &Client, scenario: &str, context: &Value) -> Result<()> {
    match scenario {
        "initialize" | "request-metadata" | "json-schema-ref-no-deref" => {
            client.list_tools().await?;
        }
        "tools_call" => {
            client.list_tools().await?;
            client.call_tool("add_numbers", json!({"a": 5, "b": 3})).await?;
        }
        "elicitation-sep1034-client-defaults" => {
            client.call_tool("test_client_elicitation_defaults", json!({})).await?;
        }
        "sse-retry" => {
            client.list_tools().await?;
            client.call_tool("test_reconnection", json!({})).await?;
        }
        "http-standard-headers" => {
            for tool in client.list_tools().await?.items {
                client.call_tool(tool.name, json!({})).await?;
            }
            for resource in client.list_resources().await?.items {
                client.read_resource(resource.uri).await?;
            }
            for prompt in client.list_prompts().await?.items {
                client.get_prompt(prompt.name).await?;
            }
        }
        "http-custom-headers" => {
            client.list_tools().await?;
            let calls = context["toolCalls"].as_array().context("no tool calls in the context")?;
            for call in calls {
                let name = call["name"].as_str().context("a tool call without a name")?;
                client.call_tool(name, &call["arguments"]).await?;
            }
        }
        "http-invalid-tool-headers" => {
            for tool in client.list_tools().await?.items {
                client.call_tool(tool.name, json!({"region": "us-west1"})).await?;
            }
        }
        "json-schema-2020-12-preservation" => {
            let tools = client.list_tools().await?.items;
            let focal = tools
                .iter()
                .find(|tool| tool.name != "json_schema_echo")
                .context("only the echo tool is listed")?;
            let schema = &focal.input_schema;
            client.call_tool("json_schema_echo", json!({"schema": schema})).await?;
        }
        "sep-2322-client-request-state" => {
            for tool in client.list_tools().await?.items {
                client.call_tool(tool.name, json!({})).await?;
            }
        }
        "sep-2640-client-no-prefetch" => {
            client.skills()?.list().await?;
        }
        verify if verify.starts_with("sep-2640-client-verify-") => {
            let skills = client.skills()?;
            for entry in skills.list().await?.items {
                let skill = skills.load(entry).await?;
                skill.read("references/FORMS.md").await?;
            }
        }
        auth if auth.starts_with("auth/") => {
            for tool in client.list_tools().await?.items {
                client.call_tool(tool.name, json!({})).await?;
            }
        }
        other => bail!("this adapter does not know the scenario `{other}`"),
    }
    Ok(())
}
