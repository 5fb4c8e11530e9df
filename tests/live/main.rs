//! The whole way with a real model: it chooses tools of servers that others wrote, they run, and
//! what they return reaches its answer.
//!
//! A small model is no oracle, so free behaviour is not asserted: these are plain one-call jobs and
//! one told step by step, greedy, each with one more attempt in other words. Run by
//! `cargo xtask live`.

mod embeddings;

use std::{path::PathBuf, sync::Arc};

use mcp_agent::{
    Agent, AgentEvent, Finished,
    model::{
        ChatModel, ToolChoice,
        managed::{ManagedModel, Manifest},
    },
    toolbox::McpToolset,
};
use mcp_client::{Client, transport::http::HttpClient};
use tempfile::TempDir;

/// A folder that `cargo xtask live` names.
fn folder(variable: &str) -> PathBuf {
    let value = std::env::var_os(variable)
        .unwrap_or_else(|| panic!("{variable} is not set; run this with `cargo xtask live`"));
    PathBuf::from(value).canonicalize().unwrap()
}

async fn model() -> ManagedModel {
    let manifest = folder("MCP_LIVE_MODEL");
    let manifest = Manifest::read(manifest.parent().unwrap()).unwrap().unwrap();
    manifest.start(&Arc::new(HttpClient::new())).await.unwrap()
}

/// Two servers: files in a folder, from npm, and sums and weather, from PyPI's SDK.
async fn servers() -> (TempDir, Vec<(String, Client)>) {
    let peers = folder("MCP_INTEROP_DIR");
    let work = tempfile::tempdir().unwrap();
    std::fs::write(work.path().join("notes.txt"), "The meeting is at 15:30.\n").unwrap();
    std::fs::write(work.path().join("numbers.txt"), "17\n25\n").unwrap();
    let package = "node_modules/@modelcontextprotocol/server-filesystem/dist/index.js";
    let files = Client::stdio("node")
        .arg(peers.join(package).display().to_string())
        .arg(work.path().display().to_string())
        .cwd(work.path())
        .connect()
        .await
        .unwrap();
    let sums = Client::stdio(peers.join("venv/bin/python").display().to_string())
        .arg(peers.join("python_sdk.py").display().to_string())
        .connect()
        .await
        .unwrap();
    (work, vec![("files".to_owned(), files), ("sums".to_owned(), sums)])
}

/// The names of the tools that ran and what they returned, then the end of the run.
async fn ask(agent: &Agent, question: &str) -> (Vec<(String, String)>, Finished) {
    let mut run = agent.run(question);
    let mut calls = Vec::new();
    while let Some(event) = run.next().await {
        match event.unwrap() {
            AgentEvent::ToolCallFinished { name, output, .. } => {
                calls.push((name, output.to_text()));
            }
            AgentEvent::Finished(finished) => {
                println!("{question}\n  calls {calls:?}\n  {:?}", finished.outcome);
                return (calls, *finished);
            }
            _ => {}
        }
    }
    panic!("the run has no end");
}

/// One model for all jobs: the list of tools is read once, and is most of the work.
#[tokio::test]
async fn a_model_uses_the_tools_of_two_servers() {
    let (_work, servers) = servers().await;
    let model: Arc<dyn ChatModel> = Arc::new(model().await);
    let agent = async |steps| {
        let tools = McpToolset::of_clients(servers.clone()).await;
        assert!(tools.problems().is_empty(), "{:?}", tools.problems());
        let agent = Agent::builder(Arc::clone(&model)).tools(tools);
        agent.temperature(0.0).max_tokens(256).max_steps(steps)
    };
    one_call_jobs_are_answered(&agent(4).await.build()).await;
    a_job_of_two_servers_is_done_step_by_step(&agent(6).await.build()).await;
    let required = agent(1).await.tool_choice(ToolChoice::Required).build();
    a_required_call_is_made(&required).await;
}

async fn a_required_call_is_made(agent: &Agent) {
    let (calls, finished) = ask(agent, "What is 21+21? Use the add tool.").await;
    assert!(!calls.is_empty(), "{finished:?}");
    let history = serde_json::to_string(&finished.run).unwrap();
    for (name, result) in &calls {
        assert!(name.starts_with("mcp__"), "{name}");
        let result = serde_json::to_string(result).unwrap();
        assert!(history.contains(result.trim_matches('"')), "the history lacks {result}");
    }
}

async fn one_call_jobs_are_answered(agent: &Agent) {
    for (wordings, tool, answer) in [
        (
            ["What is 21+21? Use the add tool.", "Add 21 and 21 with the add tool."],
            "mcp__sums__add",
            "42",
        ),
        (
            ["Read the file notes.txt. When is the meeting?", "Read the text file notes.txt."],
            "mcp__files__read",
            "15:30",
        ),
        (
            ["What is the weather in Paris?", "Get the weather in Paris with the weather tool."],
            "mcp__sums__weather",
            "18",
        ),
    ] {
        let mut right = false;
        for question in wordings {
            let (calls, finished) = ask(agent, question).await;
            right = calls.iter().any(|(name, _)| name.starts_with(tool))
                && finished.outcome.text().contains(answer);
            if right {
                break;
            }
        }
        assert!(right, "{wordings:?}");
    }
}

async fn a_job_of_two_servers_is_done_step_by_step(agent: &Agent) {
    let mut right = false;
    for question in [
        "First read the file numbers.txt. Then add the two numbers that are in it.",
        "Read numbers.txt with read_text_file, wait for its content, and then call add with its \
         two numbers.",
    ] {
        let (calls, finished) = ask(agent, question).await;
        let used = |part: &str| calls.iter().any(|(name, _)| name.starts_with(part));
        right = used("mcp__files__") && used("mcp__sums__add");
        right = right && finished.outcome.text().contains("42");
        if right {
            break;
        }
    }
    assert!(right);
}
