//! Several endpoints with the same keys, as in several processes.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use mcp_protocol::{
    jsonrpc::{self, ErrorObject},
    raw::RawJson,
};
use serde_json::{Value, json};
use tokio::time::advance;

use super::{HttpEndpoint, HttpServeConfig, Principal, SessionKeys, session_id};
use crate::{
    BoxFuture,
    serve::{Peer, Service},
};

/// Says what it knows of its client.
#[derive(Clone, Debug)]
struct Clerk {
    knows: String,
    keeps_more: bool,
}

impl Service for Clerk {
    fn open(&self, _: &Peer) -> Option<Arc<dyn Service>> {
        Some(Arc::new(Self { knows: "ada".into(), ..self.clone() }))
    }

    fn carried(&self, room: usize) -> Option<String> {
        (self.knows.len() <= room).then(|| self.knows.clone())
    }

    fn reopen(&self, _: &Peer, carried: &str) -> Option<Arc<dyn Service>> {
        Some(Arc::new(Self { knows: format!("{carried}, from her id"), ..self.clone() }))
    }

    fn keeps_more(&self) -> bool {
        self.keeps_more
    }

    fn request<'a>(
        &'a self,
        _: jsonrpc::Request,
        _: &'a Peer,
    ) -> BoxFuture<'a, Result<RawJson, ErrorObject>> {
        Box::pin(async { Ok(json!(self.knows).into()) })
    }
}

const SECRET: &[u8] = b"the secret of all replicas";

fn replica(keeps_more: bool) -> HttpEndpoint {
    configured(keeps_more, HttpServeConfig::new())
}

fn configured(keeps_more: bool, config: HttpServeConfig) -> HttpEndpoint {
    let clerk = Clerk { knows: String::new(), keeps_more };
    let keys = SessionKeys::derive(SECRET).unwrap();
    HttpEndpoint::new(Arc::new(clerk), config.session_keys(keys))
}

/// What a client sends in a session.
#[derive(Clone, Copy)]
struct Sent<'a> {
    method: &'a Method,
    id: &'a str,
    principal: Option<&'a str>,
    body: &'a str,
}

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

impl<'a> Sent<'a> {
    fn ping(id: &'a str) -> Self {
        Self { method: &Method::POST, id, principal: None, body: PING }
    }

    async fn to(self, replica: &HttpEndpoint) -> (StatusCode, String, Option<String>) {
        let mut request = Request::builder()
            .method(self.method)
            .uri("/mcp")
            .header("host", "localhost")
            .header("content-type", "application/json");
        if !self.id.is_empty() {
            request = request.header("mcp-session-id", self.id);
        }
        let body = Full::new(Bytes::copy_from_slice(self.body.as_bytes()));
        let mut request = request.body(body).unwrap();
        if let Some(name) = self.principal {
            request.extensions_mut().insert(Principal::new(name));
        }
        let answer = replica.answer(request).await;
        let status = answer.status();
        let id = answer.headers().get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
        if self.method == Method::GET {
            return (status, String::new(), id);
        }
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap(), id)
    }
}

async fn open(replica: &HttpEndpoint, principal: Option<&str>) -> String {
    let body = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#;
    let sent = Sent { principal, body, ..Sent::ping("") };
    let (status, _, id) = sent.to(replica).await;
    assert_eq!(status, StatusCode::OK);
    id.unwrap()
}

fn result(body: &str) -> Value {
    serde_json::from_str::<Value>(body).unwrap()["result"].clone()
}

#[tokio::test]
async fn a_session_goes_on_at_any_replica() {
    let (one, other) = (replica(false), replica(false));
    let id = open(&one, None).await;
    assert!(id.len() <= 1024, "{}", id.len());
    assert_eq!(result(&Sent::ping(&id).to(&one).await.1), json!("ada"));
    for _ in 0..2 {
        let (status, body, _) = Sent::ping(&id).to(&other).await;
        assert_eq!((status, result(&body)), (StatusCode::OK, json!("ada, from her id")));
    }
    // Both can have its stream of unasked messages, and only what one of them tells is on it.
    let get = Sent { method: &Method::GET, ..Sent::ping(&id) };
    assert_eq!(get.to(&other).await.0, StatusCode::OK);
}

#[tokio::test]
async fn ids_that_are_not_good_are_lost_sessions() {
    let (one, foreign) = (replica(false), {
        let clerk = Clerk { knows: String::new(), keeps_more: false };
        let keys = SessionKeys::random().unwrap();
        HttpEndpoint::new(Arc::new(clerk), HttpServeConfig::new().session_keys(keys))
    });
    let id = open(&one, Some("ada")).await;
    let of = |principal| Sent { principal, ..Sent::ping(&id) };
    assert_eq!(of(Some("ada")).to(&one).await.0, StatusCode::OK);
    assert_eq!(of(Some("bob")).to(&one).await.0, StatusCode::NOT_FOUND);
    assert_eq!(of(None).to(&one).await.0, StatusCode::NOT_FOUND);
    assert_eq!(of(Some("ada")).to(&foreign).await.0, StatusCode::NOT_FOUND);
    let mut changed = id.clone();
    changed.replace_range(20..21, if &id[20..21] == "A" { "B" } else { "A" });
    let sent = Sent { id: &changed, ..of(Some("ada")) };
    assert_eq!(sent.to(&one).await.0, StatusCode::NOT_FOUND);

    // Too old.
    let keys = SessionKeys::derive(SECRET).unwrap();
    let place = session_id::Place { path: "/mcp", principal: None };
    let (_, old) = keys.seal(&place, 1_000_000, "ada").unwrap().unwrap();
    assert_eq!(Sent::ping(&old).to(&one).await.0, StatusCode::NOT_FOUND);
    let patient =
        configured(false, HttpServeConfig::new().session_age(Duration::from_secs(1 << 40)));
    assert_eq!(Sent::ping(&old).to(&patient).await.0, StatusCode::OK);
}

#[tokio::test]
async fn an_id_that_is_given_back_is_over_where_it_was_given() {
    let (one, other) = (replica(false), replica(false));
    let id = open(&one, None).await;
    let delete = Sent { method: &Method::DELETE, body: "", ..Sent::ping(&id) };
    // Not kept there, and given back nevertheless.
    assert_eq!(delete.to(&other).await.0, StatusCode::NO_CONTENT);
    assert_eq!(delete.to(&other).await.0, StatusCode::NOT_FOUND);
    assert_eq!(Sent::ping(&id).to(&other).await.0, StatusCode::NOT_FOUND);
    assert_eq!(delete.to(&one).await.0, StatusCode::NO_CONTENT);
    assert_eq!(Sent::ping(&id).to(&one).await.0, StatusCode::NOT_FOUND);
}

/// Says more than fits.
#[derive(Debug)]
struct Talkative(Clerk);
impl Service for Talkative {
    fn carried(&self, room: usize) -> Option<String> {
        self.0.carried(room)
    }

    fn request<'a>(
        &'a self,
        request: jsonrpc::Request,
        peer: &'a Peer,
    ) -> BoxFuture<'a, Result<RawJson, ErrorObject>> {
        self.0.request(request, peer)
    }
}

#[tokio::test]
async fn what_does_not_fit_stays_in_its_process() {
    let (one, other) = (Clerk { knows: "x".repeat(800), keeps_more: false }, replica(false));
    let keys = SessionKeys::derive(SECRET).unwrap();
    let config = HttpServeConfig::new().session_keys(keys);
    let one = HttpEndpoint::new(Arc::new(Talkative(one)), config);
    let id = open(&one, Some("ada")).await;
    assert_eq!(id.len(), 32);
    let sent = Sent { principal: Some("ada"), ..Sent::ping(&id) };
    assert_eq!(sent.to(&one).await.0, StatusCode::OK);
    assert_eq!(sent.to(&other).await.0, StatusCode::NOT_FOUND);
    // Random ids belong to whoever opened them as well.
    assert_eq!(Sent::ping(&id).to(&one).await.0, StatusCode::NOT_FOUND);
    let delete = Sent { method: &Method::DELETE, body: "", ..Sent::ping(&id) };
    assert_eq!(delete.to(&one).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_answer_is_for_the_replica_that_asked() {
    let (one, other) = (replica(false), replica(false));
    let id = open(&one, None).await;
    let answer = Sent { body: r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, ..Sent::ping(&id) };
    let (status, body, _) = answer.to(&other).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.contains("another replica"), "{body}");
    // Where the session began, it was late.
    assert_eq!(answer.to(&one).await.0, StatusCode::ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn of_a_silent_client_nothing_is_kept_but_what_is_not_in_its_id() {
    for (keeps_more, kept) in [(false, 0), (true, 1)] {
        let replica = replica(keeps_more);
        let id = open(&replica, None).await;
        assert_eq!(replica.sessions.count(), 1);
        advance(Duration::from_secs(60)).await;
        let later = open(&replica, None).await;
        assert_eq!(replica.sessions.count(), kept + 1);
        let (status, body, _) = Sent::ping(&id).to(&replica).await;
        let knows = if keeps_more { "ada" } else { "ada, from her id" };
        assert_eq!((status, result(&body)), (StatusCode::OK, json!(knows)));
        assert_eq!(Sent::ping(&later).to(&replica).await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn what_loses_nothing_gives_way_first() {
    let replica = configured(false, HttpServeConfig::new().max_sessions(2));
    let ids = [open(&replica, None).await, open(&replica, None).await, open(&replica, None).await];
    assert_eq!(replica.sessions.count(), 2);
    for id in &ids {
        assert_eq!(Sent::ping(id).to(&replica).await.0, StatusCode::OK);
    }
}
