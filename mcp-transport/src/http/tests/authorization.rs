//! Credentials that are asked for, refused and renewed.

use std::sync::atomic::{AtomicU32, Ordering};

use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::*;
use crate::{
    BoxFuture,
    authorize::{Authorize, Challenge, Target, Verdict},
    error::{BoxError, DeliveryErrorKind},
};

/// Hands out `t0`, `t1`, …, one further after every refusal, up to `last`.
#[derive(Debug, Default)]
struct Tokens {
    refused: AtomicU32,
    last: u32,
}

impl Authorize for Tokens {
    fn authorize<'a>(
        &'a self,
        target: Target<'a>,
        headers: &'a mut HeaderMap,
    ) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(async move {
            assert_eq!(target.url.path(), "/mcp");
            assert!(target.url.authority().is_some());
            let token = format!("Bearer t{}", self.refused.load(Ordering::SeqCst));
            headers.insert(header::AUTHORIZATION, HeaderValue::try_from(token)?);
            Ok(())
        })
    }

    fn challenged<'a>(
        &'a self,
        _target: Target<'a>,
        challenge: Challenge<'a>,
    ) -> BoxFuture<'a, Result<Verdict, BoxError>> {
        Box::pin(async move {
            if challenge.status == StatusCode::FORBIDDEN {
                return Err("not for you".into());
            }
            assert_eq!(challenge.headers[header::WWW_AUTHENTICATE], "Bearer realm=x");
            let refused = self.refused.fetch_add(1, Ordering::SeqCst) + 1;
            assert_eq!(challenge.attempt, refused);
            Ok(if refused > self.last { Verdict::GiveUp } else { Verdict::Retry })
        })
    }
}

async fn server(status: &'static str, good: &'static str) -> Server {
    Server::start(move |request| {
        if request.header("authorization") == Some(good) {
            return request.echo();
        }
        Reply::new(status, &[("www-authenticate", "Bearer realm=x")], "no")
    })
    .await
}

async fn with_tokens(server: &Server, last: u32) -> Arc<dyn Transport> {
    let tokens = Tokens { last, ..Tokens::default() };
    open(HttpConfig::new(server.url()).authorize(Arc::new(tokens))).await
}

#[tokio::test]
async fn a_refused_request_is_sent_again_with_better_credentials() {
    let server = server("401 Unauthorized", "Bearer t2").await;
    let transport = with_tokens(&server, 9).await;
    assert_eq!(call(&transport, 4).await, json!({ "echo": { "n": 4 } }));
    let seen: Vec<_> = server
        .received()
        .iter()
        .map(|request| (request.header("authorization").unwrap().to_owned(), request.json()))
        .collect();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|(_, body)| *body == seen[0].1));
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn refusals_are_bounded() {
    let server = server("401 Unauthorized", "Bearer never").await;
    let transport = with_tokens(&server, 99).await;
    let error = fail(&transport).await;
    let DeliveryErrorKind::Http(failure) = error.kind else { panic!("{error:?}") };
    assert_eq!(failure.status, StatusCode::UNAUTHORIZED);
    assert_eq!(failure.challenges, ["Bearer realm=x"]);
    assert_eq!(server.received().len(), 6);
}

#[tokio::test]
async fn giving_up_hands_out_the_refusal() {
    let server = server("401 Unauthorized", "Bearer never").await;
    let transport = with_tokens(&server, 0).await;
    let error = fail(&transport).await;
    assert!(matches!(error.kind, DeliveryErrorKind::Http(_)), "{error:?}");
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn no_credentials_to_be_had() {
    let server = server("403 Forbidden", "Bearer never").await;
    let transport = with_tokens(&server, 0).await;
    let error = fail(&transport).await;
    let DeliveryErrorKind::Authorization(source) = error.kind else { panic!("{error:?}") };
    assert_eq!(source.to_string(), "not for you");
}
