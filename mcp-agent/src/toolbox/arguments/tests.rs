#![expect(clippy::needless_pass_by_value, reason = "expected values read better unborrowed")]

use serde_json::{Map, Value, json};

use super::{check, coerce, parse};

#[track_caller]
fn check_parse(text: &str, expected: Value) {
    assert_eq!(Value::Object(parse(text).unwrap()), expected);
}

#[test]
fn reads_what_models_write() {
    check_parse(r#"{"a": 1}"#, json!({"a": 1}));
    check_parse("", json!({}));
    check_parse("  ", json!({}));
    check_parse("null", json!({}));
    check_parse(r#""null""#, json!({}));
    check_parse(r#""{\"a\": 1}""#, json!({"a": 1}));
    check_parse(r#""\"{\\\"a\\\": 1}\"""#, json!({"a": 1}));
    check_parse("```json\n{\"a\": 1}\n```", json!({"a": 1}));
}

#[track_caller]
fn check_error(text: &str, expected: &str) {
    assert_eq!(parse(text).unwrap_err().to_string(), expected);
}

#[test]
fn says_what_is_wrong() {
    check_error("[1]", "the arguments must be one JSON object, but they are an array: [1]");
    check_error(
        r#"{"a": "#,
        "the arguments must be one JSON object, but they cannot be read \
         (EOF while parsing a value at line 1 column 5): {\"a\":",
    );
    check_error(
        "Paris",
        "the arguments must be one JSON object, but they cannot be read \
         (expected value at line 1 column 1): Paris",
    );
}

/// One property `x` of this schema.
#[track_caller]
fn check_coerce(schema: Value, value: Value, expected: Value) {
    let schema = json!({"type": "object", "properties": {"x": schema}});
    let Value::Object(mut arguments) = json!({"x": value}) else { unreachable!() };
    coerce(&schema, &mut arguments);
    assert_eq!(arguments.get("x").cloned().unwrap_or("absent".into()), expected);
}

#[test]
fn coerces_only_where_there_is_one_way() {
    let (integer, number, string, boolean) = (
        json!({"type": "integer"}),
        json!({"type": "number"}),
        json!({"type": "string"}),
        json!({"type": "boolean"}),
    );
    check_coerce(integer.clone(), json!("5"), json!(5));
    check_coerce(integer.clone(), json!("5.0"), json!(5));
    check_coerce(integer.clone(), json!(3.0), json!(3));
    check_coerce(integer.clone(), json!(3.5), json!(3.5));
    check_coerce(integer.clone(), json!("00713"), json!("00713"));
    check_coerce(integer.clone(), json!("five"), json!("five"));
    check_coerce(number.clone(), json!("2.5"), json!(2.5));
    check_coerce(number, json!("NaN"), json!("NaN"));
    check_coerce(string.clone(), json!("00713"), json!("00713"));
    check_coerce(string.clone(), json!(42), json!("42"));
    check_coerce(string.clone(), json!(true), json!("true"));
    check_coerce(string, json!({"a": 1}), json!({"a": 1}));
    check_coerce(boolean.clone(), json!("true"), json!(true));
    check_coerce(boolean.clone(), json!("yes"), json!("yes"));
    check_coerce(boolean, json!(1), json!(1));
}

#[test]
fn coerces_inside_lists_objects_choices_and_references() {
    let numbers = json!({"type": "array", "items": {"type": "integer"}});
    check_coerce(numbers.clone(), json!("[1, \"2\"]"), json!([1, 2]));
    check_coerce(numbers, json!(["1", 2]), json!([1, 2]));
    let optional = json!({"anyOf": [{"type": "integer"}, {"type": "null"}]});
    check_coerce(optional.clone(), json!("7"), json!(7));
    check_coerce(optional, json!(null), json!(null));
    let either = json!({"type": ["string", "integer"]});
    check_coerce(either, json!("7"), json!("7"));
    let object = json!({"type": "object", "properties": {"n": {"type": "number"}}});
    check_coerce(object, json!("{\"n\": \"1\"}"), json!({"n": 1}));
    let schema = json!({
        "properties": {"p": {"$ref": "#/$defs/P"}},
        "$defs": {"P": {"type": "object", "properties": {
            "n": {"type": "integer"}, "next": {"$ref": "#/$defs/P"},
        }}},
    });
    let Value::Object(mut arguments) = json!({"p": {"n": "1", "next": {"n": "2"}}}) else {
        unreachable!()
    };
    coerce(&schema, &mut arguments);
    assert_eq!(Value::Object(arguments), json!({"p": {"n": 1, "next": {"n": 2}}}));
}

#[test]
fn an_unwanted_null_is_left_out() {
    check_coerce(json!({"type": "string"}), json!(null), json!("absent"));
    check_coerce(json!({"type": ["string", "null"]}), json!(null), json!(null));
    check_coerce(json!({}), json!(null), json!(null));
    let schema = json!({"properties": {"x": {"type": "string"}}, "required": ["x"]});
    let Value::Object(mut arguments) = json!({"x": null}) else { unreachable!() };
    coerce(&schema, &mut arguments);
    assert_eq!(Value::Object(arguments), json!({"x": null}));
}

#[test]
fn a_schema_that_refers_to_itself_ends() {
    let schema = json!({"$ref": "#", "anyOf": [{"$ref": "#"}]});
    let Value::Object(mut arguments) = json!({"x": {"x": 1}}) else { unreachable!() };
    coerce(&schema, &mut arguments);
    let schema = json!({"properties": {"x": {"anyOf": [{"$ref": "#/properties/x"}, {"$ref": "#/properties/x"}]}}});
    coerce(&schema, &mut arguments);
    assert_eq!(Value::Object(arguments), json!({"x": {"x": 1}}));
}

#[test]
fn an_argument_that_does_not_fit_is_named_by_its_path() {
    let schema = json!({"type": "object", "required": ["at"], "$defs": {"place": {
        "type": "object", "properties": {"lat": {"type": "number", "maximum": 90}}}},
        "properties": {"at": {"$ref": "#/$defs/place"}}});
    let fits = |arguments: Value| {
        check(&schema.clone().into(), arguments.as_object().unwrap()).map_err(|e| e.to_string())
    };
    fits(json!({"at": {"lat": 45}})).unwrap();
    let error = fits(json!({"at": {"lat": 95}})).unwrap_err();
    assert!(error.contains("at /at/lat:") && error.contains("90"), "{error}");
    assert!(!error.contains("95"), "the value may be secret: {error}");
    let error = fits(json!({})).unwrap_err();
    assert!(error.contains("at the object: \"at\" is a required property"), "{error}");
    check(&json!({"type": 7}).into(), &Map::new()).unwrap();
}
