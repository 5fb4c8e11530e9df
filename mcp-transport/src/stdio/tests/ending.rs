//! How a server ends, and that nothing of it stays.

use std::{
    env,
    process::{Command, Stdio},
    thread,
};

use tokio::runtime::Builder;

use super::*;

/// Ignores both the end of its input and SIGTERM.
const STUBBORN: &str = "trap '' TERM; while :; do sleep 1; done";

fn brief(command: ChildCommand) -> ChildCommand {
    command.shutdown_grace(Duration::from_millis(50)).kill_grace(Duration::from_millis(50))
}

/// Starts a background process whose id it writes to `$0`, then does something else.
fn with_grandchild(then: &str, file: &Path) -> ChildCommand {
    shell(&format!(r#"{{ trap '' TERM; exec sleep 1000; }} & echo $! >"$0"; {then}"#))
        .arg(file.to_str().unwrap())
}

#[tokio::test]
async fn a_good_server_ends_when_its_input_does() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("end");
    let server = shell(r#"cat >/dev/null; echo ended >"$0""#)
        .arg(file.to_str().unwrap())
        .shutdown_grace(HANG)
        .spawn()
        .await
        .unwrap();
    let pid = server.pid();
    assert!(!server.is_closed());
    bounded(server.close()).await;
    assert_eq!(fs::read_to_string(file).unwrap(), "ended\n");
    assert_eq!(state(pid), None, "no zombie");
    bounded(server.close()).await;
}

// covers: stdio-shutdown
#[tokio::test]
async fn sigterm_comes_before_sigkill() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("end");
    let script =
        r#"trap 'echo term >"$0"; exit' TERM; echo ready >&2; while :; do sleep 0.01; done"#;
    let server = shell(script)
        .arg(file.to_str().unwrap())
        .shutdown_grace(Duration::from_millis(10))
        .kill_grace(HANG)
        .spawn()
        .await
        .unwrap();
    until("ready", || !server.stderr_tail().is_empty()).await;
    bounded(server.close()).await;
    assert_eq!(fs::read_to_string(file).unwrap(), "term\n");
    assert_eq!(state(server.pid()), None);
}

#[tokio::test]
async fn a_stubborn_server_is_killed_with_a_large_write_pending() {
    let server = brief(shell(STUBBORN)).spawn().await.unwrap();
    let large = format!(r#"{{"method":"{}"}}"#, "x".repeat(8_000_000));
    bounded(server.send(message(large))).await.unwrap();
    send_and_drop(&server, 1, "test");
    let mut waiting = server.exchange(request(2, "test"));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(waiting.poll_next(&mut cx).is_pending());
    bounded(server.close()).await;
    assert_eq!(state(server.pid()), None);
    let error = response(waiting).await.unwrap_err();
    assert_eq!(error.sent, crate::error::Sent::No);
    assert!(closed(error).note.unwrap().contains("closed from this side"));
}

#[tokio::test]
async fn the_output_is_read_on_while_the_server_ends() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("end");
    // More than a pipe holds, after the end of the input.
    let script =
        r#"cat >/dev/null; sleep 0.5; head -c 3000000 /dev/zero | tr '\0' '\n'; echo ended >"$0""#;
    let server =
        shell(script).arg(file.to_str().unwrap()).shutdown_grace(HANG).spawn().await.unwrap();
    bounded(server.close()).await;
    assert_eq!(fs::read_to_string(file).unwrap(), "ended\n");
}

#[tokio::test]
async fn closing_fails_what_is_under_way() {
    let server = start("cat >/dev/null").await;
    let mut exchange = server.exchange(request(1, "test"));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(exchange.poll_next(&mut cx).is_pending());
    bounded(server.close()).await;
    closed(response(exchange).await.unwrap_err());
}

// covers: stdio-shutdown
#[tokio::test]
async fn others_of_the_group_end_with_the_server() {
    let folder = tempfile::tempdir().unwrap();
    for then in ["cat >/dev/null", "read -r line; exit 0", STUBBORN] {
        let file = folder.path().join("pid");
        let server = brief(with_grandchild(then, &file)).spawn().await.unwrap();
        let grandchild = number_in(&file).await;
        assert!(runs(grandchild));
        bounded(server.close()).await;
        until("the grandchild is gone", || !runs(grandchild)).await;
        assert_eq!(state(server.pid()), None);
        fs::remove_file(file).unwrap();
    }
}

#[tokio::test]
async fn dropping_ends_a_stubborn_server() {
    let server = brief(shell(STUBBORN)).spawn().await.unwrap();
    let pid = server.pid();
    let exchange = server.exchange(request(1, "test"));
    drop(server);
    until("the server is gone", || state(pid).is_none()).await;
    closed(response(exchange).await.unwrap_err());
}

#[test]
fn dropping_outside_a_runtime_works() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime.block_on(brief(shell(STUBBORN)).spawn()).unwrap();
    let mut exchange = server.exchange(request(1, "test"));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(exchange.poll_next(&mut cx).is_pending());
    let pid = server.pid();
    drop(exchange);
    drop(server);
    drop(runtime);
    wait_outside_a_runtime("the server is gone", || state(pid).is_none());
}

#[test]
fn dropping_after_the_runtime_works() {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let server = runtime.block_on(brief(shell(STUBBORN)).spawn()).unwrap();
    let mut exchange = server.exchange(request(1, "test"));
    let pid = server.pid();
    drop(runtime);
    // Nobody would ever answer: that must not look like waiting.
    let other = Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = other.block_on(bounded(exchange.next())).unwrap();
    assert!(closed(outcome.unwrap_err()).note.unwrap().contains("runtime"));
    assert!(server.is_closed());
    drop(server);
    wait_outside_a_runtime("the server is gone", || state(pid).is_none());
}

fn wait_outside_a_runtime(what: &str, holds: impl FnMut() -> bool) {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(until(what, holds));
}

/// The parent-death signal follows the thread that forked, so it must not be one that ends.
#[test]
fn a_server_outlives_the_thread_that_asked_for_it() {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    let server = thread::spawn(move || handle.block_on(start(ECHO))).join().unwrap();
    for id in 1..20 {
        runtime.block_on(result(&server, id));
        thread::sleep(Duration::from_millis(1));
    }
    runtime.block_on(bounded(server.close()));
}

#[tokio::test]
async fn many_servers_leave_no_zombies() {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..30 {
        tasks.spawn(async move {
            let server = brief(shell(if number % 3 == 0 { STUBBORN } else { ECHO })).spawn().await;
            let server = server.unwrap();
            if number % 2 == 0 {
                bounded(server.close()).await;
            }
            server.pid()
        });
    }
    for pid in bounded(tasks.join_all()).await {
        until("a server is gone", || state(pid).is_none()).await;
    }
}

const ROLE: &str = "MCP_TRANSPORT_TEST_PARENT";

/// Not a test by itself: what `nothing_survives_the_death_of_the_parent` starts and kills.
#[tokio::test]
async fn parent_that_is_killed() {
    if env::var_os(ROLE).is_none() {
        return;
    }
    let folder = env::var(ROLE).unwrap();
    let stubborn = shell(STUBBORN).spawn().await.unwrap();
    // A grandchild is not the parent's child, but sees the end of its input.
    let wrapper =
        r#"{ echo "$(exec sh -c 'echo $PPID')" >"$0"; cat; } <&3 >/dev/null & exec 3<&-; wait"#;
    let _wrapper = shell(&format!("exec 3<&0; {wrapper}"))
        .arg(format!("{folder}/grandchild"))
        .spawn()
        .await
        .unwrap();
    fs::write(format!("{folder}/child"), format!("{}\n", stubborn.pid())).unwrap();
    sleep(HANG).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn nothing_survives_the_death_of_the_parent() {
    let folder = tempfile::tempdir().unwrap();
    let mut parent = Command::new(env::current_exe().unwrap())
        .args(["--exact", "stdio::tests::ending::parent_that_is_killed"])
        .env(ROLE, folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let child = number_in(&folder.path().join("child")).await;
    let grandchild = number_in(&folder.path().join("grandchild")).await;
    assert!(runs(child) && runs(grandchild));
    parent.kill().unwrap();
    parent.wait().unwrap();
    until("the child is gone", || !runs(child)).await;
    until("the grandchild is gone", || !runs(grandchild)).await;
}
