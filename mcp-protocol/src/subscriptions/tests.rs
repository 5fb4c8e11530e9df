use serde_json::json;

use super::*;

#[test]
fn asks_for_what_is_named_only() {
    let filter = SubscriptionFilter {
        tools_list_changed: true,
        resource_subscriptions: vec!["a://1".into()],
        ..Default::default()
    };
    let params = SubscriptionsListenParams::new(filter);
    let wire =
        json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": ["a://1"]}});
    assert_eq!(serde_json::to_value(&params).unwrap(), wire);
    assert_eq!(serde_json::from_value::<SubscriptionsListenParams>(wire).unwrap(), params);
}

// covers: listen-ack
#[test]
fn tells_what_is_not_granted() {
    let wanted: SubscriptionFilter = serde_json::from_value(json!({
        "toolsListChanged": true, "promptsListChanged": true,
        "resourceSubscriptions": ["a", "b"], "taskIds": ["t"],
    }))
    .unwrap();
    let granted: SubscriptionFilter = serde_json::from_value(json!({
        "toolsListChanged": true, "promptsListChanged": null, "resourceSubscriptions": ["b"],
        "somethingNew": true,
    }))
    .unwrap();
    assert_eq!(
        serde_json::to_value(wanted.missing_from(&granted)).unwrap(),
        json!({"promptsListChanged": true, "resourceSubscriptions": ["a"], "taskIds": ["t"]})
    );
    assert!(wanted.missing_from(&wanted).is_empty());
}

#[test]
fn carries_its_id() {
    let acknowledged: SubscriptionsAcknowledgedParams = serde_json::from_value(json!({
        "notifications": {}, "_meta": {"io.modelcontextprotocol/subscriptionId": 9},
    }))
    .unwrap();
    assert_eq!(acknowledged.subscription_id(), Some(9.into()));
    let ended = SubscriptionsListen::decode(
        br#"{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"9"}}"#,
    )
    .unwrap();
    assert_eq!(ended.meta.unwrap().subscription_id(), Some("9".into()));
}
