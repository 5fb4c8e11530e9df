//! The shared surface of `tests/interop/peers.json` with the official Rust SDK, which serves both
//! eras.
//!
//! Usage: `rmcp-server [--http PORT]` (stdio without arguments).

#![expect(deprecated, reason = "the deprecated log messages are a part of the surface")]

mod changes;
mod handler;
mod jobs;
mod tools;

use anyhow::{Context, Result, bail};
use rmcp::ServiceExt;
use rmcp::transport::stdio;
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;

use tools::Peer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        None => {
            Peer::new().serve(stdio()).await?.waiting().await?;
        }
        Some("--http") => {
            let port: u16 = arguments.next().context("--http needs a port")?.parse()?;
            // Tasks outlive the requests, each of which is served by a clone.
            let peer = Peer::new();
            let service: StreamableHttpService<Peer, LocalSessionManager> =
                StreamableHttpService::new(
                    move || Ok(peer.clone()),
                    LocalSessionManager::default().into(),
                    rmcp::transport::StreamableHttpServerConfig::default(),
                );
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
            axum::serve(listener, axum::Router::new().nest_service("/mcp", service)).await?;
        }
        Some(other) => bail!("unknown argument `{other}`; usage: rmcp-server [--http PORT]"),
    }
    Ok(())
}
