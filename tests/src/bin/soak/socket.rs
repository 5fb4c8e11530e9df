//! A server on a Unix socket, made of the test kit, that takes its time.

use std::{path::Path, time::Duration};

use anyhow::Result;
use mcp_client::{
    protocol::tools::Tool,
    testing::{Answer, TestServer},
};
use serde_json::json;
use tokio::{net::UnixListener, task::JoinSet};

/// Serves until it is killed.
pub(crate) async fn serve(path: &Path) -> Result<()> {
    if path.exists() {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    let mut calls = 0;
    let server = TestServer::new()
        .tool(Tool::new("echo", json!({"type": "object"})), |arguments| {
            arguments["text"].as_str().unwrap_or_default().into()
        })
        .on("tools/call", move |_| {
            calls += 1;
            Answer::Usual.after(Duration::from_millis(calls % 50))
        });
    let mut clients = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        while clients.try_join_next().is_some() {}
        let server = server.clone();
        clients.spawn(async move {
            let (input, output) = stream.into_split();
            // A client that is gone is no failure of the server.
            let _ = server.lines(input, output).await;
        });
    }
}
