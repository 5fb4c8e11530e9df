//! Scripted servers behave alike over every binding and in both eras.

#![expect(clippy::unwrap_used, reason = "a test's words are right or the test fails")]

use std::{future::IntoFuture, time::Duration};

use mcp_client::{
    CallErrorKind, Change, Client, EraChoice,
    protocol::{
        prompts::Prompt,
        resources::{Resource, ResourceContents},
        tools::{CallToolResult, Tool},
        version::{Era, ProtocolVersion},
    },
    testing::{Answer, TestClient, TestServer},
    transport::Connect,
};
use serde_json::json;
use tokio::net::UnixListener;

fn server() -> TestServer {
    let tool = Tool::new("add", json!({"type": "object"}));
    let prompt = json!({"messages": [{"role": "user", "content": {"type": "text", "text": "Hi"}}]});
    TestServer::new()
        .instructions("Add things.")
        .tool(tool, |arguments| {
            let sum = arguments["a"].as_i64().zip(arguments["b"].as_i64()).map(|(a, b)| a + b);
            sum.map_or_else(
                || CallToolResult::error("no numbers").into(),
                |sum| sum.to_string().into(),
            )
        })
        .resource(Resource::new("x:a", "a"), ResourceContents::text("x:a", "first"))
        .prompt(Prompt::new("greet"), move |_| Answer::result(prompt.clone()))
}

/// Does everything that [`server`] offers.
async fn use_all(client: Client, era: Era) {
    assert_eq!(client.server().era, era);
    assert_eq!(client.server().instructions.as_deref(), Some("Add things."));
    assert_eq!(client.server().implementation.as_ref().unwrap().name, "scripted");
    assert!(client.server().capabilities.prompts.is_some());
    client.ping().await.unwrap();
    assert_eq!(client.list_tools().await.unwrap().items[0].name, "add");
    let sum = client.call_tool("add", json!({"a": 2, "b": 3})).await.unwrap();
    assert_eq!((sum.joined_text().as_str(), sum.is_error), ("5", false));
    assert!(client.call_tool("add", json!({})).await.unwrap().is_error);
    let unknown = client.call_tool("subtract", json!({})).await.unwrap_err();
    assert_eq!(unknown.error_object().unwrap().code, -32602);
    assert_eq!(client.list_resources().await.unwrap().items[0].uri, "x:a");
    let read = client.read_resource("x:a").await.unwrap();
    assert_eq!(read.contents[0], ResourceContents::text("x:a", "first"));
    assert!(client.read_resource("x:b").await.unwrap_err().is_resource_not_found());
    assert_eq!(client.list_prompts().await.unwrap().items[0].name, "greet");
    assert_eq!(client.get_prompt("greet").await.unwrap().messages.len(), 1);
    client.close().await;
}

#[tokio::test]
async fn what_is_offered_is_had_over_every_binding_and_in_both_eras() {
    for era in [Era::Legacy, Era::Modern] {
        let server = server().only(era);
        use_all(server.client().connect().await.unwrap(), era).await;

        let http = server.http().await.unwrap();
        use_all(Client::http(http.url()).connect().await.unwrap(), era).await;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let ((), outcome) = tokio::join!(
            async { use_all(Client::unix(&path).connect().await.unwrap(), era).await },
            async {
                let (stream, _) = listener.accept().await.unwrap();
                let (input, output) = stream.into_split();
                server.lines(input, output).await
            }
        );
        outcome.unwrap();
        assert_eq!(server.heard().params("resources/read").len(), 6);
    }
}

#[tokio::test]
async fn a_program_of_its_own_serves_standard_streams() {
    let child = Client::stdio(env!("CARGO_BIN_EXE_scripted-server"));
    let client = child.connect().await.unwrap();
    let echoed = client.call_tool("echo", json!({"a": 1})).await.unwrap();
    assert_eq!(echoed.joined_text(), r#"{"a":1}"#);
    client.close().await;
}

#[tokio::test]
async fn only_what_is_spoken_is_spoken() {
    let old = TestServer::new().versions([ProtocolVersion::V2025_06_18]);
    let client = old.client().connect().await.unwrap();
    assert_eq!(client.server().protocol_version, ProtocolVersion::V2025_06_18);
    old.client().era(EraChoice::Modern).connect().await.unwrap_err();

    let new = TestServer::new().only(Era::Modern);
    new.client().era(EraChoice::Legacy).connect().await.unwrap_err();
    assert_eq!(new.heard().methods(), ["initialize"]);
}

async fn connect(recipe: impl Connect) -> Client {
    Client::connect_with(recipe).connect().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn answers_may_be_late_and_others_pass_them() {
    let server = server().on("tools/call", |params| {
        Answer::Usual.after(Duration::from_secs(params["arguments"]["a"].as_u64().unwrap_or(0)))
    });
    let client = connect(server.recipe()).await;
    let slow = client.call_tool("add", json!({"a": 5, "b": 1})).into_future();
    let order = std::cell::RefCell::new(Vec::new());
    tokio::join!(
        async {
            assert_eq!(slow.await.unwrap().joined_text(), "6");
            order.borrow_mut().push("slow");
        },
        async {
            client.list_tools().await.unwrap();
            order.borrow_mut().push("quick");
        }
    );
    assert_eq!(order.into_inner(), ["quick", "slow"]);
    // One that is given up is not answered any more.
    let limit = Duration::from_secs(1);
    let given_up =
        client.call_tool("add", json!({"a": 60, "b": 1})).timeout(limit).await.unwrap_err();
    assert!(matches!(given_up.kind(), CallErrorKind::TimedOut { .. }), "{given_up:?}");
    server.heard().until(|heard| heard.methods().contains(&"notifications/cancelled".into())).await;
    client.ping().await.unwrap();
}

#[tokio::test]
async fn faults_come_on_demand() {
    let server = server()
        .once("tools/call", Answer::End)
        .once("tools/call", Answer::raw("{{{ not json"))
        .once("tools/call", Answer::error(-32603, "broken"));
    let client = connect(server.recipe()).await;
    let refused = client.call_tool("add", json!({})).await.unwrap_err();
    assert_eq!(refused.error_object().unwrap().message, "broken");
    let limit = Duration::from_millis(50);
    client.call_tool("add", json!({})).timeout(limit).await.unwrap_err();
    assert!(!client.is_closed());
    client.call_tool("add", json!({})).await.unwrap_err();
    assert!(client.is_closed());
    // The next connection is another.
    let client = connect(server.recipe()).await;
    assert!(client.call_tool("add", json!({})).await.unwrap().is_error);
}

#[tokio::test]
async fn over_http_an_end_ends_the_server_and_what_is_impossible_is_said() {
    let server = server()
        .once("tools/call", Answer::End)
        .once("tools/call", Answer::result(json!({})).asking("q", "roots/list", json!({})));
    let http = server.http().await.unwrap();
    let client = Client::http(http.url()).connect().await.unwrap();
    let refused = client.call_tool("add", json!({})).await.unwrap_err();
    assert!(refused.error_object().unwrap().message.contains("questions"), "{refused:?}");
    assert!(client.call_tool("add", json!({})).await.is_err());
    assert!(client.ping().await.is_err(), "nobody listens there any more");
}

#[tokio::test]
async fn a_legacy_client_is_told_and_asked() {
    let told =
        TestServer::new().only(Era::Legacy).capabilities(json!({"logging": {}, "tools": {}}));
    let server = told.on("tools/call", |_| {
        Answer::result(json!({"content": []})).asking("who", "roots/list", json!({}))
    });
    let (say, mut said) = tokio::sync::mpsc::unbounded_channel();
    let client = server
        .client()
        .on_log(move |message, _| say.send(message.data.to_string()).unwrap())
        .connect()
        .await
        .unwrap();
    server.notify("notifications/message", json!({"level": "info", "data": "hello"}));
    assert_eq!(said.recv().await.as_deref(), Some(r#""hello""#));
    client.call_tool("any", json!({})).await.unwrap();
    server.heard().until(|heard| !heard.answers().is_empty()).await;
    assert_eq!(server.heard().answers()[0]["code"], -32601, "no roots were declared");
}

#[tokio::test]
async fn a_test_client_notes_what_it_is_told_and_asked() {
    let server = TestServer::new()
        .only(Era::Legacy)
        .capabilities(json!({"tools": {"listChanged": true}, "logging": {}}))
        .on("tools/call", |_| {
            Answer::result(json!({"content": []})).asking("who", "roots/list", json!({}))
        });
    let client = TestClient::connect(server.client().roots([])).await.unwrap();
    client.call_tool("any", json!({})).await.unwrap();
    server.heard().until(|heard| !heard.answers().is_empty()).await;
    assert_eq!(server.heard().answers()[0], json!({"roots": []}));
    server.notify("notifications/message", json!({"level": "info", "data": 1}));
    server.notify("notifications/tools/list_changed", json!({}));
    server.notify("notifications/tea", json!({}));
    let told = client
        .until(|told| {
            !(told.logs.is_empty() || told.changes.is_empty()) && told.notifications.len() == 2
        })
        .await;
    assert_eq!(told.changes, [Change::Tools]);
    assert_eq!(&*told.notifications[1].method, "notifications/tea");
    assert_eq!((told.logs.len(), told.questions.len()), (1, 1));
}
