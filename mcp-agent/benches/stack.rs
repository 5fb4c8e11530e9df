//! What the layers add to a call: the same server with and without them.

use std::{
    hint::black_box,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use criterion::{Criterion, criterion_group, criterion_main};
use mcp_agent::{
    caller::{Answer, Call, CallError, Caller, Reply, ToolHints},
    layers::{CacheRules, Rate, RateRules, RetryRules, Trust},
    stack::{Stack, StackOptions},
};
use mcp_client::protocol::tools::CallToolResult;
use serde_json::{Map, json};

/// Answers after so many turns of the runtime, as a socket would after one.
struct Server {
    result: Arc<CallToolResult>,
    turns: u32,
}

impl Caller for Server {
    async fn call(&self, call: Call) -> Result<Reply, CallError> {
        call.clock.attempt();
        for _ in 0..self.turns {
            tokio::task::yield_now().await;
        }
        Ok(Reply::new(Answer::Tool(Arc::clone(&self.result))))
    }
}

fn server(turns: u32) -> Server {
    let result = json!({"content": [{"type": "text", "text": "42"}]});
    let result: CallToolResult = serde_json::from_value(result).expect("it is one");
    Server { result: Arc::new(result), turns }
}

fn call() -> Call {
    let arguments: Map<_, _> =
        [("query".to_owned(), "rust".into()), ("limit".to_owned(), 5.into())].into_iter().collect();
    let hints = ToolHints { read_only: true, idempotent: true };
    Call::tool("search", "web", arguments).hints(hints)
}

fn everything() -> StackOptions {
    StackOptions::default()
        .trust(Trust::Everybody)
        .attempt_timeout(Duration::from_secs(60))
        .retry(RetryRules::default())
        // Never full: what is measured is the way, not a wait.
        .rate(RateRules::server(Rate::new(u32::MAX, Duration::from_secs(1))))
}

fn layers(c: &mut Criterion) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let mut group = c.benchmark_group("call");
    for turns in [0, 1] {
        let reply = if turns == 0 { "at once" } else { "after one turn" };
        let bare = server(turns);
        let default = Stack::new(server(turns), &StackOptions::default());
        let all = Stack::new(server(turns), &everything());
        group.bench_function(format!("{reply}/no layers"), |b| {
            b.iter(|| runtime.block_on(bare.call(black_box(call()))));
        });
        group.bench_function(format!("{reply}/default layers"), |b| {
            b.iter(|| runtime.block_on(default.call(black_box(call()))));
        });
        group.bench_function(format!("{reply}/all but cache and audit"), |b| {
            b.iter(|| runtime.block_on(all.call(black_box(call()))));
        });
    }
    let cached =
        Stack::new(server(1), &everything().cache(CacheRules::new(Duration::from_secs(3600))));
    group.bench_function("hit in the cache", |b| {
        b.iter(|| runtime.block_on(cached.call(black_box(call()))));
    });
    group.finish();
}

/// How large the future of a call is: it is moved and kept with the caller's own.
#[expect(clippy::print_stdout, reason = "a figure beside those of criterion")]
fn size(_: &mut Criterion) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    // For the clocks of the call, which is polled by hand.
    let _entered = runtime.enter();
    let stack = Stack::new(server(0), &everything());
    let future = stack.call(call());
    println!("the future of a call takes {} bytes", size_of_val(&future));
    let mut future = Box::pin(future);
    let ready = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(ready, Poll::Ready(Ok(_))), "a server that answers at once is not waited for");
}

criterion_group!(benches, layers, size);
criterion_main!(benches);
