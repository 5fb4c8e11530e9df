use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{decode, raw::RawJson};

fn read(wire: &str) -> ContentBlock {
    decode::strict(wire.as_bytes()).unwrap()
}

// covers: content-kinds
#[test]
fn every_kind_survives_the_round_trip() {
    for (wire, kind) in [
        (json!({"type": "text", "text": "a\n\"b\""}), "text"),
        (
            json!({"type": "text", "text": "", "annotations": {
                "audience": ["user", "assistant", "auditor"], "priority": 0.5,
                "lastModified": "2025-01-01T00:00:00Z",
            }, "_meta": {"com.example/k": [1, {"deep": null}]}}),
            "text",
        ),
        (json!({"type": "image", "data": "AA==", "mimeType": "image/png"}), "image"),
        (json!({"type": "audio", "data": "AA==", "mimeType": "audio/wav"}), "audio"),
        (
            json!({"type": "resource_link", "uri": "file:///a", "name": "a", "size": 12,
                "mimeType": "text/plain", "icons": [{"src": "data:x", "theme": "dark"}]}),
            "resource_link",
        ),
        (json!({"type": "resource", "resource": {"uri": "file:///a", "text": "x"}}), "resource"),
        (
            json!({"type": "resource", "annotations": {"priority": 1},
                "resource": {"uri": "file:///a", "mimeType": "a/b", "blob": "AA==", "_meta": {}}}),
            "resource",
        ),
        (json!({"type": "hologram", "depth": 3, "layers": [{"a": 1}]}), "hologram"),
    ] {
        let block = read(&wire.to_string());
        assert_eq!(block.kind(), kind);
        assert_eq!(matches!(block, ContentBlock::Unknown(_)), kind == "hologram");
        assert_eq!(serde_json::to_value(&block).unwrap(), wire);
        // Not from text but from a tree, as in tests of users.
        assert_eq!(serde_json::from_value::<ContentBlock>(wire).unwrap(), block);
    }
}

#[test]
fn the_type_may_come_anywhere() {
    let first = read(r#"{"type":"image","data":"AA==","mimeType":"a/b","_meta":{"k":1}}"#);
    for wire in [
        r#"{"data":"AA==","type":"image","mimeType":"a/b","_meta":{"k":1}}"#,
        r#"{ "data" : "AA==", "mimeType":"a/b" , "_meta":{"k":1}, "ty\u0070e":"image"}"#,
        r#"{"unknown":[1,2],"data":"AA==","mimeType":"a/b","_meta":{"k":1},"type":"image"}"#,
    ] {
        assert_eq!(read(wire), first, "{wire}");
    }
}

// covers: content-kinds
#[test]
fn unknown_kinds_keep_their_text() {
    let wire = r#"{"a":1.10,"type":"x","b":"\u0041"}"#;
    let ContentBlock::Unknown(content) = read(wire) else { panic!("x is not known") };
    assert_eq!(content.kind, "x");
    assert_eq!(content.members.get("a").unwrap().as_str(), "1.10");
    let written = serde_json::to_string(&ContentBlock::Unknown(content)).unwrap();
    assert_eq!(written, r#"{"type":"x","a":1.10,"b":"\u0041"}"#);
}

#[test]
fn errors_name_the_field() {
    for (wire, part) in [
        (r#"[{"type":"text"}]"#, "`text`"),
        (r#"[{"type":"text","text":5}]"#, "[0].text"),
        (r#"[{"text":5,"type":"text"}]"#, "`text`"),
        (r#"[{"text":"x"}]"#, "`type`"),
        (r#"[{"type":7}]"#, "[0].type"),
        (r#"[{"type":"resource","resource":{"uri":"a"}}]"#, "`text` or `blob`"),
        (r#"[{"type":"image","data":"","mimeType":null}]"#, "[0].mimeType"),
        (r#"["text"]"#, "a content block"),
    ] {
        let error = decode::strict::<Vec<ContentBlock>>(wire.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(part), "{wire}: {error}");
    }
}

#[test]
fn extra_members_of_known_kinds_do_not_disturb() {
    let block = read(r#"{"type":"text","text":"x","new":{"a":[]},"annotations":null}"#);
    assert_eq!(block, ContentBlock::text("x"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(".{0,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_block() -> impl Strategy<Value = ContentBlock> {
    let text = (any::<String>(), proptest::option::of(any_json())).prop_map(|(text, meta)| {
        let entry = |value| Meta::from(Object::from_iter([("com.example/k", value)]));
        ContentBlock::Text(TextContent { text, annotations: None, meta: meta.map(entry) })
    });
    let media = ("[A-Za-z0-9+/]{0,20}", "[a-z]+/[a-z]+")
        .prop_map(|(data, mime_type)| ContentBlock::image(data, mime_type));
    let link = (".*", ".*", any::<Option<u64>>()).prop_map(|(uri, name, size)| {
        ContentBlock::ResourceLink(Box::new(Resource { size, ..Resource::new(uri, name) }))
    });
    let embedded = (".*", ".*", any::<bool>()).prop_map(|(uri, body, text)| {
        ContentBlock::resource(if text {
            ResourceContents::text(uri, body)
        } else {
            ResourceContents::blob(uri, body)
        })
    });
    let unknown = ("[A-Z]{1,8}", proptest::collection::btree_map("[a-s]{1,6}", any_json(), 0..4))
        .prop_map(|(kind, members)| {
            let members = members.into_iter().map(|(k, v)| (k, RawJson::from(v))).collect();
            ContentBlock::Unknown(UnknownContent { kind, members })
        });
    prop_oneof![text, media, link, embedded, unknown]
}

proptest! {
    #[test]
    fn what_was_written_is_read(block in any_block()) {
        let text = serde_json::to_string(&block).unwrap();
        prop_assert_eq!(&read(&text), &block);
        // The same with `type` at the end.
        let mut members: Object = serde_json::from_str(&text).unwrap();
        let kind = members.remove("type").unwrap();
        members.insert("type", kind);
        prop_assert_eq!(&read(&serde_json::to_string(&members).unwrap()), &block);
    }

    #[test]
    fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode::strict::<ContentBlock>(&bytes);
    }

    #[test]
    fn reading_json_never_panics(json in any_json()) {
        let _ = serde_json::from_value::<ContentBlock>(json.clone());
        let _ = decode::strict::<ContentBlock>(json!({"type": "resource", "resource": json})
            .to_string().as_bytes());
    }
}
