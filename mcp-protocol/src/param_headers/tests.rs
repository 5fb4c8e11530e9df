use proptest::prelude::*;
use serde_json::json;

use super::*;

fn plan(schema: Value) -> Result<ParamHeaders, ParamHeaderProblem> {
    ParamHeaders::from_schema(&RawJson::from(schema)).map_err(|invalid| invalid.problem)
}

/// A schema whose property `a` is this.
fn with(property: Value) -> Value {
    let mut schema = json!({"type": "object", "properties": {}});
    schema["properties"]["a"] = property;
    schema
}

// covers: param-headers-invalid
#[test]
fn refuses_bad_marks() {
    use ParamHeaderProblem as P;
    let mark = |name: &str| json!({"type": "string", "x-mcp-header": name});
    for (schema, problem) in [
        (with(json!({"type": "string", "x-mcp-header": 1})), P::NotAString),
        (with(mark("")), P::Empty),
        (with(mark("a b")), P::NotAToken("a b".into())),
        (with(mark("a\r\nb")), P::NotAToken("a\r\nb".into())),
        (with(mark("naïve")), P::NotAToken("naïve".into())),
        (with(json!({"type": "number", "x-mcp-header": "A"})), P::NotPrimitive),
        (with(json!({"type": "object", "x-mcp-header": "A"})), P::NotPrimitive),
        (with(json!({"type": ["string", "null"], "x-mcp-header": "A"})), P::NotPrimitive),
        (with(json!({"x-mcp-header": "A"})), P::NotPrimitive),
        (json!({"type": "object", "x-mcp-header": "A"}), P::Unreachable),
        (with(json!({"type": "array", "items": mark("A")})), P::Unreachable),
        (with(json!({"anyOf": [mark("A")]})), P::Unreachable),
        (with(json!({"not": mark("A")})), P::Unreachable),
        (with(json!({"unheard": {"of": mark("A")}})), P::Unreachable),
        (json!({"oneOf": [with(mark("A"))]}), P::Unreachable),
        (json!({"if": with(mark("A"))}), P::Unreachable),
        (json!({"$defs": {"d": mark("A")}}), P::Unreachable),
        (json!({"definitions": {"d": with(mark("A"))}}), P::Unreachable),
        (json!({"patternProperties": {"^a": mark("A")}}), P::Unreachable),
        (json!({"additionalProperties": mark("A")}), P::Unreachable),
        (
            json!({"properties": {"a": mark("Same"), "b": mark("sAME")}}),
            P::Duplicate("sAME".into()),
        ),
    ] {
        assert_eq!(plan(schema.clone()).unwrap_err(), problem, "{schema}");
    }
}

#[test]
fn says_where_it_is_wrong() {
    let schema = with(json!({"type": "object", "properties": {"b/c": {"x-mcp-header": ""}}}));
    let invalid = ParamHeaders::from_schema(&RawJson::from(schema)).unwrap_err();
    assert_eq!(invalid.to_string(), "`x-mcp-header` at `/properties/a/properties/b~1c` is empty");
}

#[test]
fn data_and_names_are_no_marks() {
    for schema in [
        json!({"type": "object"}),
        json!({"properties": {"x-mcp-header": {"type": "number"}}}),
        with(json!({"default": {"x-mcp-header": ""}})),
        with(json!({"enum": [{"x-mcp-header": ""}], "const": {"x-mcp-header": 1}})),
        with(json!({"examples": [{"x-mcp-header": 1}]})),
        with(json!(true)),
    ] {
        assert!(plan(schema.clone()).unwrap().is_empty(), "{schema}");
    }
}

#[test]
fn finds_a_mark_written_with_escapes() {
    let text = r#"{"properties":{"a":{"type":"string","x-mcp-heade\u0072":"A"}}}"#;
    let plan = ParamHeaders::from_schema(&RawJson::parse_text(text).unwrap()).unwrap();
    assert_eq!(plan.names().collect::<Vec<_>>(), ["Mcp-Param-A"]);
}

// covers: param-headers
#[test]
fn repeats_values() {
    let plan = plan(json!({"type": "object", "properties": {
        "s": {"type": "string", "x-mcp-header": "Method"},
        "deep": {"type": "object", "properties": {
            "n": {"type": "integer", "x-mcp-header": "N"},
        }},
        "flag": {"type": "boolean", "x-mcp-header": "Flag"},
        "plain": {"type": "string"},
    }}))
    .unwrap();
    let s = "Mcp-Param-Method";
    let n = "Mcp-Param-N";
    for (arguments, expected) in [
        (json!({}), vec![]),
        (json!({"s": null, "deep": null, "flag": null}), vec![]),
        (json!({"deep": 7, "plain": "x"}), vec![]),
        (json!({"s": ""}), vec![(s, "")]),
        (json!({"s": "a b"}), vec![(s, "a b")]),
        (json!({"s": "ä"}), vec![(s, "=?base64?w6Q=?=")]),
        (json!({"deep": {"n": -7}}), vec![(n, "-7")]),
        (json!({"deep": {"n": 42.0}}), vec![(n, "42")]),
        (json!({"deep": {"n": 9_007_199_254_740_991_i64}}), vec![(n, "9007199254740991")]),
        (json!({"flag": false}), vec![("Mcp-Param-Flag", "false")]),
        (json!({"s": 5, "flag": "yes"}), vec![("Mcp-Param-Flag", "yes"), (s, "5")]),
    ] {
        let mut expected: Vec<(String, String)> =
            expected.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let mut headers = plan.values(&arguments).unwrap();
        headers.sort();
        expected.sort();
        assert_eq!(headers, expected, "{arguments}");
        assert_eq!(plan.values_of(Some(&RawJson::from(arguments))).unwrap().len(), headers.len());
    }
    assert_eq!(plan.values_of(None), Ok(vec![]));
}

#[test]
fn refuses_values_that_no_header_can_hold() {
    let plan = plan(with(json!({"type": "integer", "x-mcp-header": "A"}))).unwrap();
    let argument = || "a".to_owned();
    for (value, error) in [
        (
            json!(9_007_199_254_740_992_i64),
            InvalidParamValue::UnsafeInteger { argument: argument() },
        ),
        (
            json!(-9_007_199_254_740_992_i64),
            InvalidParamValue::UnsafeInteger { argument: argument() },
        ),
        (json!(i64::MIN), InvalidParamValue::UnsafeInteger { argument: argument() }),
        (json!(u64::MAX), InvalidParamValue::UnsafeInteger { argument: argument() }),
        (json!(1e300), InvalidParamValue::UnsafeInteger { argument: argument() }),
        (json!(1.5), InvalidParamValue::NotPrimitive { argument: argument() }),
        (json!([1]), InvalidParamValue::NotPrimitive { argument: argument() }),
        (json!({"b": 1}), InvalidParamValue::NotPrimitive { argument: argument() }),
    ] {
        assert_eq!(plan.values(&json!({"a": value})), Err(error), "{value}");
    }
}

proptest! {
    #[test]
    fn never_panics(text in r#"[{}\[\]":,a0 ]{0,80}"#, name in any::<String>()) {
        if let Ok(schema) = RawJson::parse_text(&text) {
            let _ = ParamHeaders::from_schema(&schema);
        }
        let _ = plan(with(json!({"type": "string", "x-mcp-header": name})));
    }

    #[test]
    fn integers_go_as_decimals(number in -MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER) {
        let plan = plan(with(json!({"type": "integer", "x-mcp-header": "A"}))).unwrap();
        let headers = plan.values(&json!({"a": number})).unwrap();
        prop_assert_eq!(&headers[0].1, &number.to_string());
    }
}
