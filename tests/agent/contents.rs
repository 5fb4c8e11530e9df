//! Resources and prompts that a model reads: as tools by choice, and pinned in every turn.

use mcp_agent::{
    Agent,
    context::{EveryTurn, LiveContext, LiveOptions},
    model::{
        Part, Role,
        scripted::{Scene, ScriptedModel},
    },
    toolbox::{Callable, ServerContents, Toolset, results::ResultLimits},
};
use mcp_client::{
    Client,
    protocol::{
        content::ContentBlock,
        prompts::{GetPromptResult, Prompt},
        resources::{Resource, ResourceContents},
    },
    testing::TestServer,
};
use serde_json::{Value, json};

async fn client(files: &[(&str, &str)]) -> Client {
    let mut server = TestServer::new();
    for (uri, text) in files {
        let resource = Resource::new(*uri, uri.rsplit('/').next().unwrap());
        server = server.resource(resource, ResourceContents::text(*uri, *text));
    }
    let server = server.prompt(Prompt::new("review"), |arguments| {
        let text = format!("Review {}.", arguments["language"].as_str().unwrap_or("it"));
        let message = json!({"role": "user", "content": ContentBlock::text(text)});
        serde_json::from_value::<GetPromptResult>(json!({"messages": [message]})).unwrap().into()
    });
    server.client().connect().await.unwrap()
}

async fn servers() -> Vec<(String, Client)> {
    let docs = client(&[("file:///plan.md", "Ship on Friday."), ("file:///notes.md", "Roses.")]);
    vec![("docs".to_owned(), docs.await), ("other".to_owned(), client(&[]).await)]
}

async fn call(tools: impl Toolset + 'static, name: &str, arguments: Value) -> String {
    Callable::of(tools, name).unwrap().call(arguments).await.unwrap().to_text()
}

#[tokio::test]
async fn a_model_lists_and_reads_what_it_is_given_and_nothing_else() {
    let contents = ServerContents::new(servers().await).only(["docs"]);
    let tools = contents.resources();
    let listed = call(tools.clone(), "list_resources", json!({"words": "PLAN md"})).await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed["items"][0]["uri"], "file:///plan.md");
    assert_eq!(listed["items"][0]["server"], "docs");
    let read = json!({"server": "docs", "uri": "file:///plan.md"});
    assert!(call(tools.clone(), "read_resource", read).await.contains("Ship on Friday."));
    let outside = json!({"server": "other", "uri": "file:///plan.md"});
    let refused = call(tools.clone(), "read_resource", outside).await;
    assert_eq!(refused, "there is no server `other`; the servers are `docs`");
    assert!(tools.facts("read_resource").annotations.read_only_hint.unwrap());

    let prompts = contents.prompts();
    let listed = call(prompts.clone(), "list_prompts", json!({})).await;
    assert!(listed.contains(r#""review""#), "{listed}");
    let get = json!({"server": "docs", "name": "review", "arguments": {"language": "Rust"}});
    assert_eq!(call(prompts, "get_prompt", get).await, "[user]\nReview Rust.");
}

#[tokio::test]
async fn what_it_reads_is_bounded_like_every_result() {
    let long = "All work and no play. ".repeat(10_000);
    let source = vec![("docs".to_owned(), client(&[("file:///long.md", &long)]).await)];
    let model = ScriptedModel::new([
        Scene::call("read_resource", r#"{"server": "docs", "uri": "file:///long.md"}"#),
        Scene::text("Dull."),
    ]);
    let mut limits = ResultLimits::default();
    limits.max_text_bytes = 2_000;
    let agent = Agent::builder(model.clone())
        .tools(ServerContents::new(source).resources())
        .result_limits(limits)
        .build();
    agent.run("Read it.").await.unwrap();
    let shown = serde_json::to_string(&model.requests()[1].messages).unwrap();
    assert!(shown.contains("All work") && shown.len() < 4_000, "{} bytes", shown.len());
}

#[tokio::test]
async fn pinned_resources_are_in_every_question_and_never_in_the_conversation() {
    let live = LiveContext::start(servers().await, ["file:///plan*"], LiveOptions::default()).await;
    let model = ScriptedModel::new([
        Scene::call("read_resource", r#"{"server": "docs", "uri": "file:///notes.md"}"#),
        Scene::text("On Friday."),
        Scene::text("Still on Friday."),
    ]);
    let agent = Agent::builder(model.clone())
        .tools(ServerContents::new(servers().await).resources())
        .hooks(EveryTurn::new(live))
        .build();
    let first = agent.run("When do we ship?").await.unwrap();
    let transcript = first.run.into_transcript();
    let second = agent.go_on(transcript, "Sure?").await.unwrap();
    for request in model.requests() {
        let last = request.messages.iter().rfind(|message| message.role == Role::User).unwrap();
        let pinned = last.parts.first().and_then(Part::as_text).unwrap();
        assert!(pinned.starts_with(r#"<resource server="docs" uri="file:///plan.md""#), "{pinned}");
        let all = serde_json::to_string(&request.messages).unwrap();
        assert_eq!(all.matches("Ship on Friday.").count(), 1, "{all}");
    }
    let kept = serde_json::to_string(&second.run.into_transcript().messages()).unwrap();
    assert!(!kept.contains("Ship on Friday.") && kept.contains("Sure?"), "{kept}");
}
