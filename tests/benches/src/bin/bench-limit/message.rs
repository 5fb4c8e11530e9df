//! The requests, written once but for the id.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use mcp_bench_kit::Era;
use serde_json::{Value, json};

/// A request or notification with a gap for the id.
pub(crate) struct Message {
    before: String,
    after: String,
    /// For HTTP.
    pub(crate) headers: HeaderMap,
}

pub(crate) struct Messages {
    pub(crate) opening: Message,
    pub(crate) initialized: Message,
    pub(crate) echo: Message,
    pub(crate) list: Message,
    pub(crate) blob_1m: Message,
    pub(crate) blob_10m: Message,
}

impl Messages {
    pub(crate) fn new(era: Era) -> Self {
        let client = json!({"name": "limit", "version": "1.0.0"});
        let meta = (era == Era::Modern).then(|| {
            json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": client,
                "io.modelcontextprotocol/clientCapabilities": {},
            })
        });
        let opening = match era {
            Era::Legacy => {
                let params = json!({
                    "protocolVersion": "2025-11-25",
                    "capabilities": {},
                    "clientInfo": client,
                });
                Message::request(era, "initialize", None, &params)
            }
            Era::Modern => {
                Message::request(era, "server/discover", None, &with(meta.as_ref(), json!({})))
            }
        };
        let call = |name, arguments: Value| {
            let params = with(meta.as_ref(), json!({"name": name, "arguments": arguments}));
            Message::request(era, "tools/call", Some(name), &params)
        };
        Self {
            opening,
            initialized: Message {
                before: r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned(),
                after: String::new(),
                headers: headers(era, "notifications/initialized", None),
            },
            echo: call("echo", json!({"text": "hello"})),
            list: Message::request(era, "tools/list", None, &with(meta.as_ref(), json!({}))),
            blob_1m: call("blob1M", json!({})),
            blob_10m: call("blob10M", json!({})),
        }
    }
}

impl Message {
    fn request(era: Era, method: &'static str, name: Option<&'static str>, params: &Value) -> Self {
        Self {
            before: r#"{"jsonrpc":"2.0","id":"#.to_owned(),
            after: format!(r#","method":"{method}","params":{params}}}"#),
            headers: headers(era, method, name),
        }
    }

    /// Appends the request with this id.
    pub(crate) fn write(&self, id: u64, out: &mut Vec<u8>) {
        use std::io::Write as _;

        out.extend_from_slice(self.before.as_bytes());
        // Writing to a vector cannot fail.
        let _ = write!(out, "{id}");
        out.extend_from_slice(self.after.as_bytes());
    }

    /// Appends the notification.
    pub(crate) fn write_notification(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.before.as_bytes());
    }
}

fn with(meta: Option<&Value>, mut params: Value) -> Value {
    if let Some(meta) = meta {
        params["_meta"] = meta.clone();
    }
    params
}

fn headers(era: Era, method: &'static str, name: Option<&'static str>) -> HeaderMap {
    const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_static("127.0.0.1"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let accept = HeaderValue::from_static("application/json, text/event-stream");
    headers.insert(header::ACCEPT, accept);
    if era == Era::Modern {
        headers.insert(VERSION, HeaderValue::from_static("2026-07-28"));
        headers.insert("mcp-method", HeaderValue::from_static(method));
        if let Some(name) = name {
            headers.insert("mcp-name", HeaderValue::from_static(name));
        }
    } else if method != "initialize" {
        headers.insert(VERSION, HeaderValue::from_static("2025-11-25"));
    }
    headers
}

/// Whether this is the start of the response to that request. The server writes the id early.
pub(crate) fn answers(start: &[u8], id: u64) -> bool {
    let Some(at) = memchr::memmem::find(start, b"\"id\":") else { return false };
    let digits = start[at + 5..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |id, digit| id * 10 + u64::from(digit - b'0')) == id
}
