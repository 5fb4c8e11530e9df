//! Behaviour with real child processes.

mod dropping;
mod ending;
mod faults;
mod order;
mod routing;
#[cfg(all(target_os = "linux", feature = "sandbox"))]
mod sandbox;
mod starting;

use std::{borrow::Cow, fs, future::Future, path::Path, time::Duration};

use bytes::Bytes;
use mcp_protocol::{
    jsonrpc::{Message, Response},
    version::Era,
};
use tokio::time::{sleep, timeout};

use super::{ChildCommand, ChildProcess};
use crate::{
    DeliveryError, Exchange, OutgoingMessage, OutgoingRequest, Transport,
    error::{ClosedReason, DeliveryErrorKind},
    transport::Mirrored,
};

/// Far longer than anything here takes; its end is a failure, not a measurement.
const HANG: Duration = Duration::from_secs(60);

/// Answers every request at once, in the shell.
const ECHO: &str = r#"
while read -r line; do
  id=${line#*\"id\":}
  printf '{"jsonrpc":"2.0","id":%s,"result":{}}\n' "${id%%[,\}]*}"
done"#;

fn shell(script: &str) -> ChildCommand {
    ChildCommand::new("sh").args(["-c", script])
}

async fn start(script: &str) -> ChildProcess {
    shell(script).spawn().await.unwrap()
}

fn request(id: i64, method: &'static str) -> OutgoingRequest {
    OutgoingRequest {
        id: id.into(),
        method: Cow::Borrowed(method),
        body: Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}"}}"#)),
        era: Era::Modern,
        protocol_version: None,
        mirrored: Mirrored::default(),
    }
}

fn message(body: impl Into<Bytes>) -> OutgoingMessage {
    OutgoingMessage {
        method: Some(Cow::Borrowed("notifications/test")),
        body: body.into(),
        era: Era::Modern,
        protocol_version: None,
    }
}

async fn bounded<T>(work: impl Future<Output = T>) -> T {
    timeout(HANG, work).await.expect("hangs")
}

/// The response, or why there is none.
async fn response(mut exchange: Exchange) -> Result<Response, DeliveryError> {
    loop {
        match bounded(exchange.next()).await {
            Some(Ok(Message::Response(response))) => {
                assert!(bounded(exchange.next()).await.is_none());
                return Ok(response);
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                assert!(bounded(exchange.next()).await.is_none());
                return Err(error);
            }
            None => panic!("ended without an answer"),
        }
    }
}

async fn result(server: &ChildProcess, id: i64) -> Bytes {
    let response = response(server.exchange(request(id, "test"))).await.unwrap();
    assert_eq!(response.id, Some(id.into()));
    response.outcome.unwrap()
}

fn closed(error: DeliveryError) -> ClosedReason {
    match error.kind {
        DeliveryErrorKind::Closed(reason) => reason,
        other => panic!("not closed: {other:?}"),
    }
}

/// Sends a request and lets go of it at once.
fn send_and_drop(server: &ChildProcess, id: i64, method: &'static str) {
    let mut exchange = server.exchange(request(id, method));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(exchange.poll_next(&mut cx).is_pending());
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(HANG, wait).await.is_ok(), "never: {what}");
}

/// Whether a process runs; a zombie does not.
fn runs(pid: u32) -> bool {
    state(pid).is_some_and(|state| state != 'Z')
}

fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().chars().next()
}

async fn number_in(file: &Path) -> u32 {
    let read = || fs::read_to_string(file).unwrap_or_default();
    until("a number in a file", || read().ends_with('\n')).await;
    read().trim().parse().unwrap()
}
