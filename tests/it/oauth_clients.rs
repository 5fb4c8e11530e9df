//! Who a client is to an authorization server: registered, described by a document, configured.

#![expect(clippy::unwrap_used, reason = "the steps that several tests share fail like a test")]

use std::{path::Path, sync::Arc};

use mcp_client::{
    Hub, HubOptions,
    oauth::{ClientIdMetadata, MemoryTokenStore, OAuthError, ResponseError, SigningKey},
};
use mcp_tests::protected_server::ProtectedServer;
use serde_json::json;

use crate::oauth::{cause, connect, pasted};

// covers: auth-registration
#[tokio::test]
async fn a_registration_that_is_not_liked_is_tried_with_less_and_in_another_way() {
    let server = ProtectedServer::start().await.unwrap();
    {
        let mut world = server.world();
        world.registers_only = Some("client_secret_basic");
        world.more_metadata = json!({
            "token_endpoint_auth_methods_supported": ["none", "client_secret_basic"],
        });
    }
    connect(&server, pasted()).await.unwrap().close().await;
    {
        let world = server.world();
        let tried: Vec<_> = world
            .registrations
            .iter()
            .map(|client| (client["token_endpoint_auth_method"].as_str(), client["scope"].as_str()))
            .collect();
        let (none, basic) = (Some("none"), Some("client_secret_basic"));
        assert_eq!(tried, [(none, Some("tools")), (none, None), (basic, None)]);
    }

    server.world().registers_only = Some("private_key_jwt");
    let failure = connect(&server, pasted()).await.unwrap_err();
    let refused = cause(&failure);
    assert!(matches!(refused, OAuthError::RegistrationRefused { .. }), "{refused:?}");
    assert_eq!(server.world().registrations.len(), 6, "and then it is given up");
}

// covers: auth-registration
#[tokio::test]
async fn a_document_about_a_client_that_signs() {
    const URL: &str = "https://app.example/client.json";
    let key = || SigningKey::from_pem(KEY).unwrap().key_id("k1");
    let document = serde_json::to_value(ClientIdMetadata::new(URL, "App").signed_by(&key()));
    let document = document.unwrap();
    assert_eq!(document["token_endpoint_auth_method"], "private_key_jwt");
    let public = &document["jwks"]["keys"][0];
    assert_eq!((&public["kid"], &public["alg"]), (&json!("k1"), &json!("ES256")));
    assert!(public["d"].is_null(), "the private half stays here");

    let server = ProtectedServer::start().await.unwrap();
    server.world().more_metadata = json!({
        "client_id_metadata_document_supported": true,
        "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
    });
    let oauth = || pasted().client_id_metadata_signed(URL, key());
    connect(&server, oauth()).await.unwrap().close().await;
    {
        let world = server.world();
        assert_eq!(world.authorizations[0]["client_id"], URL);
        let form = &world.token_requests[0];
        assert!(form["client_assertion_type"].ends_with(":jwt-bearer"));
        assert_eq!(form["client_assertion"].split('.').count(), 3);
        assert!(world.registrations.is_empty());
    }

    // Where signatures are not taken, the client is registered instead.
    server.world().more_metadata = json!({"client_id_metadata_document_supported": true});
    connect(&server, oauth()).await.unwrap().close().await;
    let world = server.world();
    assert_eq!(world.authorizations[1]["client_id"], "registered");
    assert!(!world.token_requests[1].contains_key("client_assertion"));
}

/// On P-256, made for this test.
const KEY: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg/uKblbpkA7Ss6Hbo
uglioiiHwhgkK0VevnZVdgzTZqqhRANCAATuhu+m+PQ+GaylpHUIXSjvpdfbr6Ys
szRN09a9zIFJCOx+qJrHgZh4JULGih3l0ykyCxJpdxuS9A8crrk6iJYq
-----END PRIVATE KEY-----";

/// Access with a document that the server says it takes, and does not.
async fn refused_document(
    refuse: impl Fn(&mut mcp_tests::protected_server::World),
) -> ProtectedServer {
    const URL: &str = "https://app.example/client.json";
    let server = ProtectedServer::start().await.unwrap();
    {
        let mut world = server.world();
        world.more_metadata = json!({"client_id_metadata_document_supported": true});
        refuse(&mut world);
    }
    let store = Arc::new(MemoryTokenStore::new());
    let oauth = || pasted().client_id_metadata(URL).shared_store(Arc::clone(&store) as _);
    connect(&server, oauth()).await.unwrap().close().await;
    assert_eq!(server.world().authorizations[0]["client_id"], URL);

    // The next process does not try it again, as long as it knows the registration.
    server.world().access_token = None;
    server.world().refresh_token = None;
    connect(&server, oauth()).await.unwrap().close().await;
    {
        let world = server.world();
        let ids: Vec<_> = world.authorizations.iter().map(|one| &*one["client_id"]).collect();
        assert_eq!(ids, [URL, "registered", "registered"]);
        assert_eq!(world.registrations.len(), 1);
    }
    server
}

// covers: auth-registration
#[tokio::test]
async fn a_document_that_is_refused_is_replaced_by_a_registration() {
    for code in ["invalid_client", "unauthorized_client", "invalid_client_metadata"] {
        refused_document(|world| world.document_error = Some(code)).await;
    }
    let server =
        refused_document(|world| world.document_token_error = Some("invalid_client")).await;
    assert_eq!(server.world().token_requests[0]["client_id"], "https://app.example/client.json");
    assert_eq!(server.world().token_requests[1]["client_id"], "registered");
}

// covers: auth-registration
#[tokio::test]
async fn a_document_is_not_replaced_where_nobody_registers_or_the_person_says_no() {
    let server = ProtectedServer::start().await.unwrap();
    server.world().document_error = Some("invalid_client");
    let oauth = || pasted().client_id_metadata("https://app.example/client.json");
    let documents = json!({"client_id_metadata_document_supported": true});
    server.world().more_metadata = documents.clone();
    server.world().more_metadata["registration_endpoint"] = json!(null);
    let failure = connect(&server, oauth()).await.unwrap_err();
    let error = cause(&failure);
    assert!(matches!(error, OAuthError::Response(ResponseError::Refused { .. })), "{error:?}");
    assert_eq!(server.world().authorizations.len(), 1);

    server.world().more_metadata = documents;
    server.world().refuses = true;
    let failure = connect(&server, oauth()).await.unwrap_err();
    let error = cause(&failure);
    assert!(matches!(error, OAuthError::Response(ResponseError::Refused { .. })), "{error:?}");
    assert_eq!(server.world().authorizations.len(), 2, "nobody is asked again");
    assert!(server.world().registrations.is_empty());
}

// covers: auth-config
#[tokio::test]
async fn what_a_file_says_of_the_login_is_used() {
    let server = ProtectedServer::start().await.unwrap();
    let text = json!({"mcpServers": {"mail": {"url": server.url(), "oauth": {
        "clientId": "mine", "clientSecret": "${SECRET}", "scopes": ["read", "write"],
        "allowPrivateAddresses": true,
        "authServerMetadataUrl": format!("{}/elsewhere", server.issuer()),
    }}}});
    let lookup = |name: &str| (name == "SECRET").then(|| "hush".to_owned());
    let file = mcp_client::config::parse(&text.to_string(), Path::new("mcp.json"), &lookup);
    let file = file.unwrap();
    assert!(!format!("{file:?}").contains("hush"));
    assert!(file.servers[0].oauth.as_ref().unwrap().allow_private_addresses);
    let mut options = HubOptions::default();
    options.authorize(|_| Some(pasted()));
    let hub = Hub::start(file.servers, &options);
    let client = hub.server("mail").unwrap().client().await.unwrap();
    client.list_tools().await.unwrap();
    hub.close().await;
    let world = server.world();
    assert_eq!(world.authorizations[0]["client_id"], "mine");
    assert_eq!(world.authorizations[0]["scope"], "tools read write", "and what is asked for");
    assert_eq!(world.count("GET /elsewhere"), 1);
    assert_eq!(world.count("GET /.well-known/oauth-authorization-server"), 0);
    assert!(world.registrations.is_empty());
}
