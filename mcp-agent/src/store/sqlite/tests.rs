use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use serde_json::Map;

use super::*;
use crate::{
    Agent, AgentError, AgentEvent,
    model::scripted::{Scene, ScriptedModel},
    policy::{Decision, Policy},
    run::{Outcome, Pause, RunSettings},
    store::to_markdown,
    toolbox::LocalTools,
    transcript::Transcript,
};

fn store(folder: &Path) -> SqliteStore {
    let key = StoreKey::of_file(&folder.join("key")).unwrap();
    SqliteStore::open(folder.join("conversations.db"), key).unwrap()
}

fn add() -> LocalTools {
    LocalTools::new().tool("add", "Adds.", |_: Map<String, serde_json::Value>| async { "42" })
}

fn agent(store: &SqliteStore, scenes: impl IntoIterator<Item = Scene>) -> Agent {
    Agent::builder(ScriptedModel::new(scenes)).tools(add()).journal(store.clone()).build()
}

#[tokio::test]
async fn a_conversation_goes_on_in_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let scenes = [Scene::call("add", "{}"), Scene::text("It is 42.")];
    let finished =
        agent(&store(folder.path()), scenes).run("What did the treasure map say?").await.unwrap();

    let store = store(folder.path());
    let listed = store.list().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].title, "What did the treasure map say?");
    let stored = store.find(listed[0].id.short()).await.unwrap();
    let run = store.load(&stored.id, None).await.unwrap();
    assert_eq!(run, finished.run);
    let finished = agent(&store, [Scene::text("You asked for the map.")])
        .prompt(run, "What did I just ask you?")
        .await
        .unwrap();
    let again = store.load(&stored.id, None).await.unwrap();
    assert_eq!(again, finished.run);
    let text = to_markdown(again.transcript());
    for expected in ["## User\n\nWhat did the treasure", "Called `add` with `{}`", "```\n42\n```"] {
        assert!(text.contains(expected), "{text}");
    }
    // As it was after the first prompt.
    let early = store.load(&stored.id, Some(1)).await.unwrap();
    assert_eq!(early.transcript().entries().len(), 1);

    assert!(store.remove(&stored.id).await.unwrap() && !store.remove(&stored.id).await.unwrap());
    assert!(matches!(store.find(stored.id.short()).await, Err(StoreError::Unknown { .. })));
}

#[tokio::test]
async fn what_was_said_is_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let scenes = [Scene::text("The island of Xyzzy.")];
    agent(&store(folder.path()), scenes).run("Where is the Plugh?").await.unwrap();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        for word in ["Plugh", "Xyzzy"] {
            assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()));
        }
    }
    let other = StoreKey::new(&[7; 32]).unwrap();
    let other = SqliteStore::open(folder.path().join("conversations.db"), other).unwrap();
    assert!(matches!(other.list().await, Err(StoreError::Unsealable)));
}

#[tokio::test]
async fn who_comes_too_late_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let finished = agent(&store, [Scene::text("one")]).run("go").await.unwrap();
    let (first, second) = (finished.run.clone(), finished.run);
    agent(&store, [Scene::text("two")]).prompt(first, "more").await.unwrap();
    let late = agent(&store, [Scene::text("two")]).prompt(second, "more").await;
    let Err(AgentError::Journal { source, .. }) = late else { panic!("{late:?}") };
    let source = std::error::Error::source(&source).unwrap();
    assert!(source.to_string().starts_with("another process"), "{source}");
}

#[tokio::test]
async fn an_approval_can_be_given_in_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let id = {
        let store = store(folder.path());
        let model = ScriptedModel::new([Scene::call("add", "{}")]);
        let agent = Agent::builder(model).tools(add()).policy(Policy::asking()).journal(store);
        let finished = agent.build().run("add").await.unwrap();
        let Outcome::Paused { pause: Pause::Approval(asked) } = &finished.outcome else {
            panic!("{:?}", finished.outcome)
        };
        assert_eq!(asked[0].tool, "add");
        finished.run.id().clone()
    };
    let store = store(folder.path());
    let run = store.load(&id, None).await.unwrap();
    let crate::run::Step::NeedApproval(asked) = run.step() else { panic!("{:?}", run.step()) };
    let decided = Feed::Decision { call: asked[0].call.id.clone(), decision: Decision::allow() };
    let agent = agent(&store, [Scene::text("42")]);
    let finished = agent.drive_after(run, [decided]).await.unwrap();
    assert_eq!(finished.outcome.text(), "42");
    assert_eq!(store.load(&id, None).await.unwrap(), finished.run);
}

/// The program dies at each of its steps in turn, is started anew each time, and ends the same;
/// a server that knows idempotency keys does nothing twice.
#[test]
fn killed_at_any_step_it_ends_the_same() {
    let scenes = || {
        vec![
            Scene::calls([("pay", r#"{"n": 1}"#), ("pay", r#"{"n": 2}"#)]),
            Scene::call("pay", r#"{"n": 3}"#),
            Scene::text("Paid thrice."),
        ]
    };
    let mut events = 0;
    for kill_after in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let paid = Arc::new(Mutex::new(std::collections::BTreeSet::new()));
        let attempts = Arc::new(AtomicU32::new(0));
        let tools = || Paying { paid: Arc::clone(&paid), attempts: Arc::clone(&attempts) };
        let settings =
            RunSettings { in_doubt: crate::run::InDoubt::Repeat, ..RunSettings::default() };
        let agent = |store: &SqliteStore, answered: u32| {
            let scenes = scenes().into_iter().skip(usize::try_from(answered).unwrap());
            Agent::builder(ScriptedModel::new(scenes))
                .tools(tools())
                .settings(settings.clone())
                .journal(store.clone())
                .build()
        };
        let run = agent(&store(folder.path()), 0).begin(Transcript::new());
        let id = run.id().clone();
        // A runtime stands for a process: what was not written is lost with it.
        let heard = process().block_on(async {
            let mut under_way = agent(&store(folder.path()), 0).prompt(run, "Pay.");
            let mut heard = 0;
            while heard < kill_after && under_way.next().await.is_some() {
                heard += 1;
            }
            heard
        });
        let store = store(folder.path());
        let finished = process().block_on(async {
            let run = store.load(&id, None).await.ok()?;
            let agent = agent(&store, run.steps());
            let begun = run.transcript().is_empty();
            let run = if begun { agent.prompt(run, "Pay.") } else { agent.drive(run) };
            Some(run.await.unwrap())
        });
        let Some(finished) = finished else {
            assert_eq!(heard, 0);
            continue;
        };
        assert_eq!(finished.outcome, Outcome::Final { text: "Paid thrice.".into() });
        assert_eq!(*paid.lock().unwrap(), [1, 2, 3].into(), "after {kill_after} events");
        events = events.max(heard);
        if heard < kill_after {
            break;
        }
    }
    assert!(events >= 10, "{events}");
}

fn process() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

/// Pays what it has not paid under the same key, after a moment in which it can be killed.
#[derive(Debug)]
struct Paying {
    paid: Arc<Mutex<std::collections::BTreeSet<u64>>>,
    attempts: Arc<AtomicU32>,
}

impl crate::toolbox::Toolset for Paying {
    fn snapshot(&self) -> Arc<crate::toolbox::ToolSnapshot> {
        let definition = crate::model::ToolDefinition {
            name: "pay".into(),
            description: String::new(),
            parameters: serde_json::json!({"type": "object"}).into(),
        };
        Arc::new(crate::toolbox::ToolSnapshot::new(1, vec![definition]))
    }

    fn call(
        &self,
        call: crate::toolbox::PreparedCall,
        _: crate::toolbox::ProgressSink,
    ) -> BoxFuture<'_, Result<crate::toolbox::ToolOutput, crate::toolbox::ToolError>> {
        Box::pin(async move {
            self.attempts.fetch_add(1, Ordering::SeqCst);
            assert!(call.idempotency_key.is_some());
            self.paid.lock().unwrap().insert(call.arguments["n"].as_u64().unwrap());
            tokio::task::yield_now().await;
            Ok(crate::toolbox::ToolOutput::text("paid"))
        })
    }
}

#[tokio::test]
async fn a_call_is_written_down_before_it_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (looking, kept) = (store.clone(), Arc::clone(&seen));
    let tools = LocalTools::new().tool("look", "", move |_: Map<String, serde_json::Value>| {
        let (store, kept) = (looking.clone(), Arc::clone(&kept));
        async move {
            let id = store.list().await.unwrap()[0].id.clone();
            let run = store.load(&id, None).await.unwrap();
            kept.lock().unwrap().push(run.has_begun_calls());
            "looked"
        }
    });
    let model = ScriptedModel::new([Scene::call("look", "{}"), Scene::text("done")]);
    let agent = Agent::builder(model).tools(tools).journal(store).build();
    let mut run = agent.run("look");
    while let Some(event) = run.next().await {
        if let AgentEvent::Finished(finished) = event.unwrap() {
            assert!(finished.outcome.is_final());
        }
    }
    assert_eq!(*seen.lock().unwrap(), [true]);
}
