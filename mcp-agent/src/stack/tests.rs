use std::{sync::Mutex, time::Duration};

use mcp_client::Identity;
use mcp_protocol::tools::CallToolResult;
use serde_json::{Map, json};
use tokio::time::{Instant, advance};
use tower::ServiceBuilder;

use super::*;
use crate::{
    caller::{Answer, LoginRequired, Operation, TimeScope, ToolHints},
    layers::{
        BreakerPolicy, CacheRules, CircuitState, ConcurrencyLimits, Rate, RateRules, RetryRules,
        Trust, WhenFull, testing::Fake,
    },
};

const SECOND: Duration = Duration::from_secs(1);

fn pong() -> Arc<Fake> {
    Arc::new(Fake::new(|call, _| {
        Box::pin(async move {
            call.clock.attempt();
            Ok(Reply::new(Answer::Pong))
        })
    }))
}

fn lost(call: &Call) -> CallError {
    CallError::TimedOut {
        server: Arc::clone(&call.server),
        method: "tools/call",
        after: SECOND,
        scope: TimeScope::Attempt,
        sent: true,
    }
}

fn tool(server: &str) -> Call {
    Call::tool(server, "query", Map::new())
}

#[tokio::test(start_paused = true)]
async fn each_server_has_its_own_circuit() {
    let server = Arc::new(Fake::new(|call, _| {
        Box::pin(async move {
            call.clock.attempt();
            match &*call.server {
                "bad" => Err(lost(&call)),
                _ => Ok(Reply::new(Answer::Pong)),
            }
        })
    }));
    let policy = BreakerPolicy::default().failure_threshold(3);
    let stack = Stack::new(Arc::clone(&server), &StackOptions::default().breaker(policy));
    for _ in 0..10 {
        stack.call(tool("bad")).await.unwrap_err();
        stack.call(tool("good")).await.unwrap();
    }
    assert_eq!(server.calls(), 3 + 10);
    let report = stack.report();
    let state = |name| report.server(name).unwrap().breaker.as_ref().unwrap().state;
    assert_eq!((state("bad"), state("good")), (CircuitState::Open, CircuitState::Closed));
    assert_eq!(report.operation("bad", "query").unwrap().tally.failures, 10);
    assert_eq!(report.operation("good", "query").unwrap().tally.failures, 0);
}

#[tokio::test(start_paused = true)]
async fn one_call_is_counted_once_however_often_it_was_sent() {
    let server = Arc::new(Fake::new(|call, before| {
        Box::pin(async move {
            call.clock.attempt();
            if before < 2 { Err(lost(&call)) } else { Ok(Reply::new(Answer::Pong)) }
        })
    }));
    let options = StackOptions::default().retry(RetryRules::default()).trust(Trust::Everybody);
    let stack = Stack::new(server, &options);
    let hints = ToolHints { idempotent: true, ..ToolHints::default() };
    stack.call(tool("db").hints(hints)).await.unwrap();
    let report = stack.report();
    let tally = &report.operation("db", "query").unwrap().tally;
    assert_eq!((tally.calls, tally.failures, tally.repeated), (1, 0, 2));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_covers_every_wait() {
    let rate = RateRules::server(Rate::new(1, 100 * SECOND).burst(1)).when_full(WhenFull::Wait);
    let server = pong();
    let options = StackOptions::default().rate(rate).deadline(10 * SECOND);
    let stack = Stack::new(Arc::clone(&server), &options);
    stack.call(tool("db")).await.unwrap();
    let started = Instant::now();
    let error = stack.call(tool("db")).await.unwrap_err();
    assert!(matches!(error, CallError::TimedOut { sent: false, .. }), "{error}");
    assert_eq!(started.elapsed(), 10 * SECOND);
    // What waited in vain does not count against the server.
    let report = stack.report();
    assert_eq!(report.server("db").unwrap().breaker.as_ref().unwrap().failures, 0);
    assert_eq!((report.server("db").unwrap().waiting, server.calls()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_hit_needs_neither_server_nor_place_nor_rate() {
    let result = serde_json::from_str(r#"{"content": []}"#).unwrap();
    let answer = Reply::new(Answer::Tool(Arc::new(result)));
    let server = Arc::new(Fake::new(move |call, _| {
        let answer = answer.clone();
        Box::pin(async move {
            call.clock.attempt();
            Ok(answer)
        })
    }));
    let rate = RateRules::server(Rate::new(1, 100 * SECOND).burst(1)).when_full(WhenFull::Refuse);
    let options = StackOptions::default()
        .cache(CacheRules::new(60 * SECOND).tool("db.query", 60 * SECOND))
        .rate(rate);
    let stack = Stack::new(Arc::clone(&server), &options);
    for hit in [false, true, true] {
        assert_eq!(stack.call(tool("db")).await.unwrap().from_cache, hit);
    }
    let report = stack.report();
    assert_eq!((report.cache.unwrap().hits, server.calls()), (2, 1));
    assert_eq!(report.operation("db", "query").unwrap().tally.from_cache, 2);
    stack.clear_cache();
    advance(200 * SECOND).await;
    assert!(!stack.call(tool("db")).await.unwrap().from_cache);
}

#[tokio::test(start_paused = true)]
async fn a_server_may_have_limits_of_its_own() {
    let limits = ServerLimits::default()
        .concurrency(1)
        .attempt_timeout(SECOND)
        .rate(RateRules::server(Rate::new(1, SECOND)).when_full(WhenFull::Refuse));
    let silent = Fake::new(|call, _| {
        Box::pin(async move {
            call.clock.attempt();
            std::future::pending().await
        })
    });
    let stack = Stack::new(silent, &StackOptions::default().server("slow", limits));
    let error = stack.call(tool("slow")).await.unwrap_err();
    let attempt = matches!(error, CallError::TimedOut { scope: TimeScope::Attempt, .. });
    assert!(attempt, "{error}");
    let error = stack.call(tool("other")).await.unwrap_err();
    assert!(matches!(error, CallError::TimedOut { scope: TimeScope::Call, .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn made_up_names_leave_nothing_behind() {
    let nobody = Fake::new(|call, _| {
        Box::pin(async move { Err(CallError::UnknownServer { server: call.server }) })
    });
    let stack = Stack::new(nobody, &StackOptions::default());
    for number in 0..100 {
        stack.call(tool(&number.to_string())).await.unwrap_err();
    }
    assert!(stack.report().servers.is_empty());
}

#[tokio::test]
async fn tower_composes_the_layers() {
    let caller = ServiceBuilder::new()
        .layer(DeadlineLayer::call(SECOND))
        .layer(BreakerLayer::new(BreakerPolicy::default()))
        .layer(ConcurrencyLayer::new(ConcurrencyLimits::default()))
        .service(pong());
    caller.call(Call::new("db", Operation::Ping)).await.unwrap();
}

/// Servers of which each name can come to stand for another.
struct Changing(Arc<Fake>, Arc<Mutex<HashMap<String, Identity>>>);

impl Caller for Changing {
    fn call(&self, call: Call) -> impl Future<Output = Result<Reply, CallError>> + Send {
        self.0.call(call)
    }

    fn identities(&self) -> Option<Identities> {
        let known = Arc::clone(&self.1);
        Some(Arc::new(move |name: &str| known.lock().unwrap().get(name).copied()))
    }
}

#[tokio::test(start_paused = true)]
async fn another_server_of_the_same_name_begins_anew() {
    let server = Arc::new(Fake::new(|call, before| {
        Box::pin(async move {
            call.clock.attempt();
            if call.operation.tool() == Some("fail") {
                return Err(lost(&call));
            }
            let text = json!({"content": [{"type": "text", "text": before.to_string()}]});
            Ok(Reply::from(serde_json::from_value::<CallToolResult>(text).unwrap()))
        })
    }));
    let identities = Arc::new(Mutex::new(HashMap::new()));
    let stand = |entry, account| {
        identities.lock().unwrap().insert("db".to_owned(), Identity { entry, account });
    };
    let rate = RateRules::server(Rate::new(4, 1000 * SECOND).burst(4)).when_full(WhenFull::Refuse);
    let options = StackOptions::default()
        .cache(CacheRules::new(60 * SECOND).tool("db.query", 60 * SECOND))
        .breaker(BreakerPolicy::default().failure_threshold(2))
        .rate(rate);
    stand(1, 0);
    let stack = Stack::new(Changing(Arc::clone(&server), Arc::clone(&identities)), &options);
    let fail = || Call::tool("db", "fail", Map::new());
    let asked = async || stack.call(tool("db")).await.map(|reply| reply.from_cache);

    assert_eq!((asked().await.unwrap(), asked().await.unwrap()), (false, true));
    // Another account: nothing of what the first was told.
    stand(1, 1);
    assert_eq!((asked().await.unwrap(), asked().await.unwrap()), (false, true));
    for _ in 0..2 {
        stack.call(fail()).await.unwrap_err();
    }
    let breaker = |report: StackReport| report.server("db").unwrap().breaker.clone().unwrap();
    assert_eq!(breaker(stack.report()).state, CircuitState::Open);
    let refused = asked().await.unwrap_err();
    assert!(matches!(refused, CallError::CircuitOpen { .. }), "{refused}");

    // Another entry: closed, with its whole rate, and without the results of the one before.
    stand(2, 1);
    assert!(stack.report().servers.is_empty(), "the circuit of the former entry is not told of");
    assert_eq!((asked().await.unwrap(), asked().await.unwrap()), (false, true));
    assert_eq!(breaker(stack.report()).opened, 0);
    // What stands still of the former one goes with it.
    identities.lock().unwrap().clear();
    assert!(stack.report().servers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_missing_is_no_fault_of_the_server() {
    let server = Arc::new(Fake::new(|call, _| {
        Box::pin(async move {
            let login = LoginRequired::new(call.server, "https://x.test/connect/i", "i");
            Err(CallError::from(login))
        })
    }));
    let policy = BreakerPolicy::default().failure_threshold(1);
    let options = StackOptions::default().breaker(policy).retry(RetryRules::default());
    let stack = Stack::new(Arc::clone(&server), &options.trust(Trust::Everybody));
    let hints = ToolHints { read_only: true, idempotent: true };
    for _ in 0..3 {
        let error = stack.call(tool("notes").hints(hints)).await.unwrap_err();
        assert_eq!(error.login().map(LoginRequired::id), Some("i"), "{error}");
        assert!(!error.was_sent() && !error.is_another_servers_chance());
    }
    // Neither refused by the breaker nor made again.
    assert_eq!(server.calls(), 3);
    let report = stack.report();
    let breaker = report.server("notes").unwrap().breaker.as_ref().unwrap();
    assert_eq!((breaker.state, breaker.failures), (CircuitState::Closed, 0));
    let tally = &report.operation("notes", "query").unwrap().tally;
    assert_eq!((tally.calls, tally.failures, tally.repeated), (3, 0, 0));
}
