//! Where the messages of a server go.

use super::*;
use crate::error::Sent;

fn method(message: &Message) -> &str {
    match message {
        Message::Request(request) => &request.method,
        Message::Notification(notification) => &notification.method,
        Message::Response(_) => "",
    }
}

async fn next_method(exchange: &mut Exchange) -> String {
    let message = bounded(exchange.next()).await.unwrap().unwrap();
    method(&message).to_owned()
}

// covers: progress
#[tokio::test]
async fn notifications_reach_the_request_they_belong_to() {
    let script = r#"
        read -r line; read -r line
        echo '{"method":"notifications/progress","params":{"progressToken":2,"progress":1}}'
        echo '{"method":"notifications/subscriptions/acknowledged","params":{"_meta":
              {"io.modelcontextprotocol/subscriptionId":1}}}' | tr -d '\n'; echo
        echo '{"method":"notifications/progress","params":{"progressToken":2,"progress":2}}'
        echo '{"method":"notifications/progress","params":{"progressToken":3,"progress":2}}'
        echo '{"method":"notifications/message","params":{"level":"info","data":"x"}}'
        echo '{"id":7,"method":"roots/list"}'
        echo '{"id":2,"result":0}'
        echo '{"method":"notifications/cancelled","params":{"requestId":1}}'
        cat >/dev/null"#;
    let server = start(script).await;
    let mut unsolicited = server.unsolicited().unwrap();
    assert!(server.unsolicited().is_none());
    let mut listen = server.exchange(request(1, "subscriptions/listen"));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(listen.poll_next(&mut cx).is_pending());
    let mut call = server.exchange(request(2, "tools/call"));

    assert_eq!(next_method(&mut call).await, "notifications/progress");
    assert_eq!(next_method(&mut call).await, "notifications/progress");
    let answer = bounded(call.next()).await.unwrap().unwrap();
    assert!(matches!(answer, Message::Response(_)));

    assert_eq!(next_method(&mut listen).await, "notifications/subscriptions/acknowledged");
    assert_eq!(next_method(&mut listen).await, "notifications/cancelled");

    for expected in ["notifications/progress", "notifications/message", "roots/list"] {
        assert_eq!(method(&bounded(unsolicited.next()).await.unwrap()), expected);
    }
    bounded(server.close()).await;
    assert!(bounded(unsolicited.next()).await.is_none());
}

#[tokio::test]
async fn a_legacy_server_cancels_its_own_requests_not_ours() {
    let script = r#"read -r line
        echo '{"method":"notifications/cancelled","params":{"requestId":1}}'
        echo '{"id":1,"result":0}'; cat >/dev/null"#;
    let server = start(script).await;
    let mut unsolicited = server.unsolicited().unwrap();
    let legacy = OutgoingRequest { era: Era::Legacy, ..request(1, "tools/call") };
    response(server.exchange(legacy)).await.unwrap();
    assert_eq!(method(&bounded(unsolicited.next()).await.unwrap()), "notifications/cancelled");
}

#[tokio::test]
async fn a_flood_that_nobody_looks_at_keeps_no_answer_from_coming() {
    let script = r#"read -r line
        i=0; while [ $i -lt 3000 ]; do
          echo '{"method":"notifications/message","params":{}}'; i=$((i+1))
        done
        echo '{"id":70,"method":"roots/list"}'
        echo '{"id":1,"result":0}'
        read -r line; echo "$line" >&2; cat >/dev/null"#;
    let server = start(script).await;
    assert_eq!(result(&server, 1).await, "0");
    // The request for which there was no room is refused.
    until("the refusal", || !server.stderr_tail().is_empty()).await;
    let refusal = server.stderr_tail().remove(0);
    assert!(refusal.contains(r#""id":70"#) && refusal.contains(r#""error""#), "{refusal}");
    let mut unsolicited = server.unsolicited().unwrap();
    let mut count = 0;
    bounded(server.close()).await;
    while let Some(message) = bounded(unsolicited.next()).await {
        assert_eq!(method(&message), "notifications/message");
        count += 1;
    }
    assert_eq!(count, 1024);
}

#[tokio::test]
async fn an_exchange_that_nobody_polls_keeps_the_newest_progress() {
    let script = r#"read -r line
        i=0; while [ $i -lt 3000 ]; do i=$((i+1))
          echo "{\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"n\":$i}}"
        done
        echo '{"id":1,"result":0}'
        read -r line; echo '{"id":2,"result":0}'; cat >/dev/null"#;
    let server = start(script).await;
    let mut exchange = server.exchange(request(1, "tools/call"));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(exchange.poll_next(&mut cx).is_pending());
    // All of it has come when the second request is answered.
    result(&server, 2).await;
    let mut numbers = Vec::new();
    while let Message::Notification(notification) = bounded(exchange.next()).await.unwrap().unwrap()
    {
        numbers.push(notification.params);
    }
    assert_eq!(numbers.len(), 1024);
    assert!(numbers.last().unwrap().ends_with(br#""n":3000}"#));
}

#[tokio::test]
async fn an_id_cannot_be_used_twice_at_the_same_time() {
    let server = start("cat >/dev/null").await;
    let mut first = server.exchange(request(1, "test"));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(first.poll_next(&mut cx).is_pending());
    let error = response(server.exchange(request(1, "test"))).await.unwrap_err();
    assert!(matches!(error.kind, DeliveryErrorKind::Broken(_)));
    assert_eq!(error.sent, Sent::No);
    assert!(first.poll_next(&mut cx).is_pending(), "the first is still under way");
}
