//! Servers that do something wrong.

use super::*;
use crate::error::Sent;

/// Reads one request with the id 1 and then does something.
fn after_one_request(script: &str) -> String {
    format!("read -r line; {script}")
}

const ANSWER: &str = r#"printf '{"jsonrpc":"2.0","id":1,"result":{"x":1}}\n'; cat >/dev/null"#;

// covers: stdio-noise
#[tokio::test]
async fn garbage_before_the_answer_is_skipped() {
    for garbage in [
        "echo Starting server...",
        "echo",
        r"printf '\377\376\200\n'",
        r"printf '\r\n \n'",
        r#"echo '{"level":"info","msg":"not JSON-RPC"}'"#,
        "echo '['",
        "echo '[1,2]'",
        r#"echo '{"jsonrpc":"2.0","id":99,"result":{}}'"#,
        r#"echo '{"jsonrpc":"2.0","id":"one","result":{}}'"#,
        r#"echo '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"?"}}'"#,
    ] {
        let server = start(&after_one_request(&format!("{garbage}; {ANSWER}"))).await;
        assert_eq!(result(&server, 1).await, r#"{"x":1}"#, "{garbage}");
        bounded(server.close()).await;
    }
}

#[tokio::test]
async fn the_last_garbage_explains_the_end() {
    let server = start("echo Usage: server [options]; exit 2").await;
    let reason = closed(response(server.exchange(request(1, "test"))).await.unwrap_err());
    assert!(reason.note.unwrap().contains("Usage: server [options]"));
    assert_eq!(reason.exit.as_deref(), Some("exit status: 2"));
}

#[tokio::test]
async fn a_carriage_return_is_not_part_of_a_message() {
    let server =
        start(&after_one_request(r#"printf '{"id":1,"result":7}\r\n'; cat >/dev/null"#)).await;
    assert_eq!(result(&server, 1).await, "7");
}

// covers: batches-received
#[tokio::test]
async fn a_batch_is_taken_apart() {
    let server = start(&after_one_request(
        r#"printf '[{"method":"notifications/x"},{"id":1,"result":7}]\n'; cat >/dev/null"#,
    ))
    .await;
    assert_eq!(result(&server, 1).await, "7");
}

#[tokio::test]
async fn an_id_of_the_wrong_type_is_recognized() {
    let server = start(&after_one_request(r#"echo '{"id":"1","result":7}'; cat >/dev/null"#)).await;
    let response = response(server.exchange(request(1, "test"))).await.unwrap();
    assert_eq!(response.outcome.unwrap(), "7");
}

#[tokio::test]
async fn a_malformed_answer_fails_its_request() {
    for answer in [r#"{"jsonrpc":"2.0","id":1}"#, r#"{"id":1,"error":"boom"}"#] {
        let server = start(&after_one_request(&format!("echo '{answer}'; cat >/dev/null"))).await;
        let error = response(server.exchange(request(1, "test"))).await.unwrap_err();
        assert!(matches!(error.kind, DeliveryErrorKind::NotMcp(_)), "{error:?}");
        assert!(!server.is_closed());
    }
}

// covers: late-replies, cancel-races
#[tokio::test]
async fn a_second_answer_is_ignored() {
    let script = r#"
        read -r line
        echo '{"id":1,"result":"first"}'; echo '{"id":1,"result":"second"}'
        read -r line
        echo '{"id":1,"result":"third"}'; echo '{"id":2,"result":"right"}'
        cat >/dev/null"#;
    let server = start(script).await;
    assert_eq!(result(&server, 1).await, r#""first""#);
    assert_eq!(result(&server, 2).await, r#""right""#);
}

#[tokio::test]
async fn half_a_line_at_the_end() {
    let server = start(&after_one_request(r#"printf '{"jsonrpc":"2.0","id":1,"res'"#)).await;
    let error = response(server.exchange(request(1, "test"))).await.unwrap_err();
    assert_eq!(error.sent, Sent::Maybe);
    let reason = closed(error);
    assert!(reason.note.unwrap().contains(r#""id":1,"res"#));
    assert_eq!(reason.exit.as_deref(), Some("exit status: 0"));
}

#[tokio::test]
async fn an_answer_without_its_line_end_counts() {
    let server = start(&after_one_request(r#"printf '{"id":1,"result":7}'"#)).await;
    assert_eq!(result(&server, 1).await, "7");
}

// covers: stdio-noise
#[tokio::test]
async fn a_line_above_the_limit_ends_the_connection() {
    let script = after_one_request("head -c 100000 /dev/zero | tr '\\0' x; echo; cat >/dev/null");
    let server = shell(&script).max_line_bytes(50_000).spawn().await.unwrap();
    let error = response(server.exchange(request(1, "test"))).await.unwrap_err();
    assert!(matches!(error.kind, DeliveryErrorKind::TooLarge { limit_bytes: 50_000 }));
    assert!(server.is_closed());
    let pid = server.pid();
    until("the server is ended", || !runs(pid)).await;
}

#[tokio::test]
async fn two_hundred_megabytes_on_one_line_do_not_fill_the_memory() {
    let server = start(&after_one_request("head -c 200000000 /dev/zero | tr '\\0' x")).await;
    let error = response(server.exchange(request(1, "test"))).await.unwrap_err();
    assert!(matches!(error.kind, DeliveryErrorKind::TooLarge { .. }));
    bounded(server.close()).await;
}

#[tokio::test]
async fn a_large_answer_comes_whole() {
    let script = after_one_request(
        r#"printf '{"id":1,"result":"'; head -c 5000000 /dev/zero | tr '\0' x; printf '"}\n'
        read -r line; echo '{"id":2,"result":7}'; cat >/dev/null"#,
    );
    let server = start(&script).await;
    assert_eq!(result(&server, 1).await.len(), 5_000_002);
    assert_eq!(result(&server, 2).await, "7");
}

#[tokio::test]
async fn an_exit_at_once_is_explained() {
    let server = start("echo 'cannot open database' >&2; exit 3").await;
    let error = response(server.exchange(request(1, "test"))).await.unwrap_err();
    let reason = closed(error);
    assert_eq!(reason.exit.as_deref(), Some("exit status: 3"));
    assert_eq!(reason.stderr, ["cannot open database"]);
    assert!(server.is_closed());
    // What comes later is surely not sent.
    let error = response(server.exchange(request(2, "test"))).await.unwrap_err();
    assert_eq!(error.sent, Sent::No);
    assert_eq!(closed(error).stderr, ["cannot open database"]);
    let error = bounded(server.send(message("{}"))).await.unwrap_err();
    assert_eq!(error.sent, Sent::No);
}

#[tokio::test]
async fn an_exit_while_calls_run_fails_them_all() {
    let server = start("read -r a; read -r b; read -r c; echo oops >&2; kill -9 $$").await;
    let calls: Vec<_> = (1..4).map(|id| response(server.exchange(request(id, "test")))).collect();
    for outcome in futures(calls).await {
        let error = outcome.unwrap_err();
        assert_eq!(error.sent, Sent::Maybe);
        let reason = closed(error);
        assert_eq!(reason.exit.as_deref(), Some("signal: 9 (SIGKILL)"));
        assert_eq!(reason.stderr, ["oops"]);
    }
}

#[tokio::test]
async fn an_answer_just_before_the_exit_counts() {
    for _ in 0..20 {
        let server = start(&after_one_request(r#"echo '{"id":1,"result":7}'"#)).await;
        assert_eq!(result(&server, 1).await, "7");
    }
}

#[tokio::test]
async fn a_closed_output_ends_the_connection() {
    let server = start("exec >&-; sleep 1000").await;
    let reason = closed(response(server.exchange(request(1, "test"))).await.unwrap_err());
    assert!(reason.note.unwrap().contains("has not exited"));
    let pid = server.pid();
    until("the server is ended", || !runs(pid)).await;
}

#[tokio::test]
async fn a_closed_input_ends_the_connection() {
    let server = start("exec <&-; echo '{\"method\":\"notifications/ready\"}'; sleep 1000").await;
    let mut unsolicited = server.unsolicited().unwrap();
    bounded(unsolicited.next()).await.unwrap();
    let error = response(server.exchange(request(1, "test"))).await.unwrap_err();
    assert_eq!(error.sent, Sent::No);
    assert!(bounded(unsolicited.next()).await.is_none());
}

#[tokio::test]
async fn a_leader_that_exits_ends_the_connection_although_others_hold_the_pipes() {
    let server = start("sleep 1000 & read -r line; exit 4").await;
    let reason = closed(response(server.exchange(request(1, "test"))).await.unwrap_err());
    assert_eq!(reason.exit.as_deref(), Some("exit status: 4"));
    bounded(server.close()).await;
}

/// Polls all in turn until each is done.
async fn futures<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(cx)
            {
                *output = Some(value);
            }
        }
        if outputs.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}
