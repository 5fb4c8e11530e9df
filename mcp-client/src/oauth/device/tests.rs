use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};

use super::*;
use crate::oauth::{
    Authorizer, ClientCredentials, OAuth,
    test_server::{Answer, Posted, TestServer, refusal, tokens},
};

/// A server whose token endpoint gives these answers in turn, and what was shown to the person.
async fn start(
    device: Value,
    answers: Vec<Answer>,
) -> (TestServer, Authorizer, Arc<Mutex<Vec<DeviceCode>>>) {
    let next = AtomicUsize::new(0);
    let server = TestServer::start(json!({}), move |posted: &Posted| match posted.path.as_str() {
        "/device" => (200, device.clone()),
        _ => answers[next.fetch_add(1, Ordering::SeqCst)].clone(),
    })
    .await;
    let shown = Arc::<Mutex<Vec<DeviceCode>>>::default();
    let screen = Arc::clone(&shown);
    let show = move |code| {
        screen.lock().unwrap().push(code);
        async { Ok(()) }
    };
    let auth = OAuth::with(Device::new(show))
        .client_at(&server.origin, ClientCredentials::public("tv"))
        .at(&server.url())
        .unwrap();
    (server, auth, shown)
}

fn device(expires_in: u64, uri: &str) -> Value {
    json!({"device_code": "dc", "user_code": "WDJB-MJHT", "verification_uri": uri,
        "verification_uri_complete": "https://as.example/device?user_code=WDJB-MJHT",
        "expires_in": expires_in, "interval": 1})
}

const PAGE: &str = "https://as.example/device";

// covers: auth-device
#[tokio::test(start_paused = true)]
async fn a_code_is_shown_and_its_outcome_waited_for() {
    let answers = vec![refusal("authorization_pending"), refusal("slow_down"), tokens("at")];
    let (server, auth, shown) = start(device(600, PAGE), answers).await;
    let began = Instant::now();
    let tokens = auth.login().await.unwrap();
    // 1, 1, then 5 more after `slow_down`.
    assert!(began.elapsed() >= Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(tokens.access_token.reveal(), "at");
    assert_eq!(tokens.scopes_granted, ["a", "b"]);
    let [code] = &shown.lock().unwrap()[..] else { panic!("one code") };
    assert_eq!(code.user_code, "WDJB-MJHT");
    assert_eq!(code.verification_uri.as_str(), PAGE);
    let posted = server.posted();
    assert_eq!(posted[0].form["scope"], "a b");
    assert_eq!(posted[0].form["client_id"], "tv");
    assert_eq!(posted[0].form["resource"], server.url());
    assert_eq!(posted.len(), 4);
    assert_eq!(posted[3].form["device_code"], "dc");
    assert_eq!(posted[3].form["grant_type"], "urn:ietf:params:oauth:grant-type:device_code");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_code_lives() {
    let (_server, auth, _) =
        start(device(3, PAGE), vec![refusal("authorization_pending"); 9]).await;
    let error = auth.login().await.unwrap_err();
    assert!(matches!(error, OAuthError::TimedOut { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_no_is_a_no() {
    let (server, auth, _) = start(device(600, PAGE), vec![refusal("access_denied")]).await;
    let OAuthError::Token(error) = auth.login().await.unwrap_err() else { panic!("a refusal") };
    assert_eq!(error.refusal().unwrap().code, TokenErrorCode::AccessDenied);
    assert_eq!(server.posted().len(), 2);
}

#[tokio::test]
async fn nobody_is_sent_to_a_page_that_is_none() {
    for page in ["javascript:alert(1)", "http://as.example/device"] {
        let (_server, auth, shown) = start(device(600, page), Vec::new()).await;
        let error = auth.login().await.unwrap_err();
        assert!(matches!(error, OAuthError::ForbiddenUrl { .. }), "{error:?}");
        assert!(shown.lock().unwrap().is_empty());
    }
}
