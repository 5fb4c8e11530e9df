use serde_json::json;

use super::*;
use crate::oauth::{
    ClientCredentials, OAuth, TokenErrorCode,
    test_server::{Posted, TestServer, refusal, tokens},
};

// covers: auth-workload
#[tokio::test]
async fn what_was_refused_is_not_shown_again() {
    let answer = |posted: &Posted| match posted.form["assertion"].as_str() {
        "good" => tokens("at"),
        _ => refusal("invalid_grant"),
    };
    let server = TestServer::start(json!({}), answer).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let auth = OAuth::with(WorkloadIdentity::new(AssertionSource::file(&file)))
        .client_at(&server.origin, ClientCredentials::public("me"))
        .at(&server.url())
        .unwrap();

    std::fs::write(&file, "expired\n").unwrap();
    for _ in 0..2 {
        let OAuthError::Token(error) = auth.login().await.unwrap_err() else { panic!("a refusal") };
        assert_eq!(error.refusal().unwrap().code, TokenErrorCode::InvalidGrant);
    }
    assert_eq!(server.posted().len(), 1, "the second time nothing is asked");

    std::fs::write(&file, "good").unwrap();
    assert_eq!(auth.login().await.unwrap().access_token.reveal(), "at");
    let posted = server.posted().pop().unwrap();
    assert_eq!(posted.form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    assert_eq!(posted.form["client_id"], "me");
    assert_eq!(posted.form["resource"], server.url());
}
