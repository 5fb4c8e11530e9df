//! What happens around calls, and what is known of them.

use std::{sync::Arc, time::Duration};

use mcp_agent::{
    Agent,
    caller::{Call, CallError, Reply},
    layers::{BreakerPolicy, CacheRules, CircuitState, Middleware, Next, Rate, RateRules, Trust},
    model::{
        BoxFuture,
        scripted::{Scene, ScriptedModel},
    },
    stack::StackOptions,
    toolbox::Callable,
};
use mcp_client::{
    AlertCondition, AlertRule, Hub, HubOptions,
    testing::{Answer, TestServer},
};
use serde_json::json;
use tokio::time::Instant;

use super::{Tried, database, http, tool, tools_of};

// guide: middleware
struct Log;

impl Middleware for Log {
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Result<Reply, CallError>> {
        Box::pin(async move {
            println!("{} on {}", call.operation.target(), call.server);
            let outcome = next.call(call).await;
            println!("{}", if outcome.is_ok() { "done" } else { "failed" });
            outcome
        })
    }
}
// end

#[tokio::test]
async fn layers() -> Tried {
    let server = database().await;
    let tools = tools_of("database", &server).await;
    let twice = || Scene::call("mcp__database__query", r#"{"sql": "SELECT 1"}"#);
    let model = ScriptedModel::new([twice(), twice(), Scene::text("Done.")]);
    // guide: layers
    let trusted = Trust::Servers(["database".to_owned()].into());
    let layers = StackOptions::default()
        .middleware(Log)
        .cache(CacheRules::new(Duration::from_secs(60)))
        .trust(trusted)
        .rate(RateRules::server(Rate::per_minute(60).burst(10)));
    let tools = Arc::new(tools.layers(&layers));
    let agent = Agent::builder(model).tools(Arc::clone(&tools)).build();
    // end
    assert_eq!(agent.run("Go.").await?.outcome.text(), "Done.");
    // guide: usage
    if let Some(query) = tools.report().operation("database", "query") {
        let tally = &query.tally;
        println!("{} calls, {} from the cache", tally.calls, tally.from_cache);
        println!("{:?} on average, {:.0} % failed", tally.average(), tally.error_rate() * 100.0);
    }
    // end
    let report = tools.report();
    let query = report.operation("database", "query").ok_or("not called")?;
    assert_eq!((query.tally.calls, query.tally.from_cache), (2, 1));
    Ok(())
}

#[tokio::test]
async fn a_server_that_keeps_failing() -> Tried {
    let server = TestServer::new()
        .tool(tool("query", "Runs SQL.", "sql"), |_| Answer::Usual)
        .on("tools/call", |_| Answer::End);
    let client = server.client().connect().await?;
    let tools = mcp_agent::toolbox::McpToolset::of_clients([("db".to_owned(), client)]).await;
    // guide: breaker
    let breaker =
        BreakerPolicy::default().failure_threshold(5).recovery_timeout(Duration::from_secs(60));
    let tools = Arc::new(tools.layers(&StackOptions::default().breaker(breaker)));
    // end
    let query = Callable::of(Arc::clone(&tools), "mcp__db__query")?;
    for _ in 0..5 {
        query.call(json!({"sql": "SELECT 1"})).await.unwrap_err();
    }
    // guide: breaker-state
    for server in tools.report().servers {
        if let Some(breaker) = server.breaker {
            println!("{}: {} {:?}", server.name, breaker.state, breaker.reason);
        }
    }
    // end
    let report = tools.report();
    let breaker = report.server("db").and_then(|server| server.breaker.clone());
    assert_eq!(breaker.ok_or("no breaker")?.state, CircuitState::Open);
    Ok(())
}

#[tokio::test]
async fn watched() -> Tried {
    let server = database().await;
    let hub = Hub::start(vec![http("database", server.url())], &HubOptions::default());
    hub.ready().await;
    // guide: monitor
    for server in hub.status() {
        let health = &server.health;
        println!("{}: {}", server.name, server.state.kind());
        println!("{:?}, {} a minute", health.latency(0.5), health.calls_per_minute(Instant::now()));
    }
    let slow = AlertCondition::Latency { share: 0.95, above: Duration::from_secs(1) };
    let alerts = hub.alerts(vec![AlertRule::new("high_latency", slow)], |alert| {
        println!("{} {}: {}", alert.server, alert.alert, alert.detail);
    });
    let metrics = hub.prometheus();
    // end
    assert!(alerts.firing().is_empty());
    assert!(metrics.contains("database"), "{metrics}");
    hub.close().await;
    Ok(())
}
