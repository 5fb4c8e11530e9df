//! Agents that work on their own.

use mcp_agent::{
    Agent,
    agents::{Agents, DeclarationFormat, parse},
    model::scripted::{Scene, ScriptedModel},
    plan::{Plan, PlanRun},
    run::Outcome,
    toolbox::McpToolset,
};
use mcp_client::{Hub, HubOptions, config, testing::TestServer};
use serde_json::json;
use tokio::io::AsyncBufReadExt as _;

use super::{Tried, database, queries, shown_to, tool, tools_of};

#[tokio::test]
async fn declared_agents() -> Tried {
    let server = database().await;
    let tools = tools_of("database", &server).await;
    let model = queries("Sales grew.");
    let seen = model.clone();
    // guide: declared
    let declared = parse(
        r#"{"agents": {"DataAnalyst": {
            "description": "Analyzes data from multiple sources.",
            "instructions": "You can query the database.",
            "tools": ["database.query", "analytics.*"]
        }}}"#,
        DeclarationFormat::Json,
    )?;
    let agents = Agents::builder(model).tools(tools).declare(declared).build()?;
    let finished = agents.run("DataAnalyst", "Analyze sales data for Q4").await?;
    // end
    assert_eq!(finished.outcome.text(), "Sales grew.");
    assert!(shown_to(&seen)[0].contains("You can query the database."));
    Ok(())
}

/// Two agents of which each knows what was said to the other.
#[tokio::test]
async fn shared_context() -> Tried {
    let server = database().await;
    let tools = tools_of("database", &server).await;
    let model = ScriptedModel::new([
        Scene::call("mcp__database__query", r#"{"sql": "SELECT name, visits FROM users"}"#),
        Scene::call("hand_over_to_writer", r#"{"task": "Write it up."}"#),
        Scene::text("Ada came three times."),
    ]);
    let seen = model.clone();
    // guide: shared-context
    let declared = parse(
        r#"{"agents": {
            "analyst": {"description": "Finds numbers.", "hands_over_to": ["writer"]},
            "writer": {"description": "Writes.", "instructions": "Be brief.", "tools": []}
        }}"#,
        DeclarationFormat::Json,
    )?;
    let agents = Agents::builder(model).tools(tools).declare(declared).build()?;
    let finished = agents.run("analyst", "A report about our visitors, please").await?;
    // end
    assert_eq!(finished.outcome.text(), "Ada came three times.");
    let shown = shown_to(&seen).pop().unwrap();
    // The writer reads what the analyst was asked and what the database answered.
    assert!(shown.contains("A report about our visitors") && shown.contains("visits"), "{shown}");
    assert!(shown.contains("Be brief."), "{shown}");
    Ok(())
}

#[tokio::test]
async fn a_plan() -> Tried {
    let server = TestServer::new()
        .tool(tool("activity", "What was done.", "days"), |_| "3 commits".into())
        .tool(tool("current", "The weather.", "location"), |_| "18 °C".into())
        .tool(tool("send", "Sends mail.", "body"), |mail| {
            mail["body"].as_str().unwrap_or_default().into()
        });
    let client = server.client().connect().await?;
    let tools = McpToolset::of_clients([("office".to_owned(), client)]).await;
    // guide: plan
    let plan: Plan = serde_json::from_value(json!({"goal": "A weekly report", "steps": [
        {"id": "github", "tool": "office.activity", "arguments": {"days": "7"},
         "purpose": "what was done"},
        {"id": "weather", "tool": "office.current", "arguments": {"location": "Rome"},
         "purpose": "how it was"},
        {"id": "mail", "tool": "office.send", "arguments": {"body": "{{github}}, {{weather}}"},
         "purpose": "tell the team", "depends_on": ["github", "weather"]},
    ]}))?;
    let plan = plan.check(&tools)?;
    println!("{:?}", plan.waves());
    let mut run = PlanRun::new(plan);
    if run.execute(&tools).await {
        println!("{:?}", run.output("mail"));
    }
    // end
    assert_eq!(run.plan().waves(), [vec!["github", "weather"], vec!["mail"]]);
    assert_eq!(run.output("mail"), Some(&json!("3 commits, 18 °C")));
    Ok(())
}

#[tokio::test]
async fn a_goal_with_a_limit() -> Tried {
    let server = database().await;
    let tools = tools_of("database", &server).await;
    let asking = |number: u32| {
        Scene::call("mcp__database__query", format!(r#"{{"sql": "SELECT {number}"}}"#))
    };
    let model = ScriptedModel::new((0..10).map(asking));
    // guide: goal
    let agent = Agent::builder(model)
        .tools(tools)
        .system("Break the task into steps, use tools, and go on until the goal is reached.")
        .max_steps(10)
        .build();
    let finished = agent.run("Summarise the latest issues and mail the summary to my team").await?;
    match &finished.outcome {
        Outcome::Final { text } => println!("{text}"),
        Outcome::Stopped { why, partial } => {
            println!("{why}; {}. So far: {partial:?}", why.how_to_go_on());
        }
        other => println!("a person is needed: {other:?}"),
    }
    // end
    assert!(matches!(finished.outcome, Outcome::Stopped { .. }));
    Ok(())
}

#[tokio::test]
async fn a_whole_program() -> Tried {
    let server = database().await;
    let text =
        json!({"mcpServers": {"database": {"type": "http", "url": server.url()}}}).to_string();
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("servers.json");
    std::fs::write(&path, text)?;
    let path = path.as_path();
    let model = ScriptedModel::new([
        Scene::call("mcp__database__query", r#"{"sql": "SELECT 1"}"#),
        Scene::text("Ada."),
        Scene::text("You asked who came."),
    ]);
    let seen = model.clone();
    let input = &b"Who came?\nWhat did I just ask you?\nexit\nnever read\n"[..];
    // guide: program
    let file = config::read_file(path, &|name| std::env::var(name).ok())?;
    let hub = Hub::start(file.servers, &HubOptions::default());
    let tools = McpToolset::of_hub(hub.clone()).await;
    let agent = Agent::builder(model).tools(tools).max_tokens(4096).build();

    let mut conversation = None;
    let mut lines = input.lines();
    while let Some(line) = lines.next_line().await? {
        if line.eq_ignore_ascii_case("exit") {
            break;
        }
        let finished = match conversation.take() {
            None => agent.run(line).await?,
            Some(run) => agent.prompt(run, line).await?,
        };
        println!("{}", finished.outcome.text());
        conversation = Some(finished.run);
    }
    hub.close().await;
    // end
    assert_eq!(seen.remaining(), 0);
    assert!(shown_to(&seen)[2].contains("Who came?"));
    Ok(())
}
