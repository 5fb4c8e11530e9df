//! Which connections are opened, kept and left.

use std::{future::poll_fn, task::Poll, time::Duration};

use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

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
        Server::start(|request| Reply::events().event(&request.result(&json!({}))).end()).await;
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
        Reply::events().event(&request.result(&json!({}))).wait(late).end()
    })
    .await;
    let transport = open_to(&server).await;
    for id in 0..20 {
        call(&transport, id).await;
    }
    // A busy machine may take longer than the wait, now and then.
    assert!(server.accepted() < 10, "{} connections", server.accepted());
}

#[tokio::test]
async fn a_stream_that_never_ends_is_not_waited_for_twice() {
    let server =
        Server::start(|request| Reply::events().event(&request.result(&json!({}))).hang()).await;
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

#[tokio::test]
async fn a_stream_that_never_ends_takes_nobodys_turn() {
    let server =
        Server::start(|request| Reply::events().event(&request.result(&json!({}))).hang()).await;
    let transport = open(HttpConfig::new(server.url()).max_connections(1)).await;
    for id in 0..20 {
        call(&transport, id).await;
    }
    // What was left open is closed, but for the last few.
    server.until_abandoned(10).await;
}

#[tokio::test]
async fn an_answer_does_not_wait_behind_requests() {
    let server = Server::start(|request| match request.rpc_method().as_str() {
        "tools/call" => Reply::default().hang(),
        _ => Reply::status("202 Accepted"),
    })
    .await;
    let transport = open(HttpConfig::new(server.url()).max_connections(1)).await;
    let mut exchange = transport.exchange(legacy(1, "tools/call", &json!({})));
    assert!(timeout(Duration::from_millis(50), exchange.next()).await.is_err());
    transport.send(notification("notifications/x")).await.unwrap();
}

#[tokio::test]
async fn a_waiting_request_gives_up_its_place() {
    let server = Server::start(|request| {
        Reply::default().wait(Duration::from_millis(100)).then(request.echo())
    })
    .await;
    let transport = open(HttpConfig::new(server.url()).max_connections(1)).await;
    let mut first = transport.exchange(modern(1, "x", &json!({})));
    let mut second = transport.exchange(modern(2, "x", &json!({})));
    assert!(timeout(Duration::from_millis(20), first.next()).await.is_err());
    assert!(timeout(Duration::from_millis(20), second.next()).await.is_err());
    drop(second);
    assert!(first.next().await.unwrap().is_ok());
    call(&transport, 3).await;
    assert_eq!(server.received().len(), 2, "the second was never sent");
}

#[tokio::test(start_paused = true)]
async fn what_a_burst_leaves_is_closed_in_time() {
    let server = Server::start(|request| {
        Reply::default().wait(Duration::from_millis(50)).then(request.echo())
    })
    .await;
    let transport = open_to(&server).await;
    let mut calls = JoinSet::new();
    for id in 0..8 {
        let transport = Arc::clone(&transport);
        calls.spawn(async move { call(&transport, id).await });
    }
    calls.join_all().await;
    assert_eq!(server.open(), 8);
    sleep(Duration::from_secs(200)).await;
    assert_eq!(server.open(), 0);
    call(&transport, 9).await;
    assert_eq!(server.accepted(), 9);
}

#[tokio::test]
async fn dropped_at_any_moment_leaves_no_trace() {
    let server = Server::start(|request| {
        let text = format!("data: {}\n\n", request.result(&json!({ "n": 1 })));
        let (first, second) = text.split_at(20);
        Reply::events().chunk(": hello\n\n").chunk(first).chunk(second).end()
    })
    .await;
    let transport = open_to(&server).await;
    for polls in 0..12 {
        let mut exchange = transport.exchange(modern(1, "x", &json!({})));
        for _ in 0..polls {
            let next = poll_fn(|cx| Poll::Ready(exchange.poll_next(cx))).await;
            if next.is_ready() {
                break;
            }
            sleep(Duration::from_millis(1)).await;
        }
        drop(exchange);
        assert_eq!(call(&transport, 2).await, json!({ "n": 1 }));
    }
}

#[tokio::test]
async fn an_error_page_without_end_is_not_waited_for() {
    let reply = Reply::raw("HTTP/1.1 500 Oh\r\ntransfer-encoding: chunked\r\n\r\n").chunk("why");
    let reply = reply.hang();
    let server = Server::start(move |_| reply.clone()).await;
    let transport = open_to(&server).await;
    tokio::time::pause();
    let begin = Instant::now();
    let error = fail(&transport).await;
    assert!(error.to_string().contains("why"), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(6));
}

#[tokio::test]
async fn a_notification_answered_with_an_open_stream_is_delivered() {
    let server = Server::start(|_| Reply::events().chunk(": hello\n\n").hang()).await;
    let transport = open_to(&server).await;
    let begin = Instant::now();
    transport.send(notification("notifications/x")).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(2));
}
