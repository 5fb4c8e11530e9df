//! The Model Context Protocol as types: JSON-RPC, and every message of the revisions from
//! 2024-11-05 to 2026-07-28. No I/O, no clock, no runtime.
//!
//! ```
//! use mcp_protocol::{
//!     jsonrpc::{self, Message},
//!     method::Method,
//!     outcome::Outcome,
//!     tools::{CallTool, CallToolParams},
//! };
//!
//! let params = CallToolParams::new("add").arguments(serde_json::json!({"a": 2, "b": 3}));
//! let sent = jsonrpc::encode_request(&7.into(), CallTool::NAME, &params, None)?;
//! assert!(sent.starts_with(br#"{"jsonrpc":"2.0","id":7,"method":"tools/call""#));
//!
//! let text = br#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"5"}]}}"#;
//! let Message::Response(response) = Message::parse(&text.as_slice().into())? else {
//!     panic!("a result was expected")
//! };
//! let Outcome::Complete(result) = CallTool::decode(&response.outcome?)? else {
//!     panic!("this tool needs no input and makes no task")
//! };
//! assert_eq!(result.content[0].as_text(), Some("5"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

// The ground: messages as text, and how text becomes types.
mod blocks;
pub mod decode;
pub mod error_code;
pub mod jsonrpc;
pub mod method;
pub mod object;
mod open_enum;
pub mod raw;
mod read;
mod scan;
mod tolerant;
pub mod uri_template;
pub mod version;

// What every message may carry.
pub mod cache_hint;
pub mod list;
pub mod meta;
pub mod outcome;
pub mod pagination;

// Who is there and what they offer.
pub mod capabilities;
pub mod discover;
pub mod extensions;
pub mod icons;
pub mod implementation;
pub mod initialize;

// What servers offer.
pub mod completion;
pub mod content;
pub mod prompts;
pub mod resources;
pub mod skills;
pub mod tools;

// What servers ask of clients.
pub mod elicitation;
pub mod input_required;
pub mod roots;
pub mod sampling;

// What goes on beside requests.
pub mod logging;
pub mod notifications;
pub mod subscriptions;
pub mod tasks;

// What Streamable HTTP repeats in headers.
pub mod header_values;
pub mod param_headers;
