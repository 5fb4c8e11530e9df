//! Contender: the official Rust SDK, used as its README shows, or tuned: one thread, connections
//! kept, as many requests at a time as there are callers.

#![forbid(unsafe_code)]

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use mcp_bench_kit::{Contender, Era, Job, Server};
use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RunningService};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{Peer, RoleClient};
use serde_json::{Map, Value};
use tokio::process::Command;

struct Rmcp {
    peer: Peer<RoleClient>,
    /// Ends the connection with the last handle.
    service: Arc<RunningService<RoleClient, ()>>,
    arguments: Map<String, Value>,
}

impl Contender for Rmcp {
    async fn connect(job: &Job) -> Result<Self> {
        let lifecycle = match job.era {
            Era::Legacy => ClientLifecycleMode::Initialize,
            Era::Modern => ClientLifecycleMode::Discover {
                preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            },
        };
        let service = match &job.server {
            Server::Stdio { program, args } => {
                let mut command = Command::new(program);
                command.args(args);
                let child = TokioChildProcess::new(command)?;
                ().serve_with_lifecycle(child, lifecycle).await?
            }
            Server::Http { url } if job.tuned => {
                let client = reqwest::Client::builder().tcp_nodelay(true).build()?;
                let mut config = StreamableHttpClientTransportConfig::with_uri(url.as_str());
                config.max_concurrent_requests = job.in_flight.max(64);
                let transport = StreamableHttpClientTransport::with_client(client, config);
                ().serve_with_lifecycle(transport, lifecycle).await?
            }
            Server::Http { url } => {
                let transport = StreamableHttpClientTransport::from_uri(url.as_str());
                ().serve_with_lifecycle(transport, lifecycle).await?
            }
        };
        let arguments = Map::from_iter([("text".to_owned(), "hello".into())]);
        Ok(Self { peer: service.peer().clone(), service: Arc::new(service), arguments })
    }

    async fn echo(&mut self) -> Result<()> {
        let request = CallToolRequestParams::new("echo").with_arguments(self.arguments.clone());
        let result = self.peer.call_tool(request).await?;
        let text = result.content.first().and_then(|block| block.as_text());
        ensure!(text.is_some_and(|text| text.text == "hello"), "no echo");
        Ok(())
    }

    async fn list(&mut self) -> Result<usize> {
        Ok(self.peer.list_all_tools().await?.len())
    }

    async fn blob(&mut self, tool: &'static str) -> Result<usize> {
        let result = self.peer.call_tool(CallToolRequestParams::new(tool)).await?;
        let block = result.content.first().and_then(|block| block.as_text());
        Ok(block.context("no text")?.text.len())
    }

    async fn handles(self, job: &Job) -> Result<Vec<Self>> {
        let handle = || Self {
            peer: self.peer.clone(),
            service: Arc::clone(&self.service),
            arguments: self.arguments.clone(),
        };
        Ok((0..job.in_flight).map(|_| handle()).collect())
    }

    async fn close(self) -> Result<()> {
        if let Ok(service) = Arc::try_unwrap(self.service) {
            service.cancel().await?;
        }
        Ok(())
    }
}

fn main() -> Result<()> {
    let provider = rustls::crypto::ring::default_provider();
    provider.install_default().ok().context("there is a provider already")?;
    mcp_bench_kit::main::<Rmcp>()
}
