use serde_json::{Value, json};

use super::*;
use crate::{
    Secret,
    oauth::{
        Authorizer, ClientCredentials, OAuth, TokenError, TokenErrorCode,
        test_server::{Answer, TestServer, refusal, tokens},
    },
};

fn says(token: &'static str) -> AssertionSource {
    AssertionSource::callback(move || async move { Ok(Secret::new(token)) })
}

async fn start(
    grant: TokenExchange,
    metadata: Value,
    answer: fn() -> Answer,
) -> (TestServer, Authorizer) {
    let server = TestServer::start(metadata, move |_| answer()).await;
    let auth = OAuth::with(grant)
        .client_at(&server.origin, ClientCredentials::secret("gateway", "s"))
        .at(&server.url())
        .unwrap();
    (server, auth)
}

#[tokio::test]
async fn the_token_that_was_shown_becomes_another() {
    let grant = TokenExchange::new(says("of-ada")).audience("mail");
    let (server, auth) = start(grant, json!({}), || tokens("for-mail")).await;
    let tokens = auth.login().await.unwrap();
    assert_eq!(tokens.access_token.reveal(), "for-mail");
    assert_eq!(tokens.refresh_token, None);
    let [posted] = &server.posted()[..] else { panic!("one request") };
    let form = &posted.form;
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:token-exchange");
    assert_eq!(form["subject_token"], "of-ada");
    assert_eq!(form["subject_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    assert_eq!(form["audience"], "mail");
    assert_eq!(form["resource"], server.url());
    assert!(!form.contains_key("scope"), "what the server lists was configured by nobody");
    assert!(!form.contains_key("actor_token") && !form.contains_key("requested_token_type"));
    assert_eq!(posted.headers["authorization"], "Basic Z2F0ZXdheTpz");
}

#[tokio::test]
async fn all_that_the_exchange_knows_can_be_said() {
    let grant = TokenExchange::new(says("of-ada"))
        .subject_token(SubjectToken::Jwt)
        .actor(says("of-us"), SubjectToken::AccessToken)
        .resource("https://mail.example/")
        .requested_token(IssuedToken::Jwt);
    let (server, auth) = start(grant, json!({}), || tokens("for-mail")).await;
    auth.login().await.unwrap();
    let form = &server.posted()[0].form;
    assert_eq!(form["subject_token_type"], "urn:ietf:params:oauth:token-type:jwt");
    assert_eq!(form["actor_token"], "of-us");
    assert_eq!(form["actor_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    assert_eq!(form["resource"], "https://mail.example/");
    assert_eq!(form["requested_token_type"], "urn:ietf:params:oauth:token-type:jwt");
    assert!(!form.contains_key("audience"));
}

#[tokio::test]
async fn a_refusal_says_so_and_shows_no_token() {
    let grant = TokenExchange::new(says("of-ada"));
    let (_server, auth) = start(grant, json!({}), || refusal("invalid_target")).await;
    let error = auth.login().await.unwrap_err();
    let OAuthError::Token(TokenError::Refused(refusal)) = &error else { panic!("{error:?}") };
    assert_eq!(refusal.code, TokenErrorCode::of("invalid_target"));
    assert!(!format!("{error:?} {error} {auth:?}").contains("of-ada"));
}

#[tokio::test]
async fn what_is_no_access_token_is_not_shown_to_the_server() {
    let issued: fn() -> Answer = || {
        let kind = "urn:ietf:params:oauth:token-type:id_token";
        (200, json!({"access_token": "x", "token_type": "N_A", "issued_token_type": kind}))
    };
    let called_bearer: fn() -> Answer = || {
        let kind = "urn:ietf:params:oauth:token-type:id_token";
        (200, json!({"access_token": "x", "token_type": "Bearer", "issued_token_type": kind}))
    };
    for answer in [issued, called_bearer] {
        let (_server, auth) = start(TokenExchange::new(says("of-ada")), json!({}), answer).await;
        let error = auth.login().await.unwrap_err();
        assert!(matches!(error, OAuthError::Token(TokenError::UnknownTokenType(_))), "{error:?}");
    }
}

#[tokio::test]
async fn a_token_that_is_given_back_is_not_shown_to_the_server() {
    let grant = TokenExchange::new(says("of-ada"));
    let (_server, auth) = start(grant, json!({}), || tokens("of-ada")).await;
    let error = auth.login().await.unwrap_err();
    assert!(matches!(error, OAuthError::NotExchanged { .. }), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("of-ada"));
}

#[tokio::test]
async fn a_server_that_exchanges_nothing_sees_no_token() {
    let metadata = json!({"grant_types_supported": ["authorization_code"]});
    let grant = TokenExchange::new(says("of-ada"));
    let (server, auth) = start(grant, metadata, || tokens("for-mail")).await;
    let error = auth.login().await.unwrap_err();
    assert!(matches!(error, OAuthError::NotOffered { .. }), "{error:?}");
    assert!(server.posted().is_empty());
}
