//! Watches outlive the connection.

use mcp_client::{Change, Hub, WatchState};
use serde_json::json;

use super::{
    healing::{pid, quick, signal},
    misbehaving, until_that,
};

#[tokio::test]
async fn a_watch_is_armed_again_after_a_restart() {
    let hub = Hub::start(vec![misbehaving("one", "changes")], &quick());
    hub.ready().await;
    let server = hub.server("one").unwrap();
    let mut lists = server.changes();
    let mut note = server.watch_resource("note:one");
    assert_eq!(lists.ready().await, Some(WatchState::Polling), "resources are not announced");
    assert_eq!(note.ready().await, Some(WatchState::Live));
    server.call_tool("grow", &json!({})).await.unwrap();
    server.call_tool("touch", &json!({"uri": "note:one"})).await.unwrap();
    assert_eq!(lists.next().await, Some(Change::Tools));
    assert_eq!(note.next().await, Some(Change::Resource("note:one".into())));

    signal(pid(&hub, "one").await, "-KILL");
    until_that(&hub, "one", |status| status.restarts == 1).await;
    // Whatever was told meanwhile is lost, and that is said.
    assert_eq!(lists.next().await, Some(Change::Gap));
    assert_eq!(note.next().await, Some(Change::Gap));
    assert_eq!(note.ready().await, Some(WatchState::Live));
    server.call_tool("touch", &json!({"uri": "note:one"})).await.unwrap();
    assert_eq!(note.next().await, Some(Change::Resource("note:one".into())));

    hub.remove("one").await;
    assert_eq!((note.next().await, note.state()), (None, WatchState::Ended));
}
