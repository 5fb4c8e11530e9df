use serde_json::json;

use super::*;
use crate::{
    Secret,
    oauth::{
        Authorizer, OAuth, TokenError,
        test_server::{Answer, Posted, TestServer, tokens},
    },
};

const EXCHANGED: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// The same server plays the provider, at another path.
async fn start(issued: &'static str, metadata: serde_json::Value) -> (TestServer, Authorizer) {
    let answer = move |posted: &Posted| -> Answer {
        match posted.path.as_str() {
            "/idp" => {
                let jag = json!({"access_token": "jag", "issued_token_type": issued,
                    "token_type": "N_A", "expires_in": 300});
                (200, jag)
            }
            _ => tokens("at"),
        }
    };
    let server = TestServer::start(metadata, answer).await;
    let provider = IdentityProvider::new(
        "https://idp.example",
        format!("{}/idp", server.origin),
        ClientCredentials::public("idp-client"),
    );
    let id_token = AssertionSource::callback(|| async { Ok(Secret::new("id")) });
    let auth = OAuth::with(EnterpriseManaged::new(provider, id_token))
        .client_at(&server.origin, ClientCredentials::secret("me", "s"))
        .at(&server.url())
        .unwrap();
    (server, auth)
}

// covers: auth-enterprise
#[tokio::test]
async fn the_sign_on_becomes_a_grant_and_the_grant_a_token() {
    let (server, auth) = start(EXCHANGED, json!({})).await;
    assert_eq!(auth.login().await.unwrap().access_token.reveal(), "at");
    let [exchange, redeem] = &server.posted()[..] else { panic!("two requests") };
    assert_eq!(exchange.path, "/idp");
    let form = &exchange.form;
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:token-exchange");
    assert_eq!(form["requested_token_type"], EXCHANGED);
    assert_eq!(form["audience"], server.origin);
    assert_eq!(form["resource"], server.url());
    assert_eq!(form["subject_token"], "id");
    assert_eq!(form["subject_token_type"], "urn:ietf:params:oauth:token-type:id_token");
    assert_eq!(form["client_id"], "idp-client");
    assert_eq!(redeem.path, "/token");
    assert_eq!(redeem.form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    assert_eq!(redeem.form["assertion"], "jag");
    assert_eq!(redeem.headers["authorization"], "Basic bWU6cw==");
}

#[tokio::test]
async fn another_kind_of_token_is_not_passed_on() {
    let (server, auth) = start("urn:ietf:params:oauth:token-type:access_token", json!({})).await;
    let error = auth.login().await.unwrap_err();
    assert!(matches!(error, OAuthError::Token(TokenError::UnknownTokenType(_))), "{error:?}");
    assert_eq!(server.posted().len(), 1);
}

#[tokio::test]
async fn a_server_that_takes_no_such_grant_hears_nothing() {
    let metadata = json!({"grant_types_supported": ["authorization_code"]});
    let (server, auth) = start(EXCHANGED, metadata).await;
    let error = auth.login().await.unwrap_err();
    assert!(matches!(error, OAuthError::NotOffered { .. }), "{error:?}");
    assert!(server.posted().is_empty());
}
