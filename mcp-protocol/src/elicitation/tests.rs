use serde_json::{Value, json};

use super::*;
use crate::decode;

fn field(wire: &Value) -> PrimitiveSchema {
    serde_json::from_value(wire.clone()).unwrap()
}

// covers: elicitation-schemas
#[test]
fn every_shape_of_field_survives_the_round_trip() {
    for (wire, shape) in [
        (
            json!({"type": "string", "title": "T", "description": "D", "minLength": 1,
                "maxLength": 9, "format": "email", "default": "a@b.c"}),
            "String",
        ),
        (json!({"type": "string", "format": "ipv6", "pattern": "^a$"}), "String"),
        (json!({"type": "number", "minimum": 0.5, "maximum": 10, "default": 1}), "Number"),
        (json!({"type": "integer", "minimum": -3}), "Number"),
        (json!({"type": "boolean", "default": false}), "Boolean"),
        (json!({"type": "string", "enum": ["a", "b"], "default": "a"}), "SingleSelect"),
        (
            json!({"type": "string", "title": "T", "oneOf": [
                {"const": "a", "title": "A"}, {"const": "b", "title": "B"}], "default": "b"}),
            "SingleSelect",
        ),
        (
            json!({"type": "array", "items": {"type": "string", "enum": ["a", "b"]},
                "minItems": 1, "maxItems": 2, "default": ["a"]}),
            "MultiSelect",
        ),
        (
            json!({"type": "array", "description": "D", "items": {"anyOf": [
                {"const": "a", "title": "A"}, {"const": "b", "title": "B"}]}, "default": []}),
            "MultiSelect",
        ),
        (
            json!({"type": "string", "enum": ["a", "b"], "enumNames": ["A", "B"], "default": "a"}),
            "LegacyTitled",
        ),
        (json!({"type": "object", "properties": {}}), "Unknown"),
        (json!({"type": ["string", "null"]}), "Unknown"),
        (json!({"anyOf": []}), "Unknown"),
    ] {
        let read = field(&wire);
        assert!(format!("{read:?}").starts_with(shape), "{wire}: {read:?}");
        assert_eq!(serde_json::to_value(&read).unwrap(), wire);
        let default = wire.get("default").cloned();
        assert_eq!(read.default_value(), default, "{wire}");
        assert_eq!(read.title(), wire.get("title").and_then(Value::as_str));
        assert_eq!(read.description(), wire.get("description").and_then(Value::as_str));
    }
}

#[test]
fn options_have_names() {
    for wire in [
        json!({"type": "string", "enum": ["a", "b"], "enumNames": ["A"]}),
        json!({"type": "string", "oneOf": [{"const": "a", "title": "A"}, {"const": "b"}]}),
        json!({"type": "array", "items": {"oneOf": [{"const": "a", "title": "A"}, {"const": "b"}]}}),
    ] {
        let options = field(&wire).options().unwrap();
        let names: Vec<&str> = options.iter().map(EnumOption::display_name).collect();
        assert_eq!(names, ["A", "b"], "{wire}");
    }
    assert_eq!(field(&json!({"type": "boolean"})).options(), None);
}

// covers: elicitation-defaults
#[test]
fn forms_keep_the_order_and_know_their_defaults() {
    let wire = r#"{"type":"object","properties":{"z":{"type":"string","default":"x"},"a":{"type":"integer","default":3},"m":{"type":"boolean"}},"required":["z"]}"#;
    let form: FormSchema = serde_json::from_str(wire).unwrap();
    assert_eq!(serde_json::to_string(&form).unwrap(), wire);
    assert!(form.is_required("z") && !form.is_required("a"));
    assert_eq!(serde_json::to_string(&form.defaults()).unwrap(), r#"{"z":"x","a":3}"#);
    let built = FormSchema::new()
        .required("z", StringSchema { default: Some("x".into()), ..Default::default() })
        .optional(
            "a",
            NumberSchema {
                kind: NumberKind::Integer,
                default: Some(3.into()),
                ..Default::default()
            },
        )
        .optional("m", BooleanSchema::default());
    assert_eq!(built, form);
}

// covers: elicitation-modes
#[test]
fn modes() {
    let form = json!({"message": "m", "requestedSchema": {"type": "object", "properties": {}}});
    let read: ElicitParams = serde_json::from_value(form).unwrap();
    assert!(matches!(read, ElicitParams::Form(_)), "no mode is form");
    assert_eq!(serde_json::to_value(&read).unwrap()["mode"], "form");

    let url = json!({"url": "https://example.com/x", "message": "m", "elicitationId": "e",
        "mode": "url", "_meta": {"k": 1}, "task": {"ttl": 1}});
    let read: ElicitParams = serde_json::from_value(url.clone()).unwrap();
    assert_eq!(read.message(), "m");
    assert_eq!(serde_json::to_value(&read).unwrap(), url);

    for (wire, part) in [
        (r#"{"message":"m"}"#, "`requestedSchema`"),
        (r#"{"message":"m","mode":"url"}"#, "`url`"),
        (r#"{"message":"m","mode":"voice"}"#, "`voice`"),
        (r#"{"mode":"form"}"#, "`message`"),
        (
            r#"{"message":"m","requestedSchema":{"properties":{"a":{"type":"string","minLength":"x"}}}}"#,
            "requestedSchema.properties.a",
        ),
    ] {
        let error = decode::strict::<ElicitParams>(wire.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(part), "{wire}: {error}");
    }
}

#[test]
fn decisions() {
    let content: Object = [("a", json!(1))].into_iter().collect();
    for (result, wire) in [
        (ElicitResult::accept(content), r#"{"action":"accept","content":{"a":1}}"#),
        (ElicitResult::accept_url(), r#"{"action":"accept"}"#),
        (ElicitResult::decline(), r#"{"action":"decline"}"#),
        (ElicitResult::cancel(), r#"{"action":"cancel"}"#),
    ] {
        assert_eq!(serde_json::to_string(&result).unwrap(), wire);
        assert_eq!(serde_json::from_str::<ElicitResult>(wire).unwrap(), result);
    }
}
