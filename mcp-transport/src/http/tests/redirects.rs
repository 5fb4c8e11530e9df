//! Answers that point elsewhere.

use super::*;
use crate::error::DeliveryErrorKind;

fn to(status: &str, location: &str) -> Reply {
    Reply::new(status, &[("location", location)], "")
}

#[tokio::test]
async fn the_same_origin_is_followed() {
    for status in ["307 Temporary Redirect", "308 Permanent Redirect"] {
        let server = Server::start(move |request| match request.target.as_str() {
            "/mcp" => to(status, "/other?x=1"),
            _ => request.echo(),
        })
        .await;
        let transport = open(HttpConfig::new(server.url()).bearer("secret")).await;
        assert_eq!(call(&transport, 4).await, json!({ "echo": { "n": 4 } }));
        let last = server.received().pop().unwrap();
        assert_eq!((last.method.as_str(), last.target.as_str()), ("POST", "/other?x=1"));
        assert_eq!(last.header("authorization"), Some("Bearer secret"));
        assert_eq!(server.accepted(), 1);
    }
}

// covers: http-redirects, auth-tokens-bound
#[tokio::test]
async fn another_origin_gets_nothing_and_is_named() {
    let other = Server::start(server::Received::echo).await;
    let location = format!("http://{}/mcp?token=hidden", other.address);
    let server = Server::start(move |_| to("307 Temporary Redirect", &location)).await;
    let transport = open(HttpConfig::new(server.url()).bearer("secret")).await;
    let error = fail(&transport).await.to_string();
    assert!(error.contains(&format!("http://{}/mcp", other.address)), "{error}");
    assert!(!error.contains("hidden"), "{error}");
    assert_eq!(other.accepted(), 0);
}

#[tokio::test]
async fn what_cannot_be_followed_is_an_error() {
    for (reply, requests) in [
        // The body would be lost.
        (to("302 Found", "/other"), 1),
        (to("303 See Other", "/other"), 1),
        // Round in circles.
        (to("307 Temporary Redirect", "/mcp"), 6),
        // To nowhere.
        (to("307 Temporary Redirect", "http://["), 1),
        (Reply::status("307 Temporary Redirect"), 1),
    ] {
        let server = Server::start(move |_| reply.clone()).await;
        let error = fail(&open_to(&server).await).await;
        assert!(matches!(error.kind, DeliveryErrorKind::Http(_)), "{error:?}");
        assert_eq!(server.received().len(), requests);
    }
}
