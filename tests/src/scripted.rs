//! A server in memory that does what a closure says: for faults and orders of events that no real
//! server produces on demand.

use std::sync::{Arc, Mutex, PoisonError};

use mcp_client::{
    protocol::jsonrpc::Message,
    transport::memory::{MemoryConnect, MemoryPeer},
};
use serde_json::{Value, json};

/// What the client sent: methods and parameters, in order.
#[derive(Clone, Debug, Default)]
pub struct Seen(Arc<Mutex<Vec<(String, Value)>>>);

impl Seen {
    fn push(&self, method: &str, params: &Value) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push((method.to_owned(), params.clone()));
    }

    /// The methods in order.
    pub fn methods(&self) -> Vec<String> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().map(|(method, _)| method.clone()).collect()
    }

    /// The parameters of all messages with this method.
    pub fn params(&self, method: &str) -> Vec<Value> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|(name, _)| name == method).map(|(_, params)| params.clone()).collect()
    }
}

/// What a script does with one message of the client.
#[derive(Clone, Debug)]
pub enum Act {
    /// Answers with this result.
    Result(Value),
    /// Answers with this error.
    Error(i64, &'static str, Value),
    /// Sends this first, then acts.
    Send(Value, Box<Self>),
    /// Does not answer.
    Silence,
    /// Ends.
    End,
}

/// An answer.
pub fn result(result: Value) -> Act {
    Act::Result(result)
}

/// A server by its script, which is called with every method and its parameters. Discovery and
/// `initialize` may be left to [`modern`] and [`legacy`].
pub fn server(script: impl FnMut(&str, &Value) -> Act + Send + 'static) -> (MemoryConnect, Seen) {
    let seen = Seen::default();
    let record = seen.clone();
    let script = Arc::new(Mutex::new(script));
    let recipe = MemoryConnect::new(move |peer| {
        let (script, seen) = (Arc::clone(&script), record.clone());
        async move { serve(peer, &script, &seen).await }
    });
    (recipe, seen)
}

async fn serve(mut peer: MemoryPeer, script: &Mutex<impl FnMut(&str, &Value) -> Act>, seen: &Seen) {
    while let Some(message) = peer.recv().await {
        let (id, method, params) = match message {
            Message::Request(request) => (Some(request.id), request.method, request.params),
            Message::Notification(note) => (None, note.method, note.params),
            Message::Response(response) => {
                let outcome = match response.outcome {
                    Ok(result) => serde_json::from_slice(&result).unwrap_or_default(),
                    Err(object) => json!(object),
                };
                seen.push("(response)", &outcome);
                continue;
            }
        };
        let params: Value = serde_json::from_slice(&params).unwrap_or_default();
        seen.push(&method, &params);
        let mut act = {
            let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
            script(&method, &params)
        };
        while let Act::Send(message, then) = act {
            peer.send(message.to_string());
            act = *then;
        }
        let Some(id) = id else { continue };
        let answer = match act {
            Act::Result(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Act::Error(code, message, data) => {
                let error = json!({"code": code, "message": message, "data": data});
                json!({"jsonrpc": "2.0", "id": id, "error": error})
            }
            Act::End => return,
            Act::Silence | Act::Send(..) => continue,
        };
        peer.send(answer.to_string());
    }
}

/// Answers `server/discover` as a server of revision 2026-07-28, if it is that.
pub fn modern(method: &str, capabilities: &Value) -> Option<Act> {
    (method == "server/discover").then(|| {
        result(json!({
            "resultType": "complete", "supportedVersions": ["2026-07-28"],
            "capabilities": capabilities, "ttlMs": 0, "cacheScope": "private",
        }))
    })
}

/// Answers the opening as a server of an earlier revision, if it is that.
pub fn legacy(method: &str, version: &str, capabilities: &Value) -> Option<Act> {
    match method {
        "server/discover" => Some(Act::Error(-32601, "unknown method", Value::Null)),
        "initialize" => Some(result(json!({
            "protocolVersion": version, "capabilities": capabilities,
            "serverInfo": {"name": "scripted", "version": "1"},
        }))),
        "notifications/initialized" => Some(Act::Silence),
        _ => None,
    }
}
