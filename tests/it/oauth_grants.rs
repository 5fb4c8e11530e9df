//! Access for programs: by their own credentials, or by a token that someone else renews.

use futures_util::future::join_all;
use mcp_client::{
    Client, EraChoice,
    oauth::{AssertionSource, ClientCredentials, ClientCredentialsGrant, OAuth},
};
use mcp_tests::protected_server::ProtectedServer;

// covers: auth-client-credentials
#[tokio::test]
async fn a_program_acquires_anew_once_for_all_its_calls() {
    let server = ProtectedServer::start().await.unwrap();
    let oauth = OAuth::with(ClientCredentialsGrant)
        .client_at(server.issuer(), ClientCredentials::secret("nightly", "s"));
    let client =
        Client::http(server.url()).era(EraChoice::Legacy).auth(oauth).connect().await.unwrap();
    // The server takes the token back.
    server.world().access_token = None;
    let results = join_all((0..50).map(|_| async { client.list_tools().await })).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    client.close().await;
    let world = server.world();
    let grants: Vec<_> =
        world.token_requests.iter().map(|form| form["grant_type"].as_str()).collect();
    assert_eq!(
        grants, ["client_credentials"; 2],
        "never a refresh, though there is a token for it"
    );
    assert!(world.authorizations.is_empty());
    assert_eq!(world.count("POST /register"), 0);
    let declared = &world.initialize.as_ref().unwrap()["capabilities"]["extensions"];
    assert!(declared["io.modelcontextprotocol/oauth-client-credentials"].is_object(), "{declared}");
}

// covers: auth-static
#[tokio::test]
async fn a_token_that_is_replaced_in_its_file_is_used_without_a_new_connection() {
    let server = ProtectedServer::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "one").unwrap();
    server.world().access_token = Some("one".to_owned());
    let client = Client::http(server.url())
        .era(EraChoice::Legacy)
        .bearer_from(AssertionSource::file(&file))
        .connect()
        .await
        .unwrap();
    std::fs::write(&file, "two").unwrap();
    server.world().access_token = Some("two".to_owned());
    client.list_tools().await.unwrap();
    server.world().access_token = Some("three".to_owned());
    let error = client.list_tools().await.unwrap_err();
    assert_eq!(error.http_status().map(|status| status.as_u16()), Some(401), "{error}");
    client.close().await;
}
