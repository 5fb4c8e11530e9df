//! One question, with tools of servers: what defog's `chat_async` does.

use mcp_agent::{
    Agent, AgentError, TypedError,
    model::scripted::{Scene, ScriptedModel},
    run::Budget,
    toolbox::{LocalTools, McpToolset, Toolset},
};
use mcp_client::{Client, ConnectFailure, Hub, HubOptions};

use super::{Tried, database, http, queries, tools_of, weather};

#[tokio::test]
async fn one_server() -> Tried {
    let (server, model) = (database().await, queries("Ada came three times."));
    let url = server.url();
    // guide: one-server
    let database = Client::http(url).connect().await?;
    let tools = McpToolset::of_clients([("database".to_owned(), database)]).await;
    let agent = Agent::builder(model).tools(tools).build();

    let finished = agent.run("Query the database for user statistics").await?;
    println!("{}", finished.outcome.text());
    // end
    assert_eq!(finished.outcome.text(), "Ada came three times.");
    Ok(())
}

#[tokio::test]
async fn many_servers() -> Tried {
    let (one, two) = (database().await, weather().await);
    let gone = http("gone", "http://127.0.0.1:9/mcp");
    let servers = vec![http("database", one.url()), http("weather", two.url()), gone];
    let model = queries("Done.");
    // guide: many-servers
    let hub = Hub::start(servers, &HubOptions::default());
    let tools = McpToolset::of_hub(hub.clone()).await;
    for problem in tools.problems() {
        eprintln!("without {}: {}", problem.server, problem.reason);
    }
    let agent = Agent::builder(model).tools(tools).build();
    let finished = agent.run("Analyze sales data and create a report").await?;
    // end
    assert_eq!(finished.outcome.text(), "Done.");
    let names: Vec<_> = agent.tools().iter().map(|tool| tool.name.clone()).collect();
    assert_eq!(names, ["mcp__database__query", "mcp__weather__current"]);
    hub.close().await;
    Ok(())
}

// guide: report-type
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct AnalysisReport {
    summary: String,
    visits: u32,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Currency {
    code: String,
}

async fn exchange_rate(currency: Currency) -> Result<String, String> {
    match currency.code.as_str() {
        "EUR" => Ok("1.08".to_owned()),
        other => Err(format!("no rate for {other}")),
    }
}
// end

#[tokio::test]
async fn everything_at_once() -> Tried {
    let server = database().await;
    let tools = tools_of("database", &server).await;
    let model = ScriptedModel::new([
        Scene::calls([
            ("mcp__database__query", r#"{"sql": "SELECT visits FROM users"}"#),
            ("exchange_rate", r#"{"code": "EUR"}"#),
        ]),
        Scene::call("final_answer", r#"{"summary": "Ada came.", "visits": 3}"#),
    ]);
    let seen = model.clone();
    // guide: everything
    let mine = LocalTools::new().tool("exchange_rate", "US dollars for one unit.", exchange_rate);
    let agent = Agent::builder(model)
        .tools(tools)
        .tools(mine)
        .budget(Budget::default().calls_of("mcp__database__query", 5).calls_of("exchange_rate", 3))
        .temperature(0.0)
        .max_tokens(2000)
        .build();
    let report: AnalysisReport = agent.ask("Analyze the visits of this month").await?;
    println!("{} ({} visits)", report.summary, report.visits);
    // end
    assert_eq!((report.summary.as_str(), report.visits), ("Ada came.", 3));
    let request = &seen.requests()[0];
    assert_eq!((request.temperature, request.max_tokens), (Some(0.0), Some(2000)));
    Ok(())
}

#[tokio::test]
async fn a_budget_for_one_tool() -> Tried {
    let server = database().await;
    let tools = tools_of("database", &server).await;
    let asking = |number: u32| {
        Scene::call("mcp__database__query", format!(r#"{{"sql": "SELECT {number}"}}"#))
    };
    let model = ScriptedModel::new((0..6).map(asking).chain([Scene::text("Five were enough.")]));
    let seen = model.clone();
    let budget = Budget::default().calls_of("mcp__database__query", 5);
    let agent = Agent::builder(model).tools(tools).budget(budget).build();
    assert_eq!(agent.run("Go.").await?.outcome.text(), "Five were enough.");
    let results = super::shown_to(&seen).pop().unwrap();
    // The sixth call never reached the server, and the model was told.
    assert_eq!(results.matches("Ada").count(), 5, "{results}");
    Ok(())
}

#[tokio::test]
async fn errors() -> Tried {
    let url = "http://127.0.0.1:9/mcp";
    let model = ScriptedModel::new([]);
    let agent = Agent::builder(model).build();
    // guide: errors
    match Client::http(url).connect().await {
        Ok(client) => println!("connected over {}", client.server().protocol_version),
        Err(failure) if failure.wants_authorization() => eprintln!("log in first: {failure}"),
        Err(failure @ ConnectFailure::Open { .. }) => eprintln!("nobody there: {failure}"),
        Err(failure) => eprintln!("it does not speak MCP: {failure}"),
    }
    match agent.ask::<AnalysisReport>("Analyze the visits").await {
        Ok(report) => println!("{}", report.summary),
        Err(TypedError::NoAnswer(finished)) => eprintln!("stopped: {}", finished.outcome.text()),
        Err(TypedError::Agent(AgentError::Model { source, .. })) => eprintln!("model: {source}"),
        Err(other) => eprintln!("{other}"),
    }
    // end
    assert!(matches!(
        Client::http(url).connect().await.unwrap_err(),
        ConnectFailure::Open { .. } | ConnectFailure::Handshake(_)
    ));
    Ok(())
}

#[tokio::test]
async fn names() -> Tried {
    let server = database().await;
    let client = || async { Client::http(server.url()).connect().await };
    let (one, two) = (client().await?, client().await?);
    // guide: names
    let tools = McpToolset::of_clients([("sales".to_owned(), one), ("hr".to_owned(), two)]).await;
    for (name, found) in tools.tools() {
        println!("{name} is `{}` of {}", found.tool.name, found.server);
    }
    let budget = Budget::default().calls_of("mcp__sales__query", 5).calls_of("mcp__hr__query", 3);
    // end
    let names: Vec<_> = tools.snapshot().tools.iter().map(|tool| tool.name.clone()).collect();
    assert_eq!(names, ["mcp__hr__query", "mcp__sales__query"]);
    assert_eq!(budget.calls_per_tool.len(), 2);
    Ok(())
}
