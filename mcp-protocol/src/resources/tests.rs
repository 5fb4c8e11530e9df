use serde_json::json;

use super::*;

// covers: resource-contents
#[test]
fn reads_text_and_bytes() {
    let wire = json!({"contents": [
        {"uri": "a://1", "mimeType": "text/plain", "text": ""},
        {"uri": "a://2", "blob": "AA==", "_meta": {"k": 1}},
    ], "ttlMs": 0, "cacheScope": "private", "resultType": "complete"});
    let outcome = ReadResource::decode(wire.to_string().as_bytes()).unwrap();
    assert_eq!(serde_json::to_value(&outcome).unwrap(), wire);
    let result = outcome.complete().unwrap();
    assert_eq!(result.contents[0].as_text(), Some(""));
    assert_eq!(result.contents[1].body, ResourceBody::Blob("AA==".into()));
    assert_eq!(result.cache_hint(), CacheHint::default());
}

#[test]
fn refuses_contents_without_a_body() {
    for (wire, part) in [
        (json!({"contents": [{"uri": "a://1"}]}), "contents[0]"),
        (json!({"contents": [{"text": "x"}]}), "`uri`"),
        (json!({}), "`contents`"),
        (json!({"resultType": "task", "contents": []}), "`task`"),
    ] {
        let error = ReadResource::decode(wire.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.contains(part), "{wire}: {error}");
    }
}

// covers: unknown-fields
#[test]
fn lists_keep_the_good_entries() {
    let wire = json!({"resources": [
        {"uri": "a://1", "name": "one", "size": 1e3, "annotations": {"audience": ["user"]}},
        {"uri": "a://2"},
    ]});
    let list = ListResources::decode(wire.to_string().as_bytes()).unwrap();
    assert_eq!((list.resources.len(), list.skipped.len()), (1, 1));
    assert_eq!(list.resources[0].size, Some(1000));
    assert!(list.skipped[0].error.contains("`name`"));

    let wire = json!({"resourceTemplates": [
        {"uriTemplate": "a://{x}", "name": "one", "title": "One"}, {"name": "two"}, null,
    ]});
    let list = ListResourceTemplates::decode(wire.to_string().as_bytes()).unwrap();
    assert_eq!((list.resource_templates.len(), list.skipped.len()), (1, 2));
    assert_eq!(list.resource_templates[0].display_name(), "One");
    assert_eq!(list.skipped[0].name.as_deref(), Some("two"));
}

#[test]
fn parameters() {
    assert_eq!(
        serde_json::to_string(&ReadResourceParams::new("a://1")).unwrap(),
        r#"{"uri":"a://1"}"#
    );
    assert_eq!(ReadResource::name_header(&ReadResourceParams::new("a://1")), Some("a://1"));
    assert_eq!(serde_json::to_string(&ResourceParams::new("a://1")).unwrap(), r#"{"uri":"a://1"}"#);
}
