use serde_json::Map;

use super::*;
use crate::{
    Agent,
    model::scripted::{Scene, ScriptedModel},
    toolbox::LocalTools,
};

const VERBS: [&str; 8] =
    ["create", "list", "update", "delete", "export", "archive", "share", "rename"];
const THINGS: [&str; 25] = [
    "invoice",
    "customer",
    "ticket",
    "branch",
    "commit",
    "issue",
    "milestone",
    "pipeline",
    "dashboard",
    "alert",
    "metric",
    "report",
    "calendar",
    "meeting",
    "contact",
    "campaign",
    "webhook",
    "secret",
    "cluster",
    "namespace",
    "snapshot",
    "volume",
    "image",
    "license",
    "badge",
];

/// 200 tools with the descriptions and parameters that such tools have.
fn many() -> LocalTools {
    let mut tools = LocalTools::new();
    for verb in VERBS {
        for thing in THINGS {
            let definition = ToolDefinition {
                name: format!("{verb}_{thing}"),
                description: format!(
                    "Use this to {verb} one {thing} in the current workspace. Needs the right to \
                     {verb} each {thing}; fails when the workspace is locked."
                ),
                parameters: json!({"type": "object", "required": ["id"], "properties": {
                    "id": {"type": "string", "description": format!("Which {thing}.")},
                    "dry_run": {"type": "boolean", "description": "Only say what would be done."},
                }})
                .into(),
            };
            let done = format!("{verb} {thing}: done");
            tools = tools.dynamic(definition, move |_| std::future::ready(done.clone()));
        }
    }
    tools
}

fn options(mode: SearchMode) -> SearchOptions {
    SearchOptions { mode, ..SearchOptions::default() }
}

#[test]
fn few_tools_are_shown_and_many_are_searched() {
    let few = LocalTools::new().dynamic(many().snapshot().tools[0].clone(), |_| async { "" });
    let few = Searchable::new(few, options(SearchMode::Auto));
    assert!(!few.costs().searches && few.snapshot().get("search_tools").is_none());

    let tools = Searchable::new(many(), options(SearchMode::Auto));
    let costs = tools.costs();
    assert!(costs.is_too_much && costs.searches, "{costs:?}");
    assert_eq!((costs.servers[0].tools, costs.servers[0].tokens), (200, costs.tokens));
    assert_eq!(tools.snapshot().tools.len(), 1);
    assert_eq!(tools.catalog().tools.len(), 201);
    assert!(Arc::ptr_eq(&tools.snapshot(), &tools.snapshot()));

    let all = Searchable::new(many(), options(SearchMode::Never));
    assert!(all.costs().is_too_much && all.snapshot().tools.len() == 200);

    let always = Some(ToolFilter::new().name("list_issue"));
    let kept = Searchable::new(many(), SearchOptions { always, ..SearchOptions::default() });
    assert_eq!(kept.snapshot().tools.len(), 2);
}

#[tokio::test]
async fn finds_by_words_in_any_form() {
    let tools = Searchable::new(many(), options(SearchMode::Auto));
    for (query, first) in [
        ("rename a branch", "rename_branch"),
        ("exportInvoices", "export_invoice"),
        ("archive the milestones please", "archive_milestone"),
    ] {
        assert_eq!(tools.find(query).await.unwrap()[0].name, first, "{query}");
    }
    let call = PreparedCall::new("1", "search_tools", Map::new());
    let nothing = tools.call(call, Arc::new(|_| {})).await.unwrap();
    assert!(nothing.reveals.is_empty() && nothing.to_text().contains("other words"));
}

/// All that a task sent to the model, in estimated tokens, and the tools of each request.
async fn finish(mode: SearchMode, scenes: Vec<Scene>) -> (usize, Vec<Vec<String>>) {
    let model = ScriptedModel::new(scenes);
    let agent = Agent::builder(model.clone()).tools(Searchable::new(many(), options(mode))).build();
    let finished = agent.run("Rename branch 7, then share badge 3.").await.unwrap();
    assert_eq!(finished.outcome.text(), "Both are done.");
    let counter = EstimatedTokens::default();
    let requests = model.requests();
    let sent = requests.iter().map(|request| {
        let tools = request.tools.iter().map(|tool| tokens::of_tool(tool, &counter));
        let parts = request.messages.iter().flat_map(|message| &message.parts);
        tools.sum::<usize>() + parts.map(|part| tokens::of_part(part, &counter)).sum::<usize>()
    });
    let names = requests
        .iter()
        .map(|request| request.tools.iter().map(|tool| tool.name.clone()).collect::<Vec<_>>());
    (sent.sum(), names.collect())
}

#[tokio::test]
async fn a_finished_task_costs_a_fraction_and_the_prefix_stays() {
    let work = || {
        [
            Scene::call("rename_branch", r#"{"id": "7"}"#),
            Scene::call("share_badge", r#"{"id": "3"}"#),
            Scene::text("Both are done."),
        ]
    };
    let (all, _) = finish(SearchMode::Never, work().into()).await;
    let [rename, share, done] = work();
    let scenes = vec![
        Scene::call("search_tools", r#"{"query": "rename branch"}"#),
        rename,
        Scene::call("search_tools", r#"{"query": "share badge"}"#),
        share,
        done,
    ];
    let (searched, requests) = finish(SearchMode::Auto, scenes).await;
    // Five requests instead of three, and still less than a fifth of the tokens.
    assert!(searched * 5 < all, "{searched} of {all}");
    for pair in requests.windows(2) {
        assert!(pair[1].starts_with(&pair[0]), "{pair:?}");
    }
    assert_eq!(requests[0], ["search_tools"]);
    println!("tokens per finished task: {all} with all tools, {searched} with search");
}

#[tokio::test]
async fn what_was_revealed_is_offered_in_the_next_prompt_too() {
    let model = ScriptedModel::new([
        Scene::call("search_tools", r#"{"query": "rename branch"}"#),
        Scene::text("Found."),
        Scene::text("Still there."),
    ]);
    let agent = Agent::builder(model.clone())
        .tools(Searchable::new(many(), options(SearchMode::Auto)))
        .build();
    let first = agent.run("What could rename a branch?").await.unwrap();
    agent.go_on(first.run.into_transcript(), "And now?").await.unwrap();
    let requests = model.requests();
    assert!(requests[1].tools.len() > 1);
    assert_eq!(requests[1].tools, requests[2].tools);
}
