//! Tools as data and as functions.

use std::sync::Arc;

use futures_util::future::join_all;
use mcp_agent::{
    Agent,
    model::scripted::{Scene, ScriptedModel},
    toolbox::{
        Callable, Filtered, McpToolset, NameScheme, Named, SearchMode, SearchOptions, Searchable,
        ToolFilter, Toolset, export, names::NameRules,
    },
};
use mcp_client::{Client, Hub, HubOptions};
use serde_json::json;

use super::{Tried, database, http, shown_to, tools_of, weather};

#[tokio::test]
async fn listed_and_called() -> Tried {
    let server = database().await;
    let url = server.url();
    // guide: client
    let client = Client::http(url).bearer("your-api-key").connect().await?;
    for tool in client.list_tools().await?.items {
        println!("{}: {}", tool.name, tool.description.unwrap_or_default());
    }
    let result = client.call_tool("query", json!({"sql": "SELECT 1"})).await?;
    println!("{}", result.joined_text());
    // end
    assert!(result.joined_text().contains("Ada"));
    Ok(())
}

#[tokio::test]
async fn all_tools_or_one() -> Tried {
    let server = database().await;
    let tools = Arc::new(tools_of("database", &server).await);
    // guide: convert
    for function in Callable::all(Arc::clone(&tools)) {
        println!("{}", function.definition().name);
    }
    let query = Callable::of(tools, "mcp__database__query")?;
    let rows = query.call(json!({"sql": "SELECT * FROM users"})).await?;
    println!("{}", rows.to_text());
    // end
    assert!(rows.to_text().contains("Ada"));
    let error = query.call(json!({"sql": 1.5, "limit": 1})).await;
    assert!(error.is_ok(), "a number is coerced: {error:?}");
    query.call(json!({})).await.unwrap_err();
    Ok(())
}

#[tokio::test]
async fn tools_by_what_they_are_about() -> Tried {
    let (one, two) = (database().await, weather().await);
    let servers = vec![http("db", one.url()), http("sky", two.url())];
    let hub = Hub::start(servers, &HubOptions::default());
    let tools = McpToolset::of_hub(hub.clone()).await;
    // guide: discover-tools
    if let Some(found) = tools.tool("mcp__db__query") {
        let tool = &found.tool;
        println!("{}: {:?} {}", tool.name, tool.description, tool.input_schema);
    }
    let about_databases = ToolFilter::new().capability("database").tag("*sql");
    let tools = Filtered::by(tools, about_databases);
    // end
    let names: Vec<_> = tools.snapshot().tools.iter().map(|tool| tool.name.clone()).collect();
    assert_eq!(names, ["mcp__db__query"]);
    hub.close().await;
    Ok(())
}

#[tokio::test]
async fn tools_on_demand() -> Tried {
    let server = database().await;
    let tools = tools_of("database", &server).await;
    let model = ScriptedModel::new([
        Scene::call("search_tools", r#"{"query": "run sql"}"#),
        Scene::call("mcp__database__query", r#"{"sql": "SELECT 1"}"#),
        Scene::text("Found and used."),
    ]);
    let seen = model.clone();
    // guide: on-demand
    let mut options = SearchOptions::default();
    options.mode = SearchMode::Always;
    let agent = Agent::builder(model).tools(Searchable::new(tools, options)).build();
    let finished = agent.run("How many users are there?").await?;
    // end
    assert_eq!(finished.outcome.text(), "Found and used.");
    let shown: Vec<_> = seen.requests().iter().map(|request| request.tools.len()).collect();
    assert_eq!(shown, [1, 2, 2]);
    Ok(())
}

#[tokio::test]
async fn for_a_model_of_ones_own() -> Tried {
    let server = database().await;
    let tools = tools_of("github", &server).await;
    // guide: export
    let with_dots = NameRules::default().also(".");
    let tools = Named::with_rules(tools, NameScheme::Dot, with_dots);
    let for_openai = export::openai(tools.snapshot().tools.iter());
    let for_anthropic = export::anthropic(tools.snapshot().tools.iter());
    // end
    assert_eq!(for_openai[0]["function"]["name"], "github.query");
    assert_eq!(for_anthropic[0]["input_schema"]["required"][0], "sql");
    Ok(())
}

#[tokio::test]
async fn questions() -> Tried {
    let (one, two) = (database().await, weather().await);
    let servers = vec![http("database", one.url()), http("weather", two.url())];
    let model = ScriptedModel::new([
        Scene::call("weather_current", r#"{"place": "San Francisco"}"#),
        Scene::text("It is sunny."),
        Scene::call("database_query", r#"{"sql": "SELECT count(*) FROM users"}"#),
        Scene::text("One user."),
    ]);
    let seen = model.clone();
    // guide: questions
    let hub = Hub::start(servers, &HubOptions::default());
    let tools = Named::new(McpToolset::of_hub(hub.clone()).await, NameScheme::Underscore);
    println!("{} tools", tools.snapshot().tools.len());
    let agent = Agent::builder(model).tools(tools).build();
    for question in ["What's the weather in San Francisco?", "How many users do we have?"] {
        println!("{question} {}", agent.run(question).await?.outcome.text());
    }
    // end
    let shown = shown_to(&seen);
    assert!(shown[1].contains("18 °C, sunny") && shown[3].contains("Ada"), "{shown:?}");
    hub.close().await;
    Ok(())
}

#[tokio::test]
async fn side_by_side() -> Tried {
    let (one, two) = (database().await, weather().await);
    let servers = vec![http("database", one.url()), http("weather", two.url())];
    let hub = Hub::start(servers, &HubOptions::default());
    let tools = Arc::new(McpToolset::of_hub(hub.clone()).await);
    let database = Callable::of(Arc::clone(&tools), "mcp__database__query")?;
    let weather = Callable::of(tools, "mcp__weather__current")?;
    // guide: parallel
    let calls = [
        (&database, json!({"sql": "SELECT count(*) FROM users"})),
        (&weather, json!({"place": "Rome"})),
    ];
    let results = join_all(calls.map(|(tool, arguments)| tool.call(arguments))).await;
    println!("{} results", results.len());
    // end
    let texts: Vec<_> = results.into_iter().map(|result| result.unwrap().to_text()).collect();
    assert!(texts[0].contains("Ada") && texts[1].contains("sunny"), "{texts:?}");
    hub.close().await;
    Ok(())
}

#[tokio::test]
async fn side_by_side_by_a_model() -> Tried {
    let server = database().await;
    let tools = tools_of("database", &server).await;
    let model = ScriptedModel::new([
        Scene::calls([
            ("mcp__database__query", r#"{"sql": "SELECT 1"}"#),
            ("mcp__database__query", r#"{"sql": "SELECT 2"}"#),
        ]),
        Scene::text("Both."),
    ]);
    // guide: parallel-agent
    let agent = Agent::builder(model).tools(tools).parallel_calls(16).build();
    let finished = agent.run("Fetch both reports").await?;
    // end
    assert_eq!(finished.outcome.text(), "Both.");
    Ok(())
}
