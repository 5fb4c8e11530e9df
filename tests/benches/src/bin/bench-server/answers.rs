//! What is answered to what. A message is looked at only as far as its id, its method and the name
//! of the tool.

use std::cell::OnceCell;
use std::fmt::Write as _;

use memchr::memmem;
use serde_json::{Value, json};

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Revision {
    /// 2025-11-25.
    Legacy,
    /// 2026-07-28, and the handshake of the one before.
    Modern,
}

/// What `tools/list` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    /// So many tools that nobody calls.
    Idle(usize),
    /// The tool `echo`, for gateways, which call only what they have seen.
    Echo,
}

/// All results of one server.
#[derive(Debug)]
pub(crate) struct Answers {
    revision: Revision,
    initialize: Vec<u8>,
    discover: Vec<u8>,
    tools: Vec<u8>,
    echo: Vec<u8>,
    blob_1m: OnceCell<Vec<u8>>,
    blob_10m: OnceCell<Vec<u8>>,
}

/// What to send back.
#[derive(Debug)]
pub(crate) enum Answer<'a> {
    /// Nothing: it was a notification.
    None,
    /// A response is `head`, the id, `middle`, the body and a closing brace.
    Response { id: &'a [u8], key: &'static str, body: &'a [u8] },
}

/// How a response starts, up to its id.
pub(crate) const HEAD: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":";

const UNKNOWN_METHOD: &[u8] = br#"{"code":-32601,"message":"Method not found"}"#;
const UNKNOWN_TOOL: &[u8] = br#"{"code":-32602,"message":"Unknown tool"}"#;

impl Revision {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "legacy" => Some(Self::Legacy),
            "modern" => Some(Self::Modern),
            _ => None,
        }
    }
}

impl Listed {
    pub(crate) fn named(name: &str) -> Option<Self> {
        if name == "echo" { Some(Self::Echo) } else { name.parse().ok().map(Self::Idle) }
    }

    fn tools(self) -> Vec<Value> {
        match self {
            Self::Idle(tools) => (0..tools).map(tool).collect(),
            Self::Echo => vec![json!({
                "name": "echo",
                "description": "Says back what it is told.",
                "inputSchema": {
                    "type": "object",
                    "properties": {"text": {"type": "string"}},
                    "required": ["text"],
                },
            })],
        }
    }
}

impl Answers {
    pub(crate) fn new(revision: Revision, listed: Listed) -> Self {
        let server = json!({"name": "bench", "version": "1.0.0"});
        let initialize = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": server,
        });
        let discover = json!({
            "supportedVersions": ["2026-07-28", "2025-11-25"],
            "capabilities": {"tools": {}},
            "_meta": {"io.modelcontextprotocol/serverInfo": server},
        });
        let tools = json!({"tools": listed.tools()});
        Self {
            revision,
            initialize: initialize.to_string().into_bytes(),
            discover: cacheable(revision, discover),
            tools: cacheable(revision, tools),
            echo: text(revision, "hello"),
            blob_1m: OnceCell::new(),
            blob_10m: OnceCell::new(),
        }
    }

    /// The answer to one message.
    pub(crate) fn to<'a>(&'a self, message: &'a [u8]) -> Answer<'a> {
        let Some(id) = after(message, b"\"id\":") else { return Answer::None };
        let id = &id[..memchr::memchr2(b',', b'}', id).unwrap_or(id.len())];
        let method = after(message, b"\"method\":").unwrap_or_default();
        let method = method.get(1..).unwrap_or_default();
        let method = &method[..memchr::memchr(b'"', method).unwrap_or(0)];
        let body: &[u8] = match (method, self.revision) {
            (b"tools/call", _) => match self.call(message) {
                Some(body) => body,
                None => return Answer::Response { id, key: "error", body: UNKNOWN_TOOL },
            },
            (b"tools/list", _) => &self.tools,
            (b"initialize", _) => &self.initialize,
            (b"server/discover", Revision::Modern) => &self.discover,
            (b"ping", _) => b"{}",
            _ => return Answer::Response { id, key: "error", body: UNKNOWN_METHOD },
        };
        Answer::Response { id, key: "result", body }
    }

    fn call(&self, message: &[u8]) -> Option<&[u8]> {
        if memmem::find(message, b"\"echo\"").is_some() {
            return Some(&self.echo);
        }
        let blob = |bytes| text(self.revision, &log_of(bytes));
        let name = &message[memmem::find(message, b"\"blob1")?..];
        if name.starts_with(b"\"blob1M\"") {
            Some(self.blob_1m.get_or_init(|| blob(1_000_000)))
        } else if name.starts_with(b"\"blob10M\"") {
            Some(self.blob_10m.get_or_init(|| blob(10_000_000)))
        } else {
            None
        }
    }
}

/// What stands after the key, whatever space there is.
fn after<'a>(message: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    Some(message[memmem::find(message, key)? + key.len()..].trim_ascii_start())
}

fn cacheable(revision: Revision, mut result: Value) -> Vec<u8> {
    if revision == Revision::Modern {
        result["resultType"] = json!("complete");
        result["ttlMs"] = json!(0);
        result["cacheScope"] = json!("private");
    }
    result.to_string().into_bytes()
}

fn text(revision: Revision, text: &str) -> Vec<u8> {
    let mut result = json!({"content": [{"type": "text", "text": text}]});
    if revision == Revision::Modern {
        result["resultType"] = json!("complete");
    }
    result.to_string().into_bytes()
}

/// A text as programs print it: lines, quotes, paths, now and then a letter beyond ASCII.
fn log_of(bytes: usize) -> String {
    let mut log = String::with_capacity(bytes + 200);
    let mut line = 0_u32;
    while log.len() < bytes {
        line += 1;
        // Writing to a string cannot fail.
        let _ = writeln!(
            log,
            "{line:07}\tINFO café::worker finished \"task {}\" in C:\\jobs\\{} after {} ms, next one queued",
            line % 977,
            line % 31,
            line % 1009,
        );
    }
    log
}

/// One tool, of about a kilobyte, as servers describe them.
fn tool(number: usize) -> Value {
    json!({
        "name": format!("search_records_{number:04}"),
        "title": format!("Search records of kind {number}"),
        "description": "Searches the records of this kind and returns those that match, the newest \
            first. Give either a query or a list of ids. Results come in pages; pass the cursor of \
            the last page to get the next one.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "query": {
                    "type": "string",
                    "description": "Words to look for. \"Quoted\" words are taken as they stand.",
                    "minLength": 1,
                    "maxLength": 500,
                },
                "ids": {"type": "array", "items": {"type": "string"}, "maxItems": 100},
                "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
                "order": {"type": "string", "enum": ["newest", "oldest", "relevance"]},
                "filter": {
                    "type": "object",
                    "properties": {
                        "author": {"type": ["string", "null"]},
                        "since": {"type": "string", "format": "date-time"},
                        "labels": {"type": "array", "items": {"type": "string"}},
                    },
                    "additionalProperties": false,
                },
                "cursor": {"type": "string"},
            },
            "required": ["query"],
            "additionalProperties": false,
        },
        "annotations": {"readOnlyHint": true, "openWorldHint": false},
    })
}
