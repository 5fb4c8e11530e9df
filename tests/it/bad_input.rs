//! Servers that do one thing wrong: each error says what, where and why, and nothing hangs.

use std::{error::Error, time::Duration};

use mcp_client::{
    CallErrorKind, Client, ClientBuilder, ConnectFailure, EraChoice, transport::stdio::ChildCommand,
};
use serde_json::json;
use tokio::time::timeout;

/// Far longer than anything here takes; its end is a failure, not a measurement.
const HANG: Duration = Duration::from_secs(30);

fn server(fault: &str) -> ClientBuilder<ChildCommand> {
    Client::stdio(env!("CARGO_BIN_EXE_misbehave")).arg(fault)
}

async fn connect(fault: &str) -> Client {
    timeout(HANG, server(fault).connect()).await.expect("hangs").expect("does not connect")
}

/// The error and its causes, as a program would print them.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

async fn call(client: &Client) -> Result<String, mcp_client::CallError> {
    let call = client.call_tool("good", json!({})).timeout(Duration::from_secs(2));
    let result = timeout(HANG, call.into_future()).await.expect("hangs")?;
    Ok(result.content.iter().filter_map(|block| block.as_text()).collect())
}

#[tokio::test]
async fn a_server_that_exits_at_once_is_quoted() {
    let failure = timeout(HANG, server("exit-at-once").connect()).await.unwrap().unwrap_err();
    assert!(matches!(failure, ConnectFailure::Handshake(_)), "{failure:?}");
    assert!(chain(&failure).contains("exit status: 3"), "{}", chain(&failure));
    assert_eq!(failure.stderr_tail(), ["cannot read the settings: no such file"]);
}

#[tokio::test]
async fn a_program_that_is_no_server_is_named() {
    let failure = timeout(HANG, server("not-mcp").connect()).await.unwrap().unwrap_err();
    let text = chain(&failure);
    assert!(text.contains("misbehave"), "{text}");
}

#[tokio::test]
async fn a_missing_program_says_where_it_was_looked_for() {
    let failure = Client::stdio("no-such-program-anywhere").connect().await.unwrap_err();
    let ConnectFailure::Open { source, .. } = failure else { panic!("{failure:?}") };
    let mcp_client::transport::ConnectError::ProgramNotFound { program, searched } = source else {
        panic!("{source:?}")
    };
    assert_eq!(program, "no-such-program-anywhere");
    assert!(!searched.is_empty());
}

#[tokio::test]
async fn a_silent_server_times_out() {
    let connecting = server("silent").connect_timeout(Duration::from_millis(300)).connect();
    let failure = timeout(HANG, connecting).await.expect("hangs").unwrap_err();
    assert!(matches!(failure, ConnectFailure::TimedOut { .. }), "{failure:?}");
    assert_eq!(failure.stderr_tail(), ["waiting for the database"]);
}

// covers: era-probe-stdio-death
#[tokio::test]
async fn a_server_that_dies_on_the_probe_is_started_again() {
    let client = connect("dies-on-probe").await;
    assert_eq!(client.server().protocol_version.as_str(), "2025-11-25");
    assert_eq!(call(&client).await.unwrap(), "ok");
}

// covers: version-any-legacy
#[tokio::test]
async fn an_unknown_revision_is_refused_by_name() {
    let failure = server("future").era(EraChoice::Legacy).connect().await.unwrap_err();
    assert!(failure.to_string().contains("2099-01-01"), "{failure}");
}

// covers: stdio-noise
#[tokio::test]
async fn a_banner_on_stdout_does_no_harm() {
    let client = connect("banner").await;
    assert_eq!(call(&client).await.unwrap(), "ok");
}

// covers: unknown-fields
#[tokio::test]
async fn answers_that_are_right_in_the_end_are_taken() {
    for (fault, expected) in [
        ("unknown-id", "right"),
        ("two-answers", "first"),
        ("log-first", "after the log"),
        ("unknown-content", "seen"),
        ("extra-keys", "seen"),
    ] {
        let client = connect(fault).await;
        assert_eq!(call(&client).await.unwrap(), expected, "{fault}");
        assert!(!client.is_closed(), "{fault}");
    }
}

// covers: timeouts
#[tokio::test]
async fn no_answer_times_out_and_the_connection_lives() {
    for fault in ["no-answer", "garbage"] {
        let client = connect(fault).await;
        let call = client.call_tool("good", json!({})).timeout(Duration::from_millis(200));
        let error = timeout(HANG, call.into_future()).await.expect("hangs").unwrap_err();
        assert!(matches!(error.kind(), CallErrorKind::TimedOut { .. }), "{error:?}");
        assert!(error.was_sent());
        assert!(client.list_tools().await.is_ok(), "{fault}");
    }
}

// covers: late-replies, cancel-races, request-ids
#[tokio::test]
async fn a_late_answer_reaches_nobody_else() {
    let client = connect("late").await;
    let slow = client.call_tool("good", json!({"slow": true})).timeout(Duration::from_millis(100));
    assert!(slow.await.is_err());
    for _ in 0..8 {
        assert_eq!(call(&client).await.unwrap(), "in time");
        tokio::time::sleep(Duration::from_millis(80)).await;
    }
}

// covers: stdio-stderr
#[tokio::test]
async fn a_server_that_dies_during_a_call_is_quoted() {
    for fault in ["exit-mid-call", "half-a-line"] {
        let client = connect(fault).await;
        let error = call(&client).await.unwrap_err();
        assert!(matches!(error.kind(), CallErrorKind::Lost(_)), "{error:?}");
        assert!(chain(&error).contains("exit status"), "{}", chain(&error));
        assert!(client.is_closed(), "{fault}");
        if fault == "exit-mid-call" {
            assert_eq!(error.stderr_tail(), ["panic: index out of bounds"]);
        }
        // What comes after fails at once, and surely was not sent.
        let error = call(&client).await.unwrap_err();
        assert!(!error.was_sent(), "{error:?}");
    }
}

#[tokio::test]
async fn a_line_without_measure_is_refused() {
    let client = connect("huge-line").await;
    let error = call(&client).await.unwrap_err();
    assert!(chain(&error).contains("limit"), "{}", chain(&error));
}

#[tokio::test]
async fn invalid_utf8_is_an_error_that_says_so() {
    let client = connect("invalid-utf8").await;
    let error = call(&client).await.unwrap_err();
    let text = chain(&error);
    assert!(text.contains("tools/call"), "{text}");
}

// covers: local-errors-apart
#[tokio::test]
async fn a_sloppy_field_is_named() {
    let client = connect("sloppy-field").await;
    let error = call(&client).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::Undecodable(_)), "{error:?}");
    assert!(chain(&error).contains("isError"), "{}", chain(&error));
}

#[tokio::test]
async fn one_bad_tool_hides_no_other() {
    let client = connect("bad-tool").await;
    let listing = client.list_tools().await.unwrap();
    assert!(listing.items.iter().any(|tool| tool.name == "good"));
    assert!(listing.skipped.len() >= 2, "{:?}", listing.skipped);
}

// covers: cursors
#[tokio::test]
async fn lists_without_end_end() {
    for fault in ["cursor-loop", "endless-pages"] {
        let client = connect(fault).await;
        let error = timeout(HANG, client.list_tools().into_future()).await.unwrap().unwrap_err();
        assert!(matches!(error.kind(), CallErrorKind::Endless { .. }), "{fault}: {error:?}");
    }
}

// covers: tool-errors-are-results
#[tokio::test]
async fn a_tool_error_is_a_result() {
    let client = connect("tool-error").await;
    let result = client.call_tool("good", json!({})).await.unwrap();
    assert!(result.is_error);
}

#[tokio::test]
async fn a_server_that_ignores_the_end_of_its_input_is_ended() {
    let client = connect("ignores-eof").await;
    timeout(HANG, client.close()).await.expect("close hangs");
    assert!(client.is_closed());
}
