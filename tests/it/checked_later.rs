//! Results that come later than their call, as a task or after a question, and are still checked
//! against what the tool promised when it was called.

#![expect(clippy::unwrap_used, reason = "the steps that several tests share fail like a test")]

use mcp_client::{
    CallErrorKind, Client, PendingInput, Started, Step, TaskHandle, Validate,
    protocol::{input_required::InputResponses, tools},
    testing::{Answer, TestServer, modern_opening},
};
use serde_json::{Value, json};

/// A server whose tool `count` promises an integer: as a task, after a question, or at once. Its
/// results are those of `arguments.gives`, or what it was told last.
async fn connect() -> Client {
    let extensions = json!({"tools": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}});
    let mut gives = Value::Null;
    let (recipe, _) = TestServer::scripted(move |method, params| {
        let result = |gives: &Value| {
            json!({"resultType": "complete", "content": [], "structuredContent": gives})
        };
        let task = |status: &str, kind: &str| {
            json!({"taskId": "t-1", "status": status, "createdAt": "2026-11-01T00:00:00Z",
                "lastUpdatedAt": "2026-11-01T00:00:00Z", "pollIntervalMs": 1, "resultType": kind})
        };
        modern_opening(method, &extensions).unwrap_or_else(|| match method {
            "tools/list" => Answer::result(json!({"resultType": "complete", "tools": [{
                "name": "count", "inputSchema": {"type": "object"},
                "outputSchema": {"type": "integer"},
            }]})),
            "tools/call" => {
                let arguments = &params["arguments"];
                gives = arguments["gives"].clone();
                if arguments["asks"] == true && params["requestState"].is_null() {
                    return Answer::result(json!({
                        "resultType": "input_required", "requestState": "s", "inputRequests": {},
                    }));
                }
                if arguments["task"] == true {
                    return Answer::result(task("working", "task"));
                }
                Answer::result(result(&gives))
            }
            "tasks/get" => {
                let mut done = task("completed", "complete");
                done["result"] = result(&gives);
                Answer::result(done)
            }
            _ => Answer::Silence,
        })
    })
    .parts();
    Client::connect_with(recipe).tasks().connect().await.unwrap()
}

fn is_invalid_result<T: std::fmt::Debug>(outcome: Result<T, mcp_client::CallError>) -> bool {
    matches!(outcome.unwrap_err().kind(), CallErrorKind::InvalidResult(_))
}

/// As another process has it.
fn stored<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

// covers: structured-validated
#[tokio::test(start_paused = true)]
async fn what_a_task_gives_is_checked_when_it_is_resumed() {
    let client = connect().await;
    let start = async |gives: Value, choice: Validate| {
        let call = client.call_tool("count", json!({"task": true, "gives": gives}));
        match call.validate(choice).detached().await.unwrap() {
            Started::Task(handle) => stored::<TaskHandle>(&handle),
            Started::Done(result) => panic!("{result:?}"),
        }
    };
    let handle = start(json!("seven"), Validate::Both).await;
    assert!(is_invalid_result(client.resume_task(handle).await));
    let handle = start(json!(7), Validate::Result).await;
    client.resume_task(handle).await.unwrap();
    for unchecked in [Validate::Nothing, Validate::Arguments] {
        let handle = start(json!("seven"), unchecked).await;
        client.resume_task(handle).await.unwrap();
    }
}

// covers: structured-validated
#[tokio::test(start_paused = true)]
async fn what_comes_after_an_answer_is_checked_too() {
    let client = connect().await;
    let ask = async |arguments: Value, choice: Validate| {
        let call = client.call_tool("count", arguments).validate(choice);
        match call.stepwise().await.unwrap() {
            Step::InputRequired(pending) => stored::<PendingInput<tools::CallTool>>(&pending),
            step => panic!("{step:?}"),
        }
    };
    let answer = |pending| client.answer(pending, InputResponses::default());

    let wrong = json!({"asks": true, "gives": "seven"});
    assert!(is_invalid_result(answer(ask(wrong.clone(), Validate::Both).await).await));
    let step = answer(ask(wrong, Validate::Nothing).await).await.unwrap();
    assert!(matches!(step, Step::Complete(_)), "{step:?}");
    let right = json!({"asks": true, "gives": 7});
    let step = answer(ask(right, Validate::Both).await).await.unwrap();
    assert!(matches!(step, Step::Complete(_)), "{step:?}");

    // First a question, then a task.
    let both = json!({"asks": true, "task": true, "gives": "seven"});
    let step = answer(ask(both, Validate::Both).await).await.unwrap();
    let Step::Task(handle) = step else { panic!("{step:?}") };
    assert!(is_invalid_result(client.resume_task(stored(&handle)).await));
}
