//! Many callers, one pipe.

use std::{sync::Arc, task::Context};

use super::*;

/// Writes what it gets into a file. The shell stays, since it holds the output open.
fn recorder(file: &Path) -> ChildCommand {
    ChildCommand::new("sh").args(["-c", r#"cat >"$0""#]).arg(file.to_str().unwrap())
}

async fn lines(server: ChildProcess, file: &Path) -> Vec<String> {
    bounded(server.close()).await;
    fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

fn cancelled_id(line: &str) -> Option<i64> {
    let rest = line.split_once("notifications/cancelled")?.1;
    let rest = rest.split_once(r#""requestId":"#)?.1;
    rest.split([',', '}']).next()?.parse().ok()
}

// covers: stdio-cancel
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cancellation_never_overtakes_its_request() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lines");
    let server = Arc::new(recorder(&file).shutdown_grace(HANG).spawn().await.unwrap());
    // A request that is dropped before it is written proves nothing, so it goes on until enough are.
    let mut round = 0;
    // The file appears once the shell has started.
    let written = || fs::read_to_string(&file).unwrap_or_default().lines().count();
    bounded(async {
        while written() < 2 * 10_000 {
            let mut tasks = tokio::task::JoinSet::new();
            for task in 0..20 {
                let server = Arc::clone(&server);
                tasks.spawn(async move {
                    for number in 0..100 {
                        let id = (round * 20 + task) * 100 + number;
                        send_and_drop(&server, id, "tools/call");
                        tokio::task::yield_now().await;
                    }
                });
            }
            tasks.join_all().await;
            round += 1;
        }
    })
    .await;
    let lines = lines(Arc::into_inner(server).unwrap(), &file).await;

    let mut requested = std::collections::HashSet::new();
    let mut cancelled = std::collections::HashSet::new();
    for line in &lines {
        if let Some(id) = cancelled_id(line) {
            assert!(requested.contains(&id), "{id} is cancelled before it is requested");
            assert!(cancelled.insert(id), "{id} is cancelled twice");
        } else {
            let id = line.split_once(r#""id":"#).unwrap().1.split(',').next().unwrap();
            assert!(requested.insert(id.parse::<i64>().unwrap()), "{id} is sent twice");
        }
    }
    // A request that had not left the program when it was dropped is in neither set.
    assert_eq!(requested, cancelled);
    assert!(requested.len() >= 9_999);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn messages_of_one_caller_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lines");
    let server = recorder(&file).shutdown_grace(HANG).spawn().await.unwrap();
    let mut exchanges = Vec::new();
    for number in 0..2000 {
        if number % 2 == 0 {
            let mut exchange = server.exchange(request(number, "test"));
            // Polled once, it is queued, or waits for room.
            std::future::poll_fn(|cx| {
                assert!(exchange.poll_next(cx).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            exchanges.push(exchange);
        } else {
            let body = format!(r#"{{"jsonrpc":"2.0","method":"x","params":{{"id":{number}}}}}"#);
            bounded(server.send(message(body))).await.unwrap();
        }
    }
    let lines = lines(server, &file).await;
    assert_eq!(lines.len(), 2000);
    for (number, line) in lines.iter().enumerate() {
        assert!(line.contains(&format!(r#""id":{number}"#)), "{number}: {line}");
    }
}

// covers: late-replies
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_in_any_order_find_their_callers() {
    let script = r#"head -n 1000 | shuf |
        sed 's/.*"id":\([0-9]*\).*/{"jsonrpc":"2.0","id":\1,"result":\1}/'; cat >/dev/null"#;
    let server = Arc::new(start(script).await);
    let mut tasks = tokio::task::JoinSet::new();
    for id in 0..1000 {
        let server = Arc::clone(&server);
        tasks.spawn(async move { (id, result(&server, id).await) });
    }
    for (id, result) in bounded(tasks.join_all()).await {
        assert_eq!(result, id.to_string());
    }
}

#[tokio::test]
async fn callers_that_get_answers_together_write_together() {
    // Each wave is answered at once, so that the next one goes through the writer task.
    let script = r#"
        while read -r line; do
          id=${line#*\"id\":}; out="$out{\"id\":${id%%,*},\"result\":0}
"
          n=$((n+1)); if [ $((n%50)) = 0 ]; then printf '%s' "$out"; out=; fi
        done"#;
    let server = Arc::new(start(script).await);
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..50 {
        let server = Arc::clone(&server);
        tasks.spawn(async move {
            for number in 0..20 {
                result(&server, caller * 100 + number).await;
            }
        });
    }
    bounded(tasks.join_all()).await;
}

/// Reads nothing until the file `gate` exists, then writes what it gets into `file`.
fn gated(gate: &Path, file: &Path) -> ChildCommand {
    ChildCommand::new("sh")
        .args(["-c", r#"while [ ! -e "$0" ]; do sleep 0.01; done; cat >"$1""#])
        .arg(gate.to_str().unwrap())
        .arg(file.to_str().unwrap())
        .shutdown_grace(HANG)
}

#[tokio::test]
async fn a_request_that_was_not_written_is_withdrawn_without_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    let (gate, file) = (folder.path().join("gate"), folder.path().join("lines"));
    let server = gated(&gate, &file).spawn().await.unwrap();
    // More than a pipe holds.
    let large = format!(r#"{{"method":"{}"}}"#, "x".repeat(200_000));
    bounded(server.send(message(large.clone()))).await.unwrap();
    send_and_drop(&server, 1, "test");
    bounded(server.send(message(r#"{"method":"last"}"#))).await.unwrap();
    fs::write(&gate, "").unwrap();
    assert_eq!(lines(server, &file).await, [large.as_str(), r#"{"method":"last"}"#]);
}

#[tokio::test]
async fn a_full_outbox_makes_callers_wait_and_lets_them_go_on_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (gate, file) = (folder.path().join("gate"), folder.path().join("lines"));
    let server = gated(&gate, &file).spawn().await.unwrap();
    let large = format!(r#"{{"method":"{}"}}"#, "x".repeat(2_000_000));
    bounded(server.send(message(large))).await.unwrap();

    let mut cx = Context::from_waker(std::task::Waker::noop());
    let mut sends: Vec<_> =
        (0..3).map(|number| server.send(message(format!(r#"{{"method":"{number}"}}"#)))).collect();
    for send in &mut sends {
        assert!(send.as_mut().poll(&mut cx).is_pending());
    }
    // One that waits for room is withdrawn as well.
    let mut exchange = server.exchange(request(9, "test"));
    assert!(exchange.poll_next(&mut cx).is_pending());
    drop(exchange);
    drop(sends.remove(1));

    fs::write(&gate, "").unwrap();
    for send in sends {
        bounded(send).await.unwrap();
    }
    let lines = lines(server, &file).await;
    assert_eq!(lines[1..], [r#"{"method":"0"}"#, r#"{"method":"2"}"#]);
}

// covers: legacy-cancel
#[tokio::test]
async fn initialize_is_never_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lines");
    let server = recorder(&file).spawn().await.unwrap();
    // Once the pipe is known to have room, messages are written at once.
    bounded(server.send(message(r#"{"method":"first"}"#))).await.unwrap();
    until("the first line", || fs::metadata(&file).is_ok_and(|file| file.len() > 0)).await;
    send_and_drop(&server, 1, "initialize");
    send_and_drop(&server, 2, "tools/list");
    let lines = lines(server, &file).await;
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[1].contains("initialize"));
    assert_eq!(cancelled_id(&lines[3]), Some(2));
}

// covers: stdio-lines
#[tokio::test]
async fn line_ends_inside_a_message_do_not_break_the_framing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lines");
    let server = recorder(&file).spawn().await.unwrap();
    bounded(server.send(message("{\n  \"method\":\r\n \"x\"}"))).await.unwrap();
    assert_eq!(lines(server, &file).await, ["{   \"method\":   \"x\"}"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn progress_reaches_each_call_in_order() {
    const COUNT: usize = 500;
    let script = format!(
        r#"read -r line; read -r line
        i=0; while [ $i -lt {COUNT} ]; do i=$((i+1)); for token in 1 2; do
          echo "{{\"method\":\"notifications/progress\",\"params\":{{\"progressToken\":$token,\"n\":$i}}}}"
        done; done
        echo '{{"id":2,"result":0}}'; echo '{{"id":1,"result":0}}'; cat >/dev/null"#
    );
    let server = Arc::new(start(&script).await);
    let mut calls = tokio::task::JoinSet::new();
    for id in [1, 2] {
        let server = Arc::clone(&server);
        calls.spawn(async move {
            let mut exchange = server.exchange(request(id, "tools/call"));
            let mut heard = Vec::new();
            while let Message::Notification(notification) =
                bounded(exchange.next()).await.unwrap().unwrap()
            {
                let params: serde_json::Value =
                    serde_json::from_slice(&notification.params).unwrap();
                assert_eq!(params["progressToken"], id);
                heard.push(params["n"].as_u64().unwrap());
            }
            heard
        });
    }
    for heard in calls.join_all().await {
        assert_eq!(heard, (1..=COUNT as u64).collect::<Vec<_>>());
    }
}
