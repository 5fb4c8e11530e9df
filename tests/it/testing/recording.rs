//! Traffic that was recorded is had again, without the server and without its secrets.

#![expect(clippy::unwrap_used, reason = "a test's words are right or the test fails")]

use std::{fs, time::Duration};

use mcp_client::{
    Client,
    protocol::{tools::Tool, version::Era},
    testing::{Answer, Recorder, Replay, TestServer},
    transport::{Connect, http::HttpConfig},
};
use serde_json::json;

/// A server whose one tool counts its calls.
fn counting(era: Era) -> TestServer {
    let mut calls = 0;
    TestServer::new()
        .only(era)
        .capabilities(json!({"tools": {}, "logging": {}}))
        .tool(Tool::new("count", json!({"type": "object"})), move |_| {
            calls += 1;
            calls.to_string().into()
        })
        .on("tools/call", |params| match &params["_meta"]["progressToken"] {
            token if token.is_null() => Answer::Usual,
            token => Answer::Usual
                .telling("notifications/progress", json!({"progressToken": token, "progress": 1})),
        })
}

/// What a client hears in a few calls, an error and a call that it gives up among them.
async fn session(recipe: impl Connect) -> Vec<String> {
    let client = Client::connect_with(recipe).connect().await.unwrap();
    let mut heard = vec![format!("{:?}", client.server().era)];
    for tool in client.list_tools().await.unwrap().items {
        heard.push(tool.name);
    }
    let (say, mut said) = tokio::sync::mpsc::unbounded_channel();
    for arguments in [json!({"api_key": "k-1", "n": 1}), json!({"api_key": "k-2", "n": 1})] {
        let say = say.clone();
        let call = client.call_tool("count", arguments).on_progress(move |progress| {
            say.send(progress.progress.to_string()).unwrap();
        });
        heard.push(call.await.unwrap().joined_text());
        heard.extend(said.recv().await);
    }
    let unknown = client.call_tool("other", json!({})).await.unwrap_err();
    heard.push(unknown.error_object().unwrap().to_string());
    client.close().await;
    heard
}

#[tokio::test]
async fn a_recording_answers_as_the_server_did() {
    for era in [Era::Legacy, Era::Modern] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("session.jsonl");
        let server = counting(era);
        let http = server.http().await.unwrap();
        let recorder =
            Recorder::to_file(HttpConfig::new(http.url()).bearer("t0k3n"), &file).unwrap();
        let tape = recorder.tape();
        let heard = session(recorder).await;
        assert!(tape.finish().unwrap() >= 5);
        drop(http);

        let replay = Replay::read(&file).unwrap();
        assert_eq!(session(replay.clone()).await, heard);
        assert_eq!(heard[2..6], ["1", "1", "2", "1"], "results and progress");
        assert_eq!(replay.unanswered(), [], "{era:?}");
        let text = fs::read_to_string(&file).unwrap();
        for secret in ["t0k3n", "k-1", "k-2"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_recorded_is_refused_and_what_was_given_up_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("session.jsonl");
    let server = counting(Era::Modern).once("tools/list", Answer::Silence);
    let limit = Duration::from_secs(1);
    let output = fs::File::create(&file).unwrap();
    let recorder = Recorder::hiding(server.recipe(), output, ["4711".to_owned()]);
    let tape = recorder.tape();
    let client = Client::connect_with(recorder).call_timeout(limit).connect().await.unwrap();
    client.list_tools().await.unwrap_err();
    client.call_tool("count", json!({"door": "code 4711"})).await.unwrap();
    client.close().await;
    tape.finish().unwrap();
    assert!(!fs::read_to_string(&file).unwrap().contains("4711"));

    let replay = Replay::read(&file).unwrap();
    let client = Client::connect_with(replay.clone()).call_timeout(limit).connect().await.unwrap();
    let error = client.list_tools().await.unwrap_err();
    assert!(error.to_string().contains("1s"), "{error}");
    let again = client.call_tool("count", json!({"door": "any"})).await.unwrap();
    assert_eq!(again.joined_text(), "1", "what was hidden stands for anything");
    let error = client.call_tool("count", json!({"window": 1})).await.unwrap_err();
    assert_eq!(error.error_object().unwrap().code, -32602);
    let error = client.list_prompts().await.unwrap_err();
    assert_eq!(error.error_object().unwrap().code, -32601);
    let methods: Vec<_> = replay.unanswered().into_iter().map(|(method, _)| method).collect();
    assert_eq!(methods, ["tools/call", "prompts/list"]);
}

#[tokio::test]
async fn a_file_that_is_no_recording_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("session.jsonl");
    fs::write(&file, "\n{\"exchange\": 1}\n").unwrap();
    let error = Replay::read(&file).unwrap_err().to_string();
    assert!(error.contains("session.jsonl:2: not a line of a recording"), "{error}");
    assert!(Replay::read(folder.path().join("missing")).is_err());
}
