//! Resources of servers, as what a model knows.

use mcp_agent::{
    Agent,
    context::{EveryTurn, GatherOptions, Gatherer, LiveContext, LiveOptions},
    model::{
        Parts,
        scripted::{Scene, ScriptedModel},
    },
};
use mcp_client::{
    Hub, HubOptions,
    protocol::{
        raw::RawJson,
        resources::{Resource, ResourceContents},
        version::Era,
    },
    testing::TestServer,
};
use serde_json::json;

use super::{Tried, database, http, shown_to};

const README: &str = "file:///project/README.md";

#[tokio::test]
async fn gathered() -> Tried {
    let server = database().await;
    let hub = Hub::start(vec![http("docs", server.url())], &HubOptions::default());
    hub.ready().await;
    let model = ScriptedModel::new([Scene::text("120 units.")]);
    let seen = model.clone();
    let agent = Agent::builder(model).build();
    // guide: gather
    let mut options = GatherOptions::default();
    options.max_tokens = 100_000;
    let gatherer = Gatherer::new(hub.clone(), options);

    let question = "How many sales were there in the fourth quarter?";
    let found = gatherer.gather(question).await?;
    let mut prompt = Parts::from(question);
    prompt.0.extend(found.to_part());
    let finished = agent.run(prompt).await?;
    // end
    assert_eq!(finished.outcome.text(), "120 units.");
    let asked = &shown_to(&seen)[0];
    assert!(asked.contains("docs://sales/q4") && asked.contains("120 units"), "{asked}");
    assert!(!asked.contains("It rains"), "{asked}");
    hub.close().await;
    Ok(())
}

/// A project whose read-me says something else when it is read again.
fn project() -> TestServer {
    let mut reads = 0;
    TestServer::new()
        .only(Era::Legacy)
        .capabilities(json!({"resources": {"subscribe": true}}))
        .resource(Resource::new(README, "Read me"), ResourceContents::text(README, ""))
        .on("resources/subscribe", |_| RawJson::from(json!({})).into())
        .on("resources/read", move |_| {
            reads += 1;
            let text = format!("State {reads}.");
            RawJson::from(json!({"contents": [{"uri": README, "text": text}]})).into()
        })
}

#[tokio::test]
async fn followed() -> Tried {
    let server = project();
    let hub = vec![("project".to_owned(), server.client().connect().await?)];
    let model = ScriptedModel::new([Scene::text("It is young."), Scene::text("It moved.")]);
    let seen = model.clone();
    let agent = Agent::builder(model).build();
    let change_it = || server.notify("notifications/resources/updated", json!({"uri": README}));
    // guide: live
    let live = LiveContext::start(hub, ["file:///project/*.md"], LiveOptions::default()).await;
    let first = agent.run(live.turn("What's the current state of my project?")).await?;
    // end
    change_it();
    // guide: live-changes
    live.changed().await;
    for change in live.changes() {
        println!("{} changed at {:?}. Shall I look again?", change.uri, change.read_at);
    }
    let second = agent.prompt(first.run, live.turn("Look again, please")).await?;
    // end
    assert_eq!(second.outcome.text(), "It moved.");
    let shown = shown_to(&seen);
    assert!(shown[0].contains("State 1.") && !shown[0].contains("State 2."), "{}", shown[0]);
    assert!(shown[1].contains("State 2."), "{}", shown[1]);
    Ok(())
}

#[tokio::test]
async fn a_conversation() -> Tried {
    let server = project();
    let hub = vec![("project".to_owned(), server.client().connect().await?)];
    let model = ScriptedModel::new([
        Scene::text("One issue is critical."),
        Scene::text("The task is there."),
        Scene::text("You asked for a task."),
    ]);
    let seen = model.clone();
    // guide: conversation
    let live = LiveContext::start(hub, [README], LiveOptions::default()).await;
    let agent = Agent::builder(model).hooks(EveryTurn::new(live)).build();

    let mut finished = agent.run("What's the current state of my project?").await?;
    for question in ["Create a task to fix the worst issue", "What did I just ask you to do?"] {
        finished = agent.prompt(finished.run, question).await?;
        println!("{}", finished.outcome.text());
    }
    // end
    let shown = shown_to(&seen);
    assert!(shown[2].contains("current state") && shown[2].contains("One issue"), "{}", shown[2]);
    assert!(shown.iter().all(|request| request.matches("State 1.").count() == 1), "{shown:?}");
    Ok(())
}
