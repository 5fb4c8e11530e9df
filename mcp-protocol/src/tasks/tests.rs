use serde_json::{Value, json};

use super::*;

fn task(extra: &Value) -> Value {
    let mut task = json!({"taskId": "t", "createdAt": "2026-01-01T00:00:00Z",
        "lastUpdatedAt": "2026-01-01T00:01:00Z", "ttlMs": 60000, "pollIntervalMs": 500});
    let extra = extra.as_object().unwrap().clone();
    task.as_object_mut().unwrap().extend(extra);
    task
}

#[test]
fn every_state_survives_the_round_trip() {
    for (extra, state) in [
        (json!({"status": "working", "statusMessage": "m", "resultType": "complete"}), "Working"),
        // Servers that follow the examples rather than the text of the extension write this kind.
        (json!({"status": "working", "resultType": "task"}), "Working"),
        (
            json!({"status": "input_required", "inputRequests": {"k": {"method": "roots/list"}}}),
            "InputRequired",
        ),
        (json!({"status": "completed", "result": {"content": []}, "_meta": {}}), "Completed"),
        (json!({"status": "failed", "error": {"code": -32603, "message": "m"}}), "Failed"),
        (json!({"status": "cancelled", "ttlMs": null}), "Cancelled"),
        (json!({"status": "paused"}), "Unknown"),
    ] {
        let wire = task(&extra);
        let read = GetTask::decode(wire.to_string().as_bytes()).unwrap();
        assert!(format!("{:?}", read.state).starts_with(state), "{wire}");
        assert_eq!(
            read.task.status.is_terminal(),
            matches!(state, "Completed" | "Failed" | "Cancelled")
        );
        assert_eq!(serde_json::to_value(&read).unwrap(), wire);
    }
}

#[test]
fn an_end_needs_its_outcome() {
    for (status, part) in [("completed", "`result`"), ("failed", "`error`")] {
        let wire = task(&json!({"status": status})).to_string();
        let error = GetTask::decode(wire.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

// covers: tasks-elsewhere, result-type-unknown
#[test]
fn other_kinds_of_result_are_refused() {
    let wire = task(&json!({"status": "working", "resultType": "input_required"})).to_string();
    assert!(GetTask::decode(wire.as_bytes()).unwrap_err().to_string().contains("`input_required`"));
    assert!(CancelTask::decode(br#"{"resultType":"later"}"#).unwrap_err().path == "resultType");
}

// covers: tasks-header
#[test]
fn requests_name_the_task() {
    let params = TaskParams::new("t");
    assert_eq!(serde_json::to_string(&params).unwrap(), r#"{"taskId":"t"}"#);
    assert_eq!(GetTask::name_header(&params), Some("t"));
    assert_eq!(CancelTask::name_header(&params), Some("t"));
    let mut responses = InputResponses::default();
    responses.insert("k", json!({"roots": []}));
    let params = UpdateTaskParams::new("t", responses);
    assert_eq!(UpdateTask::name_header(&params), Some("t"));
    assert_eq!(
        serde_json::to_string(&params).unwrap(),
        r#"{"taskId":"t","inputResponses":{"k":{"roots":[]}}}"#
    );
    assert!(UpdateTask::decode(br#"{"resultType":"complete"}"#).is_ok());
}

#[test]
fn legacy_tasks() {
    let wire = json!({"tasks": [
        {"taskId": "a", "status": "working", "createdAt": "c", "lastUpdatedAt": "u", "ttl": null,
            "pollInterval": 100},
        {"taskId": "b"},
    ], "nextCursor": "n"});
    let list = legacy::ListTasks::decode(wire.to_string().as_bytes()).unwrap();
    assert_eq!(list.tasks[0].poll_interval, Some(100));
    assert_eq!(list.skipped[0].name.as_deref(), Some("b"));
    assert_eq!(serde_json::to_value(&list.tasks[0]).unwrap(), wire["tasks"][0]);
    assert_eq!(legacy::GetTask::name_header(&TaskParams::new("a")), None);
    let payload = legacy::GetTaskResult::decode(br#"{"content":[] }"#).unwrap();
    assert_eq!(payload.as_str(), r#"{"content":[] }"#);
}
