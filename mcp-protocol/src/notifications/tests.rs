use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn reads_every_notification() {
    let task = json!({"taskId": "t", "status": "cancelled", "createdAt": "", "lastUpdatedAt": "",
        "ttlMs": null});
    for (method, params, variant) in [
        ("notifications/progress", json!({"progressToken": "t", "progress": 1}), "Progress"),
        ("notifications/cancelled", json!({"requestId": 3, "reason": "r"}), "Cancelled"),
        ("notifications/cancelled", json!({}), "Cancelled"),
        ("notifications/message", json!({"level": "info", "data": 1}), "Message"),
        ("notifications/tools/list_changed", json!({}), "ToolListChanged"),
        ("notifications/prompts/list_changed", json!({"_meta": {}}), "PromptListChanged"),
        ("notifications/resources/list_changed", json!({}), "ResourceListChanged"),
        ("notifications/resources/updated", json!({"uri": "u"}), "ResourceUpdated"),
        (
            "notifications/elicitation/complete",
            json!({"elicitationId": "e"}),
            "ElicitationComplete",
        ),
        (
            "notifications/subscriptions/acknowledged",
            json!({"notifications": {"toolsListChanged": true}}),
            "SubscriptionsAcknowledged",
        ),
        ("notifications/tasks", task.clone(), "TaskChanged"),
        ("notifications/tasks/status", task, "LegacyTaskChanged"),
        ("notifications/weather", json!({"sun": true}), "Unknown"),
    ] {
        let read = ServerNotification::decode(method, params.to_string().as_bytes()).unwrap();
        assert!(format!("{read:?}").starts_with(variant), "{method}: {read:?}");
    }
    let error = ServerNotification::decode("notifications/resources/updated", b"{}").unwrap_err();
    assert!(error.to_string().contains("`uri`"));
}

#[test]
fn progress_has_a_fraction() {
    for (total, fraction) in
        [(None, None), (Some(4.0), Some(0.5)), (Some(1.0), Some(1.0)), (Some(0.0), None)]
    {
        let progress = ProgressParams { total, ..ProgressParams::new(1, 2.0) };
        assert_eq!(progress.fraction(), fraction);
    }
    let wire = r#"{"progressToken":7,"progress":3,"total":4,"message":"m"}"#;
    let read: ProgressParams = serde_json::from_str(wire).unwrap();
    assert_eq!((read.fraction(), read.progress_token), (Some(0.75), 7.into()));
}

#[test]
fn cancelling_names_the_request() {
    let params = CancelledParams::new("a").reason("late");
    assert_eq!(serde_json::to_string(&params).unwrap(), r#"{"requestId":"a","reason":"late"}"#);
}

proptest! {
    #[test]
    fn ids_and_tokens_keep_their_kind(number in any::<i64>(), text in any::<String>()) {
        for id in [RequestId::from(number), RequestId::from(text.as_str())] {
            let wire = serde_json::to_string(&ProgressParams::new(id.clone(), 0.0)).unwrap();
            let read: ProgressParams = serde_json::from_str(&wire).unwrap();
            prop_assert_eq!(read.progress_token, id);
        }
    }

    #[test]
    fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for method in ["notifications/progress", "notifications/tasks", "notifications/message", "x"] {
            let _ = ServerNotification::decode(method, &bytes);
        }
    }
}
