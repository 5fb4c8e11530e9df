use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use serde_json::json;

use super::*;
use crate::oauth::{
    ClientCredentials, OAuth, SigningKey, TokenErrorCode,
    test_server::{TestServer, refusal, tokens},
};

// covers: auth-client-credentials
#[tokio::test]
async fn a_program_gets_tokens_by_its_secret() {
    let server = TestServer::start(json!({}), |_| tokens("at")).await;
    let auth = OAuth::with(ClientCredentialsGrant)
        .client_at(&server.origin, ClientCredentials::secret("me", "s"))
        .at(&server.url())
        .unwrap();
    let tokens = auth.login().await.unwrap();
    assert_eq!(tokens.access_token.reveal(), "at");
    assert_eq!(tokens.scopes_granted, ["a", "b"]);
    let [posted] = &server.posted()[..] else { panic!("one request") };
    assert_eq!(posted.path, "/token");
    assert_eq!(posted.form["grant_type"], "client_credentials");
    assert_eq!(posted.form["scope"], "a b");
    assert_eq!(posted.form["resource"], server.url());
    assert_eq!(posted.headers["authorization"], "Basic bWU6cw==");
    assert!(!posted.form.contains_key("client_id"));
}

// covers: auth-client-credentials
#[tokio::test]
async fn a_program_gets_tokens_by_its_key() {
    let server = TestServer::start(json!({}), |_| tokens("at")).await;
    let random = SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let key = SigningKey::from_pkcs8(der.as_ref()).unwrap();
    let auth = OAuth::with(ClientCredentialsGrant)
        .client(ClientCredentials::private_key_jwt("me", key))
        .at(&server.url())
        .unwrap();
    auth.login().await.unwrap();
    let [posted] = &server.posted()[..] else { panic!("one request") };
    assert!(posted.form["client_assertion"].starts_with("ey"));
    assert!(!posted.form.contains_key("client_id"), "the assertion names the client");
    assert!(!posted.headers.contains_key("authorization"));
}

#[tokio::test]
async fn a_refusal_is_typed() {
    let server = TestServer::start(json!({}), |_| refusal("invalid_client")).await;
    let auth = OAuth::with(ClientCredentialsGrant)
        .client(ClientCredentials::secret("me", "wrong"))
        .at(&server.url())
        .unwrap();
    let OAuthError::Token(error) = auth.login().await.unwrap_err() else { panic!("a refusal") };
    assert_eq!(error.refusal().unwrap().code, TokenErrorCode::InvalidClient);
}

#[tokio::test]
async fn without_a_client_nothing_is_sent() {
    let registration = json!({"registration_endpoint": "http://127.0.0.1:1/register"});
    let server = TestServer::start(registration, |_| tokens("at")).await;
    let auth = OAuth::with(ClientCredentialsGrant).at(&server.url()).unwrap();
    let error = auth.login().await.unwrap_err();
    assert!(matches!(error, OAuthError::NoClient { .. }), "{error:?}");
    assert!(server.posted().is_empty());
}
