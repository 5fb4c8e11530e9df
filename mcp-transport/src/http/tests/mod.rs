//! The transport against small real servers on the loopback.

mod answers;
mod authorization;
mod connections;
mod legacy;
mod legacy_sse;
mod proxies;
mod reach;
mod redirects;
mod secure;
mod server;
mod settings;
#[cfg(feature = "websocket")]
mod websocket;

use std::sync::Arc;

use mcp_protocol::{
    jsonrpc::{self, Message, Response},
    version::{Era, ProtocolVersion},
};
use serde_json::{Value, json};

use self::server::{Reply, Server};
use super::HttpConfig;
use crate::{
    Connect, DeliveryError, OutgoingMessage, OutgoingRequest, Transport, transport::Mirrored,
};

/// A request of the modern era.
fn modern(id: i64, method: &'static str, params: &Value) -> OutgoingRequest {
    OutgoingRequest {
        id: id.into(),
        method: method.into(),
        body: jsonrpc::encode_request(&id.into(), method, params, None).unwrap(),
        era: Era::Modern,
        protocol_version: Some(ProtocolVersion::V2026_07_28),
        mirrored: Mirrored::default(),
    }
}

/// A request of the legacy era.
fn legacy(id: i64, method: &'static str, params: &Value) -> OutgoingRequest {
    let version = (method != "initialize").then_some(ProtocolVersion::V2025_11_25);
    OutgoingRequest { era: Era::Legacy, protocol_version: version, ..modern(id, method, params) }
}

/// A notification of the legacy era.
fn notification(method: &'static str) -> OutgoingMessage {
    OutgoingMessage {
        method: Some(method.into()),
        body: jsonrpc::encode_notification(method, &(), None).unwrap(),
        era: Era::Legacy,
        protocol_version: Some(ProtocolVersion::V2025_11_25),
    }
}

async fn open(config: HttpConfig) -> Arc<dyn Transport> {
    config.connect().await.unwrap()
}

async fn open_to(server: &Server) -> Arc<dyn Transport> {
    open(HttpConfig::new(server.url())).await
}

/// Runs an exchange to its end: what came before the response, and the response.
async fn run(
    transport: &Arc<dyn Transport>,
    request: OutgoingRequest,
) -> (Vec<Message>, Result<Response, DeliveryError>) {
    let mut exchange = transport.exchange(request);
    let mut before = Vec::new();
    loop {
        match exchange.next().await.expect("the response comes last") {
            Ok(Message::Response(response)) => {
                assert!(exchange.next().await.is_none());
                return (before, Ok(response));
            }
            Ok(message) => before.push(message),
            Err(error) => {
                assert!(exchange.next().await.is_none());
                return (before, Err(error));
            }
        }
    }
}

/// The result of a call that is expected to succeed.
async fn call(transport: &Arc<dyn Transport>, id: i64) -> Value {
    let (_, response) = run(transport, modern(id, "tools/call", &json!({ "n": id }))).await;
    serde_json::from_slice(&response.unwrap().outcome.unwrap()).unwrap()
}

/// The error of a call that is expected to fail.
async fn fail(transport: &Arc<dyn Transport>) -> DeliveryError {
    let (_, response) = run(transport, modern(1, "tools/call", &json!({}))).await;
    response.map(|_| "a response").unwrap_err()
}
