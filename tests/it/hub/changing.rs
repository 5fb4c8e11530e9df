//! Servers come and go while others work.

use std::time::Duration;

use mcp_client::{
    Hub, HubOptions, ServerError, ServerState, StateKind,
    config::{ServerConfig, TransportConfig},
    protocol::tools::Tool,
    testing::TestServer,
};
use serde_json::json;
use tokio::{net::UnixListener, task::JoinSet, time::sleep};

use super::{kinds, misbehaving, until};

#[tokio::test]
async fn a_lazy_server_waits_for_its_first_use() {
    let mut options = HubOptions::default();
    options.lazy = true;
    let hub = Hub::start(vec![misbehaving("one", "ok"), misbehaving("two", "ok")], &options);
    hub.ready().await;
    assert_eq!(kinds(&hub), ["one stopped", "two stopped"]);
    let result = hub.server("two").unwrap().call_tool("good", &json!({})).await.unwrap();
    assert_eq!(result.content[0].as_text(), Some("ok"));
    assert_eq!(kinds(&hub), ["one stopped", "two ready"]);
    hub.close().await;
}

#[tokio::test]
async fn servers_are_switched_on_and_off_and_removed() {
    let mut off = misbehaving("off", "ok");
    off.enabled = false;
    let hub = Hub::start(vec![misbehaving("one", "ok"), off], &HubOptions::default());
    hub.ready().await;
    assert_eq!(kinds(&hub), ["one ready", "off disabled"]);
    assert!(hub.enable("off", true) && hub.enable("one", false));
    until(&hub, "off", StateKind::Ready).await;
    until(&hub, "one", StateKind::Disabled).await;
    assert!(hub.client("one").is_none());
    // Nor does a use start it.
    let refused = hub.server("one").unwrap().call_tool("good", &json!({})).await.unwrap_err();
    assert!(matches!(refused, ServerError::Unavailable { state: StateKind::Disabled, .. }));
    let client = hub.client("off").unwrap();
    assert!(hub.remove("off").await);
    assert!(client.is_closed());
    assert!(!hub.remove("off").await && !hub.restart("off"));
    assert_eq!(kinds(&hub), ["one disabled"]);
    hub.add(misbehaving("three", "ok"));
    hub.add(misbehaving("three", "ok"));
    hub.ready().await;
    assert_eq!(kinds(&hub), ["one disabled", "three ready", "three not-configured"]);
    hub.close().await;
}

/// On several threads a wish comes at any point of the supervisor's turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_is_switched_off_while_it_begins_stays_off() {
    let mut off = misbehaving("off", "ok");
    off.enabled = false;
    let hub = Hub::start(vec![off], &HubOptions::default());
    for _ in 0..200 {
        assert!(hub.enable("off", true) && hub.enable("off", false));
    }
    until(&hub, "off", StateKind::Disabled).await;
    // One that started all the same would be up by then.
    sleep(Duration::from_millis(200)).await;
    assert_eq!(kinds(&hub), ["off disabled"]);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_those_who_add_a_name_at_once_has_it() {
    let mut options = HubOptions::default();
    options.lazy = true;
    let hub = Hub::start(Vec::new(), &options);
    let mut adding = JoinSet::new();
    for _ in 0..32 {
        let hub = hub.clone();
        adding.spawn(async move { hub.add_new(misbehaving("one", "ok")) });
    }
    let added = adding.join_all().await.into_iter().filter(|added| *added).count();
    assert_eq!((added, kinds(&hub)), (1, vec!["one stopped".to_owned()]));
    hub.close().await;
}

#[tokio::test]
async fn who_waits_for_a_server_that_is_removed_is_told() {
    for closed in [false, true] {
        let hub = Hub::start(vec![misbehaving("one", "silent")], &HubOptions::default());
        let server = hub.server("one").unwrap();
        let end = async {
            until(&hub, "one", StateKind::Starting).await;
            if closed {
                hub.close().await;
            } else {
                assert!(hub.remove("one").await);
            }
        };
        let arguments = json!({});
        let (refused, ()) = tokio::join!(server.call_tool("good", &arguments), end);
        let refused = refused.unwrap_err();
        assert!(matches!(refused, ServerError::Unavailable { .. }), "{refused:?}");
    }
}

#[tokio::test]
async fn a_new_configuration_disturbs_only_what_it_changes() {
    let first =
        vec![misbehaving("kept", "ok"), misbehaving("changed", "ok"), misbehaving("gone", "ok")];
    let hub = Hub::start(first, &HubOptions::default());
    hub.ready().await;
    let kept = hub.client("kept").unwrap();
    // A call that is under way while others come and go.
    let call = kept.call_tool("slow", json!({"ms": 300}));
    let next =
        vec![misbehaving("kept", "ok"), misbehaving("changed", "banner"), misbehaving("new", "ok")];
    let (result, applied) = tokio::join!(async { call.await }, hub.apply(next));
    assert_eq!(result.unwrap().content[0].as_text(), Some("ok"));
    assert_eq!(applied.kept, ["kept"]);
    assert_eq!(applied.replaced, ["changed"]);
    assert_eq!(applied.added, ["new"]);
    assert_eq!(applied.removed, ["gone"]);
    hub.ready().await;
    let mut now = kinds(&hub);
    now.sort();
    assert_eq!(now, ["changed ready", "kept ready", "new ready"]);
    hub.close().await;
}

#[tokio::test]
async fn dropping_the_last_handle_ends_all_servers() {
    let hub = Hub::start(vec![misbehaving("one", "ok")], &HubOptions::default());
    hub.ready().await;
    let server = hub.server("one").unwrap();
    let ServerState::Ready(client) = server.status().state else { panic!("not ready") };
    drop(hub);
    assert!(!client.is_closed(), "the handle to the server still needs it");
    drop(server);
    drop(client);
}

#[tokio::test]
async fn all_servers_are_asked_side_by_side() {
    let servers = vec![misbehaving("one", "ok"), misbehaving("dead", "exit-at-once")];
    let hub = Hub::start(servers, &HubOptions::default());
    hub.ready().await;
    let answers = hub.for_each(|client| async move { client.list_tools().await }).await;
    let counts: Vec<_> = answers
        .iter()
        .map(|(name, answer)| (name.as_str(), answer.as_ref().ok().map(|tools| tools.items.len())))
        .collect();
    assert!(matches!(counts[..], [("one", Some(1..)), ("dead", None)]), "{counts:?}");
    let health = hub.server("one").unwrap().status().health;
    assert_eq!((health.calls, health.failures), (1, 0));
    assert!(health.latency(0.5).is_some());
    hub.close().await;
}

#[tokio::test]
async fn servers_behind_three_transports_are_one_hub() {
    let scripted = |name: &'static str| {
        let tool = Tool::new("good", json!({"type": "object"}));
        TestServer::new().tool(tool, move |_| name.into())
    };
    let http = scripted("http").http().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let by_url = |name: &str, url: String| {
        ServerConfig::new(name, TransportConfig::Http { url, headers: [].into() })
    };
    let servers = vec![
        misbehaving("ok", "ok"),
        by_url("http", http.url().to_owned()),
        by_url("unix", format!("unix://{}", socket.display())),
    ];
    let using = async {
        let hub = Hub::start(servers, &HubOptions::default());
        hub.ready().await;
        let answers =
            hub.for_each(|client| async move { client.call_tool("good", json!({})).await }).await;
        let answers: Vec<_> = answers
            .into_iter()
            .map(|(name, answer)| (name, answer.unwrap().joined_text()))
            .collect();
        let expected = ["ok", "http", "unix"].map(|name| (name.to_owned(), name.to_owned()));
        assert_eq!(answers, expected);
        hub.close().await;
    };
    let serving = async {
        let (stream, _) = listener.accept().await.unwrap();
        let (input, output) = stream.into_split();
        scripted("unix").lines(input, output).await
    };
    let ((), ended) = tokio::join!(using, serving);
    ended.unwrap();
}
