//! Behaviour with real child processes.

use std::{borrow::Cow, future::Future, time::Duration};

use bytes::Bytes;
use mcp_protocol::{
    jsonrpc::{Message, Response},
    version::Era,
};
use tokio::time::timeout;

use super::{ChildCommand, ChildProcess};
use crate::{DeliveryError, Exchange, OutgoingRequest, Transport, transport::Mirrored};

/// Far longer than anything here takes; its end is a failure, not a measurement.
const HANG: Duration = Duration::from_secs(30);

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

async fn bounded<T>(work: impl Future<Output = T>) -> T {
    timeout(HANG, work).await.expect("hangs")
}

async fn response(mut exchange: Exchange) -> Result<Response, DeliveryError> {
    loop {
        match bounded(exchange.next()).await {
            Some(Ok(Message::Response(response))) => return Ok(response),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error),
            None => panic!("ended without an answer"),
        }
    }
}

#[tokio::test]
async fn calls_and_closes() {
    let server = start(ECHO).await;
    for id in 1..100 {
        let response = response(server.exchange(request(id, "ping"))).await.unwrap();
        assert_eq!(response.id, Some(id.into()));
    }
    bounded(server.close()).await;
    assert!(server.is_closed());
}
