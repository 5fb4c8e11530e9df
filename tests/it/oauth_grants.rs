//! Access for programs: by their own credentials, by a token that someone else renews, or by a person
//! who shows them who they are.

use std::sync::Arc;

use futures_util::future::join_all;
use mcp_client::{
    Client, EraChoice,
    oauth::{
        AssertionSource, AuthorizationCode, ClientCredentials, ClientCredentialsGrant,
        EarlierLogin, MemoryTokenStore, OAuth, OAuthError, Pasted, TokenStore,
    },
};
use mcp_tests::protected_server::ProtectedServer;
use serde_json::json;

use crate::oauth::consent;

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

/// A server that has a person sign in for itself knows who issues tokens, and keeps none.
#[tokio::test]
async fn a_known_issuer_is_asked_for_access_that_is_not_kept() {
    let server = ProtectedServer::start().await.unwrap();
    server.world().more_metadata = json!({"scopes_supported": ["offline_access"]});
    let store = Arc::new(MemoryTokenStore::new());
    let grant = AuthorizationCode::new(Pasted::new(consent)).once();
    let own = "http://127.0.0.1:9/mcp";
    let oauth = OAuth::with(grant)
        .authorization_server(server.issuer())
        .client_at(server.issuer(), ClientCredentials::public("known"))
        .scopes(["openid"])
        .shared_store(Arc::clone(&store) as Arc<dyn TokenStore>);
    let tokens = oauth.at(own).unwrap().login().await.unwrap();
    assert_eq!((&*tokens.issuer, &*tokens.resource), (server.issuer(), own));
    assert_eq!(tokens.refresh_token, None);
    {
        let world = server.world();
        assert_eq!((world.count("POST /mcp"), world.count("GET /metadata")), (0, 0));
        let query = &world.authorizations[0];
        assert_eq!((&*query["resource"], &*query["scope"]), (own, "openid"));
        assert_eq!(query.get("prompt"), None);
    }
    let kept = OAuth::with(EarlierLogin).shared_store(store).at(own).unwrap();
    assert_eq!(kept.tokens().await.unwrap(), None);
    // It is that issuer, or none.
    let other = OAuth::with(AuthorizationCode::new(Pasted::new(consent)))
        .authorization_server(server.issuer().replace("127.0.0.1", "localhost"))
        .at(own)
        .unwrap();
    let error = other.login().await.unwrap_err();
    assert!(matches!(error, OAuthError::IssuerMismatch { .. }), "{error:?}");
}
