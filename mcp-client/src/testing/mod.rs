//! For tests of what uses MCP: servers that do what a test says, and traffic that was recorded.
//!
//! - [`TestServer`]: an MCP server by its script, in memory, over HTTP, lines or standard streams;
//!   both eras; what it heard can be looked at.
//! - [`PlayedServer`]: the test itself plays the server, message by message, where the order of
//!   events matters.
//! - [`TestClient`]: a client that notes what it is told and asked, for tests of servers.
//! - [`Recorder`] and [`Replay`]: the traffic with a real server, written down and played again.
//! - [`HttpScript`]: an HTTP server that answers as a closure says, for statuses and headers.
//!
//! Nothing here sleeps unless a script says so, and everything runs on tokio's clock, which a test
//! can pause.

mod answer;
mod client;
mod conversation;
mod heard;
mod http_script;
mod played;
mod recorder;
mod recording;
mod redaction;
mod replay;
mod script;
mod server;
mod service;

pub use self::{
    answer::Answer,
    client::{TestClient, Told},
    heard::Heard,
    http_script::{HttpScript, Posted},
    played::PlayedServer,
    recorder::{Recorder, RecordingTape},
    replay::Replay,
    script::{legacy_opening, modern_opening},
    server::{HttpTestServer, TestServer},
};
