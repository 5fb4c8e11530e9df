//! Connections, and who may have them.

use std::time::Duration;

use mcp_agent::{
    Agent,
    layers::{AuditLog, RetryRules, audit},
    stack::StackOptions,
    store::{SqliteStore, Store as _, StoreKey},
    toolbox::McpToolset,
};
use mcp_client::{
    Client, EraChoice, Hub, HubOptions, StateKind, Validate,
    config::AllowList,
    oauth::{AssertionSource, ClientCredentials, ClientCredentialsGrant, OAuth},
    transport::http::TlsConfig,
};
use mcp_tests::{protected_server::ProtectedServer, tls_front::TlsFront};
use serde_json::json;

use super::{Tried, database, http, queries};

#[tokio::test]
async fn limits_and_a_key() -> Tried {
    let (server, key) = (database().await, "k-1");
    let url = server.url();
    // guide: settings
    let client = Client::http(url)
        .header("X-API-Key", key)
        .connect_timeout(Duration::from_secs(10))
        .call_timeout(Duration::from_secs(30))
        .configure(|http| http.max_connections(10))
        .connect()
        .await?;
    let retries = RetryRules::default().max_attempts(3).first_wait(Duration::from_secs(1));
    let tools = McpToolset::of_clients([("database".to_owned(), client)])
        .await
        .layers(&StackOptions::default().retry(retries));
    // end
    assert_eq!(tools.tools().len(), 1);
    Ok(())
}

#[tokio::test]
async fn certificates() -> Tried {
    let server = database().await;
    let front = TlsFront::start(server.url()).await?;
    let url = front.url();
    let (ca, chain, key) = (front.authority(), front.client_certificate(), front.client_key());
    // guide: certificates
    let tls = TlsConfig::new().root_pem(ca).identity_pem(chain, key);
    let client = Client::http(url).configure(|http| http.tls(tls)).connect().await?;
    // end
    assert_eq!(client.list_tools().await?.items.len(), 1);
    let nobody = TlsConfig::new().root_pem(front.authority());
    let refused = Client::http(url).configure(|http| http.tls(nobody)).connect().await;
    refused.unwrap_err();
    Ok(())
}

#[tokio::test]
async fn credentials() -> Tried {
    let server = ProtectedServer::start().await?;
    let (url, issuer, id, secret) = (server.url(), server.issuer(), "nightly", "s");
    // guide: credentials
    let auth = OAuth::with(ClientCredentialsGrant)
        .client_at(issuer, ClientCredentials::secret(id, secret))
        .scopes(["read:data", "write:data"]);
    let client = Client::http(url).auth(auth).era(EraChoice::Legacy).connect().await?;
    // end
    server.world().access_token = None;
    assert_eq!(client.list_tools().await?.items.len(), 1);
    let world = server.world();
    assert_eq!(world.token_requests.len(), 2);
    let asked = world.token_requests.iter().map(|form| form["scope"].as_str());
    let all = asked.filter(|scopes| scopes.ends_with("read:data write:data"));
    assert_eq!(all.count(), 2, "{:?}", world.token_requests);
    Ok(())
}

#[tokio::test]
async fn tokens_that_others_renew() -> Tried {
    let server = database().await;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("token");
    std::fs::write(&path, "t-1")?;
    let url = server.url();
    // guide: token-file
    let client = Client::http(url).bearer_from(AssertionSource::file(path)).connect().await?;
    // end
    assert_eq!(client.list_tools().await?.items.len(), 1);
    Ok(())
}

#[tokio::test]
async fn allowed_servers() -> Tried {
    let servers = vec![http("stranger", "https://other.example/mcp")];
    // guide: allowed
    let mut options = HubOptions::default();
    let list = json!({"urls": ["https://trusted-mcp.example.com/*"]});
    options.allowed = Some(serde_json::from_value::<AllowList>(list)?);
    let hub = Hub::start(servers, &options);
    // end
    hub.ready().await;
    assert_eq!(hub.status()[0].state.kind(), StateKind::Refused);
    hub.close().await;
    Ok(())
}

#[tokio::test]
async fn checked_by_schema() -> Tried {
    let server = database().await;
    let client = Client::http(server.url()).connect().await?;
    // guide: validate
    let asked = client.call_tool("query", json!({"sql": 7})).validate(Validate::Both).await;
    // end
    asked.unwrap_err();
    Ok(())
}

#[tokio::test]
async fn sealed_and_signed() -> Tried {
    let server = database().await;
    let client = Client::http(server.url()).connect().await?;
    let model = queries("Ada came three times.");
    let folder = tempfile::tempdir()?;
    let (file, record, key) =
        (folder.path().join("chats"), folder.path().join("calls.jsonl"), folder.path().join("key"));
    let (file, record, key) = (file.as_path(), record.as_path(), key.as_path());
    // guide: at-rest
    let store = SqliteStore::open(file, StoreKey::of_file(key)?)?;
    let audited = StackOptions::default().audit(AuditLog::open(record)?);
    let tools = McpToolset::of_clients([("database".to_owned(), client)]).await.layers(&audited);
    let agent = Agent::builder(model).tools(tools).journal(store.clone()).build();
    agent.run("Who came?").await?;

    let last = &store.list().await?[0];
    let kept = store.load(&last.id, None).await?;
    let calls = audit::verify(record)?;
    println!("{} messages, {} calls", kept.transcript().entries().len(), calls.lines);
    // end
    assert_eq!(calls.lines, 1);
    assert!(!String::from_utf8_lossy(&std::fs::read(file)?).contains("Who came?"));
    let other = StoreKey::of_file(&folder.path().join("other"))?;
    SqliteStore::open(file, other)?.load(&last.id, None).await.unwrap_err();
    Ok(())
}
