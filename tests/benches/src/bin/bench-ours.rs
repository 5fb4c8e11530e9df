//! Contender: this project's client, used through its public interface as anyone would.

#![forbid(unsafe_code)]

use anyhow::{Context, Result, ensure};
use mcp_bench_kit::{Contender, Job, Server};
use mcp_client::Client;
use serde::Serialize;

struct Ours(Client);

#[derive(Serialize)]
struct Arguments {
    text: &'static str,
}

#[derive(Serialize)]
struct Nothing {}

impl Contender for Ours {
    async fn connect(job: &Job) -> Result<Self> {
        let client = match &job.server {
            Server::Stdio { program, args } => {
                Client::stdio(program).args(args.iter().cloned()).connect().await?
            }
            Server::Http { url } => Client::http(url).connect().await?,
        };
        Ok(Self(client))
    }

    async fn echo(&mut self) -> Result<()> {
        let result = self.0.call_tool("echo", Arguments { text: "hello" }).await?;
        ensure!(result.content[0].as_text() == Some("hello"), "no echo");
        Ok(())
    }

    async fn list(&mut self) -> Result<usize> {
        Ok(self.0.list_tools().await?.items.len())
    }

    async fn blob(&mut self, tool: &'static str) -> Result<usize> {
        let result = self.0.call_tool(tool, Nothing {}).await?;
        Ok(result.content[0].as_text().context("no text")?.len())
    }

    async fn handles(self, job: &Job) -> Result<Vec<Self>> {
        Ok((0..job.in_flight).map(|_| Self(self.0.clone())).collect())
    }

    async fn close(self) -> Result<()> {
        self.0.close().await;
        Ok(())
    }
}

fn main() -> Result<()> {
    mcp_bench_kit::main::<Ours>()
}
