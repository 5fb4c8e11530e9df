use proptest::prelude::*;
use serde_json::Value;

use super::{Refused, from_slice};
use crate::{
    content::ContentBlock,
    raw::RawJson,
    tools::{CallToolResult, ListToolsResult},
};

/// What is read here, `serde_json` reads to the same; what it refuses is refused here.
fn check<T>(json: &[u8])
where
    T: serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    if let Ok(value) = from_slice::<T>(json) {
        let judged = serde_json::from_slice::<T>(json);
        assert_eq!(judged.unwrap(), value, "{}", String::from_utf8_lossy(json));
    }
}

fn check_all(json: &[u8]) {
    check::<Value>(json);
    check::<RawJson>(json);
    check::<Vec<RawJson>>(json);
    check::<Vec<String>>(json);
    check::<std::collections::BTreeMap<String, f64>>(json);
    check::<ContentBlock>(json);
    check::<CallToolResult>(json);
    check::<ListToolsResult>(json);
}

#[test]
fn reads_what_servers_write() {
    for text in [
        r#"{"content":[{"type":"text","text":"a\nb\"\u00e9\ud83d\ude00\/"}],"isError":false}"#,
        r#" { "content" : [ { "type" : "image" , "data" : "QQ==" , "mimeType" : "image/png" } ] } "#,
        r#"{"structuredContent":{"a":[1,-2,3.5e2,true,null,{"b":[]}]},"content":[],"x":{"y":[0]}}"#,
        r#"{"content":[{"type":"text","text":"t","annotations":{"priority":0.5}}]}"#,
        r#"{"tools":[{"name":"a","inputSchema":{"type":"object"},"icons":[]}],"nextCursor":""}"#,
    ] {
        let value: Value = from_slice(text.as_bytes()).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
        let raw: RawJson = from_slice(text.as_bytes()).unwrap();
        assert_eq!(raw.as_str(), text.trim());
        check_all(text.as_bytes());
    }
    let result: CallToolResult =
        from_slice(br#"{"content":[{"type":"text","text":"\u00e9\ud83d\ude00\t"}]}"#).unwrap();
    assert_eq!(result.content[0].as_text(), Some("é😀\t"));
}

#[test]
fn a_tag_may_come_late() {
    for text in [
        r#"{"text":"a","type":"text"}"#,
        r#" { "text" : "\n" , "annotations" : {"type":"x"} , "type" : "text" , "x" : 1 } "#,
        r#"{"a":1,"type":"new","b":2}"#,
        r#"{"mimeType":"image/png","type":"image","data":""}"#,
    ] {
        let block: ContentBlock = from_slice(text.as_bytes()).unwrap();
        let value = serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(serde_json::to_value(&block).unwrap()["type"], value["type"]);
        check::<ContentBlock>(text.as_bytes());
        check_all(format!(r#"{{"content":[{text},{text}]}}"#).as_bytes());
    }
    for text in [
        r#"{"text":"a"}"#,
        r#"{"text":"a","type":"text","type":"image"}"#,
        r#"{"text":"a","type":"text","text":"b"}"#,
        r#"{"type":"text","type":"text","text":"b"}"#,
        r#"{"text":"a","type":"text""#,
        r#"{"text":"a" "type":"text"}"#,
        r#"{"text":"a","ty\u0070e":"text"}"#,
        r#"{"text":"a","ty\u0070e":"text","type":"image"}"#,
        r#"{"text":"a","type":"text",}"#,
    ] {
        check::<ContentBlock>(text.as_bytes());
    }
}

#[test]
fn numbers_are_those_of_serde_json() {
    for text in ["0", "-0", "-1", "18446744073709551615", "-9223372036854775808", "1e400", "0.1"] {
        check::<Value>(text.as_bytes());
    }
    for text in ["0", "-7", "999999999999999999", "18446744073709551615", "2.5", "-0"] {
        assert!(from_slice::<Value>(text.as_bytes()).is_ok(), "{text}");
    }
}

#[test]
fn refuses_what_is_not_json() {
    for text in [
        "",
        " ",
        "{",
        "[1,]",
        "[1 2]",
        r#"{"a"}"#,
        r#"{"a":1,}"#,
        "{a:1}",
        "tru",
        "01",
        "1.",
        "-",
        "1e",
        "+1",
        ".5",
        "[1}",
        r#"{"a":1]"#,
        "1 2",
        "\"\n\"",
        r#""\x""#,
        r#""\u12""#,
        r#""a"#,
        "nulll",
        "[[]",
        "\u{feff}1",
    ] {
        assert_eq!(from_slice::<RawJson>(text.as_bytes()).err(), Some(Refused), "{text}");
        assert_eq!(from_slice::<Value>(text.as_bytes()).err(), Some(Refused), "{text}");
    }
    assert!(from_slice::<String>(br#""\ud800""#).is_err());
    assert!(from_slice::<String>(b"\"\xff\"").is_err());
}

#[test]
fn depth_is_bounded() {
    for depth in [63, 64, 65, 127, 128, 129, 100_000] {
        let text = "[".repeat(depth) + &"]".repeat(depth);
        check::<Value>(text.as_bytes());
        check::<RawJson>(text.as_bytes());
    }
}

/// Each place where a step of the search can begin and end.
#[test]
fn strings_of_every_length() {
    for len in 0..70 {
        for escape in ["", "\\n", "\\\"", "\\\\", "\\u0041", "é"] {
            let text = format!("[\"{}{escape}{}\"]", "a".repeat(len), "b".repeat(70 - len));
            assert_eq!(
                from_slice::<Vec<String>>(text.as_bytes()).unwrap(),
                serde_json::from_str::<Vec<String>>(&text).unwrap()
            );
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[\\\\\"a\n]{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::hash_map("[a-z\"\\\\]{0,20}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes(json in proptest::collection::vec(any::<u8>(), 0..100)) {
        check_all(&json);
    }

    #[test]
    fn json_like_text(json in r#"[{}\[\]":,\\au0e.+tr n\-]{0,60}"#) {
        check_all(json.as_bytes());
    }

    #[test]
    fn almost_a_result(
        before in "[ \n]{0,3}",
        text in r#"[a-z\\"nu0-9\n]{0,30}"#,
        more in r#"(,"[a-z]{0,4}":([0-9.e-]{1,5}|"[^"]{0,9}"|\[\]|\{\}))?"#,
    ) {
        let json = format!(r#"{before}{{"content":[{{"type":"text","text":"{text}"{more}}}]}}"#);
        check_all(json.as_bytes());
        let late = format!(r#"{before}{{"text":"{text}"{more},"type":"text"}}"#);
        check_all(late.as_bytes());
    }

    #[test]
    fn all_json_is_read(json in any_json()) {
        for text in [json.to_string(), serde_json::to_string_pretty(&json).unwrap()] {
            let judged = serde_json::from_str::<Value>(&text).unwrap();
            prop_assert_eq!(from_slice::<Value>(text.as_bytes()).unwrap(), judged);
            let raw = from_slice::<RawJson>(text.as_bytes()).unwrap();
            prop_assert_eq!(raw.as_str(), text);
        }
    }
}
