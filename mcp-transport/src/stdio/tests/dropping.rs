//! Callers that let go at any moment, among others that wait.

use std::sync::Arc;

use super::*;

/// As [`ECHO`], but ends when it is told to.
const ECHO_UNTIL_STOP: &str = r#"
while read -r line; do
  case $line in *stop*) exit;; esac
  id=${line#*\"id\":}
  printf '{"jsonrpc":"2.0","id":%s,"result":{}}\n' "${id%%[,\}]*}"
done"#;

/// Polls a call so many times, or until it has its answer, and drops it.
async fn poll_and_drop(server: &ChildProcess, id: i64, polls: usize) {
    let mut exchange = server.exchange(request(id, "test"));
    for _ in 0..polls {
        let done =
            std::future::poll_fn(|cx| std::task::Poll::Ready(exchange.poll_next(cx).is_ready()));
        if done.await {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_may_be_dropped_after_any_poll() {
    let server = Arc::new(start(ECHO_UNTIL_STOP).await);
    let mut next_id = 0;
    let mut ids = || {
        next_id += 2;
        (next_id, next_id + 1)
    };
    for polls in (0..12).cycle().take(240) {
        let (dropped, kept) = ids();
        let dropping = tokio::task::JoinSet::from_iter([{
            let server = Arc::clone(&server);
            async move { poll_and_drop(&server, dropped, polls).await }
        }]);
        // Answers in quick succession let callers read.
        result(&server, kept).await;
        bounded(dropping.join_all()).await;
    }
    // Nobody waits now, so this is for the task to see.
    bounded(server.send(message(r#"{"method":"stop"}"#))).await.unwrap();
    until("the end is noticed", || server.is_closed()).await;
}

#[tokio::test]
async fn a_caller_that_is_not_polled_holds_up_nobody() {
    let server = start(ECHO).await;
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    for id in (0..40).step_by(2) {
        let mut kept = server.exchange(request(id, "test"));
        assert!(kept.poll_next(&mut cx).is_pending());
        result(&server, id + 1).await;
        // It was answered meanwhile, by whoever read.
        response(kept).await.unwrap();
    }
}
