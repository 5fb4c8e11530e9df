//! Conversations of a store over REST.

use mcp_agent::{
    Agent, Journal, JournalError,
    model::{
        BoxFuture,
        scripted::{Scene, ScriptedModel},
    },
    run::{Feed, Run, RunId},
    service::ServiceOptions,
    store::{SqliteStore, Store, StoreError, StoreKey, Stored},
};
use serde_json::json;

use crate::asking::Serving;

#[tokio::test]
async fn they_are_listed_shown_forked_exported_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let key = StoreKey::of_file(&folder.path().join("key")).unwrap();
    let store = SqliteStore::open(folder.path().join("conversations.db"), key).unwrap();
    let model = ScriptedModel::new([Scene::text("Hello Ada!")]);
    let agent = Agent::builder(model).journal(store.clone()).build();
    let run = agent.run("Greet Ada").await.unwrap().run;
    let serving = Serving::start(vec![], ServiceOptions::new().conversations(store)).await;
    let id = run.id().as_str();
    let listed = serving.get("/mcp/conversations").await.json();
    assert_eq!(listed["conversations"][0]["title"], "Greet Ada");
    assert_eq!(listed["conversations"][0]["id"], id);
    // The start of a name is enough.
    let shown = serving.get(&format!("/mcp/conversations/{}", &id[..8])).await.json();
    assert_eq!(shown["transcript"][0]["user"][0]["text"], "Greet Ada", "{shown}");
    let before = serving.get(&format!("/mcp/conversations/{id}?at=1")).await.json();
    assert_eq!(before["transcript"].as_array().unwrap().len(), 1);
    let exported = serving.get(&format!("/mcp/conversations/{id}/export")).await;
    assert!(exported.head.contains("text/markdown"), "{}", exported.head);
    assert!(exported.body.contains("Hello Ada!"), "{}", exported.body);
    let fork = serving.post(&format!("/mcp/conversations/{id}/fork"), &json!({"at": 1})).await;
    assert_eq!(fork.status, 201, "{fork:?}");
    let other = fork.json()["id"].as_str().unwrap().to_owned();
    assert_ne!(other, id);
    for (name, status) in [(id, 204), (id, 404), (&other, 204)] {
        let deleted = serving.ask("DELETE", &format!("/mcp/conversations/{name}"), "", None).await;
        assert_eq!(deleted.status, status);
    }
    assert_eq!(serving.get("/mcp/conversations").await.json(), json!({"conversations": []}));
    let unknown = serving.get(&format!("/mcp/conversations/{id}")).await;
    assert_eq!((unknown.status, &unknown.json()["code"]), (404, &json!("not_found")));
    serving.end().await;
    let without = Serving::start(vec![], ServiceOptions::new()).await;
    assert_eq!(without.get("/mcp/conversations").await.status, 404);
    without.end().await;
}

/// Takes nothing new, as a database does that went away since it was read last.
#[derive(Debug)]
struct Away(SqliteStore);

fn away() -> StoreError {
    StoreError::Away { place: "postgres://db".to_owned(), source: "no answer".into() }
}

impl Journal for Away {
    fn begin<'a>(&'a self, _: &'a Run) -> BoxFuture<'a, Result<(), JournalError>> {
        Box::pin(async { Err(JournalError::new(away())) })
    }

    fn record<'a>(&'a self, _: &'a Feed, _: &'a Run) -> BoxFuture<'a, Result<(), JournalError>> {
        Box::pin(async { Err(JournalError::new(away())) })
    }
}

impl Store for Away {
    fn list(&self) -> BoxFuture<'_, Result<Vec<Stored>, StoreError>> {
        self.0.list()
    }

    fn load<'a>(
        &'a self,
        id: &'a RunId,
        at: Option<u64>,
    ) -> BoxFuture<'a, Result<Run, StoreError>> {
        self.0.load(id, at)
    }

    fn remove<'a>(&'a self, id: &'a RunId) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.0.remove(id)
    }
}

#[tokio::test]
async fn a_fork_that_a_store_does_not_take_for_now_can_be_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let key = StoreKey::of_file(&folder.path().join("key")).unwrap();
    let store = SqliteStore::open(folder.path().join("conversations.db"), key).unwrap();
    let model = ScriptedModel::new([Scene::text("Hello Ada!")]);
    let agent = Agent::builder(model).journal(store.clone()).build();
    let run = agent.run("Greet Ada").await.unwrap().run;
    let options = ServiceOptions::new().conversations(Away(store));
    let serving = Serving::start(vec![], options).await;
    let path = format!("/mcp/conversations/{}/fork", run.id().as_str());
    let refused = serving.post(&path, &json!({})).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);
    serving.end().await;
}
