//! Contender: what any client on tokio must at least spend. Bytes out, bytes in, a look at the id;
//! hyper for HTTP, the bare pipes for stdio.

#![forbid(unsafe_code)]

mod message;
mod pipe;
mod post;

use std::sync::OnceLock;

use anyhow::{Result, ensure};
use mcp_bench_kit::{Contender, Era, Job, Server};
use tokio::time::Duration;

use message::{Message, Messages};
use pipe::Pipe;
use post::Post;

/// Connections share them, as they would share code.
static MESSAGES: OnceLock<Messages> = OnceLock::new();

struct Limit {
    messages: &'static Messages,
    link: Link,
    next: u64,
    tools: usize,
}

enum Link {
    Pipe(Box<Pipe>),
    Post(Post),
}

impl Limit {
    /// Calls, and tells how long the reply was.
    async fn call(&mut self, pick: impl FnOnce(&Messages) -> &Message) -> Result<usize> {
        let id = self.next;
        self.next += 1;
        let message = pick(self.messages);
        match &mut self.link {
            Link::Pipe(pipe) => pipe.call(message, id).await,
            Link::Post(post) => post.call(message, id).await,
        }
    }
}

impl Contender for Limit {
    async fn connect(job: &Job) -> Result<Self> {
        let link = match &job.server {
            Server::Stdio { program, args } => Link::Pipe(Box::new(Pipe::start(program, args)?)),
            Server::Http { url } => Link::Post(Post::connect(url).await?),
        };
        let messages = MESSAGES.get_or_init(|| Messages::new(job.era));
        let mut limit = Self { messages, link, next: 0, tools: job.tools };
        limit.call(|messages| &messages.opening).await?;
        if job.era == Era::Legacy {
            let message = &limit.messages.initialized;
            match &mut limit.link {
                Link::Pipe(pipe) => pipe.notify(message).await?,
                Link::Post(post) => post.notify(message).await?,
            }
        }
        Ok(limit)
    }

    async fn echo(&mut self) -> Result<()> {
        self.call(|messages| &messages.echo).await?;
        Ok(())
    }

    async fn list(&mut self) -> Result<usize> {
        // It does not count the tools, only whether there was enough for them.
        let length = self.call(|messages| &messages.list).await?;
        ensure!(length > self.tools * 900, "{length} bytes are too few for the list");
        Ok(self.tools)
    }

    async fn blob(&mut self, tool: &'static str) -> Result<usize> {
        if tool == "blob1M" {
            self.call(|messages| &messages.blob_1m).await
        } else {
            self.call(|messages| &messages.blob_10m).await
        }
    }

    async fn handles(self, job: &Job) -> Result<Vec<Self>> {
        let mut handles = vec![self];
        if matches!(job.server, Server::Http { .. }) {
            while handles.len() < job.in_flight {
                handles.push(Self::connect(job).await?);
            }
        }
        Ok(handles)
    }

    async fn crowd(
        mut handles: Vec<Self>,
        job: &Job,
        operations: usize,
    ) -> Result<(Vec<Self>, Vec<Duration>)> {
        let [Self { messages, link: Link::Pipe(pipe), next, .. }] = &mut handles[..] else {
            return mcp_bench_kit::crowd(handles, operations).await;
        };
        let laps = pipe.crowd(&messages.echo, *next, job.in_flight, operations).await?;
        *next += laps.len() as u64;
        Ok((handles, laps))
    }

    async fn close(self) -> Result<()> {
        match self.link {
            Link::Pipe(pipe) => pipe.close().await,
            Link::Post(post) => {
                drop(post);
                Ok(())
            }
        }
    }
}

fn main() -> Result<()> {
    mcp_bench_kit::main::<Limit>()
}
