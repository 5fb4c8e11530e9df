//! Which connections are opened, kept and left.

use std::time::Duration;

use serde_json::json;
use tokio::{task::JoinSet, time::sleep};

use super::*;

#[tokio::test]
async fn a_thousand_calls_use_one_connection() {
    let server = Server::start(server::Received::echo).await;
    let transport = open_to(&server).await;
    for id in 0..1000 {
        assert_eq!(call(&transport, id).await, json!({ "echo": { "n": id } }));
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_thousand_event_streams_use_one_connection() {
    let server =
        Server::start(|request| Reply::events().event(&request.result(json!({}))).end()).await;
    let transport = open_to(&server).await;
    for id in 0..1000 {
        call(&transport, id).await;
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_stream_that_ends_late_is_waited_for() {
    let server = Server::start(|request| {
        let late = Duration::from_millis(1);
        Reply::events().event(&request.result(json!({}))).wait(late).end()
    })
    .await;
    let transport = open_to(&server).await;
    for id in 0..20 {
        call(&transport, id).await;
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_stream_that_never_ends_is_not_waited_for_twice() {
    let server =
        Server::start(|request| Reply::events().event(&request.result(json!({}))).hang()).await;
    let transport = open_to(&server).await;
    for id in 0..5 {
        call(&transport, id).await;
    }
    assert_eq!(server.accepted(), 5);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_replaced() {
    let server = Server::start(|request| request.echo().close()).await;
    let transport = open_to(&server).await;
    for id in 0..5 {
        call(&transport, id).await;
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.accepted(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_at_once() {
    let server = Server::start(|request| {
        Reply::default().wait(Duration::from_millis(50)).then(request.echo())
    })
    .await;
    let transport = open_to(&server).await;
    for round in 0..2 {
        let mut calls = JoinSet::new();
        for id in 0..64 {
            let transport = Arc::clone(&transport);
            calls.spawn(async move { (id, call(&transport, id).await) });
        }
        while let Some(done) = calls.join_next().await {
            let (id, result) = done.unwrap();
            assert_eq!(result, json!({ "echo": { "n": id } }), "round {round}");
        }
    }
    assert_eq!(server.accepted(), 64);
}

#[tokio::test]
async fn more_calls_than_connections_take_turns() {
    let server = Server::start(|request| {
        Reply::default().wait(Duration::from_millis(5)).then(request.echo())
    })
    .await;
    let transport = open(HttpConfig::new(server.url()).max_connections(3)).await;
    let mut calls = JoinSet::new();
    for id in 0..30 {
        let transport = Arc::clone(&transport);
        calls.spawn(async move { call(&transport, id).await });
    }
    assert_eq!(calls.join_all().await.len(), 30);
    assert_eq!(server.accepted(), 3);
}

#[tokio::test]
async fn nobody_there_is_said_with_the_address() {
    let server = Server::start(server::Received::echo).await;
    let transport = open_to(&server).await;
    let address = server.address.to_string();
    server.stop().await;
    let error = fail(&transport).await;
    assert_eq!(error.sent, crate::error::Sent::No);
    assert!(error.to_string().contains(&address), "{error}");
}
