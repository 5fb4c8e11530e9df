//! Compiled schemas, by example and by property.
#![expect(clippy::needless_pass_by_value, reason = "expected values read better unborrowed")]

use mcp_client::SchemaValidator;
use mcp_protocol::raw::RawJson;
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

use super::{SchemaDialect, compile, parameters};

use SchemaDialect::{Anthropic, AnthropicStrict, Gemini, Ollama, OpenAi, OpenAiStrict};

const ALL: [SchemaDialect; 6] = [OpenAi, OpenAiStrict, Anthropic, AnthropicStrict, Gemini, Ollama];

#[track_caller]
fn check(dialect: SchemaDialect, schema: Value, expected: Value) {
    assert_eq!(compile(&schema, dialect).unwrap().schema, expected);
}

#[track_caller]
fn check_refused(dialect: SchemaDialect, schema: Value, error: &str) {
    assert_eq!(compile(&schema, dialect).unwrap_err().to_string(), error);
}

fn of(properties: Value) -> Value {
    json!({"type": "object", "properties": properties})
}

#[test]
fn what_a_provider_reads_stays_as_it_is() {
    let schema = json!({
        "type": "object",
        "properties": {"a": {"type": "string", "minLength": 2, "pattern": "^x"}},
        "required": ["a"],
        "additionalProperties": false,
    });
    for dialect in [OpenAi, Anthropic, Ollama] {
        check(dialect, schema.clone(), schema.clone());
        let raw = RawJson::from(schema.clone());
        assert!(matches!(parameters(&raw, dialect), std::borrow::Cow::Borrowed(_)));
    }
}

#[test]
fn references_are_put_in_place_where_they_are_not_followed() {
    let schema = json!({
        "type": "object",
        "properties": {"at": {"$ref": "#/$defs/place", "description": "Where."}},
        "$defs": {"place": {"type": "object", "properties": {"city": {"$ref": "#/$defs/name"}}},
                  "name": {"type": "string"}},
    });
    let inlined = of(json!({"at": {
        "type": "object", "description": "Where.", "properties": {"city": {"type": "string"}},
    }}));
    check(Gemini, schema.clone(), inlined.clone());
    check(Ollama, schema.clone(), inlined);
    check(OpenAi, schema.clone(), schema);
}

#[test]
fn a_shape_that_contains_itself_ends() {
    let schema = json!({
        "type": "object",
        "properties": {"tree": {"$ref": "#/$defs/tree"}},
        "required": ["tree"],
        "$defs": {"tree": {
            "type": "object",
            "properties": {"name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
            "required": ["name", "children"],
        }},
    });
    let compiled = compile(&schema, Gemini).unwrap();
    let items = &compiled.schema["properties"]["tree"]["properties"]["children"]["items"];
    assert_eq!(
        *items,
        json!({"type": "object", "description": "The same shape again as #/$defs/tree."})
    );
    assert!(!compiled.is_exact());
    // By name, a strict schema can contain itself.
    let strict = compile(&schema, OpenAiStrict).unwrap();
    let tree = &strict.schema["$defs"]["tree"];
    assert_eq!(tree["properties"]["children"]["items"], json!({"$ref": "#/$defs/tree"}));
    assert_eq!(tree["additionalProperties"], false);
    check_refused(
        AnthropicStrict,
        schema,
        "the schema has no strict form: a shape that contains itself at \
         `/properties/tree/properties/children/items`",
    );
}

#[test]
fn a_reference_to_itself_and_one_to_nowhere_do_no_harm() {
    for schema in [
        json!({"$ref": "#"}),
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}),
        of(json!({"a": {"$ref": "https://example.com/schema"}})),
        json!(true),
        json!({"type": "string"}),
    ] {
        for dialect in [OpenAi, Anthropic, Gemini, Ollama] {
            let compiled = compile(&schema, dialect).unwrap().schema;
            assert_eq!(compiled["type"], "object", "{schema}");
        }
    }
}

#[test]
fn references_that_double_each_other_stay_small() {
    let mut definitions = serde_json::Map::new();
    for level in 0..40 {
        let next = json!({"$ref": format!("#/$defs/l{}", level + 1)});
        definitions.insert(format!("l{level}"), of(json!({"a": next, "b": next})));
    }
    definitions.insert("l40".into(), json!({"type": "string"}));
    let schema = json!({"$ref": "#/$defs/l0", "$defs": definitions});
    let compiled = compile(&schema, Gemini).unwrap();
    assert!(compiled.schema.to_string().len() < 1 << 20);
    assert!(!compiled.is_exact());
}

#[test]
fn what_gemini_has_no_word_for_is_told() {
    let schema = of(json!({
        "unit": {"const": "C"},
        "when": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        "code": {"type": "string", "description": "The code.", "pattern": "^[a-z]+$"},
        "both": {"allOf": [{"type": "integer"}, {"minimum": 3}], "maximum": 9},
    }));
    check(
        Gemini,
        schema,
        of(json!({
            "unit": {"enum": ["C"]},
            "when": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            "code": {"type": "string",
                "description": "The code.\nMust also satisfy: {\"pattern\":\"^[a-z]+$\"}"},
            "both": {"type": "integer", "minimum": 3, "maximum": 9},
        })),
    );
}

#[test]
fn a_choice_of_shapes_outside_becomes_one_object() {
    let by_id = json!({"properties": {"id": {"type": "integer"}}, "required": ["id"]});
    let by_name = json!({"properties": {"name": {"type": "string"}}, "required": ["name"]});
    let compiled =
        compile(&json!({"type": "object", "anyOf": [by_id, by_name]}), Anthropic).unwrap();
    assert_eq!(
        compiled.schema["properties"],
        json!({"id": {"type": "integer"}, "name": {"type": "string"}})
    );
    assert_eq!(compiled.lost[0].keyword, "anyOf");
    assert!(compiled.schema["description"].as_str().unwrap().starts_with("Must also satisfy: "));
    assert!(compiled.schema.get("anyOf").is_none());
}

#[test]
fn older_drafts_are_said_in_new_words() {
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {
            "pair": {"type": "array", "items": [{"type": "string"}], "additionalItems": false},
            "at": {"$ref": "#/definitions/at", "minLength": 9},
        },
        "definitions": {"at": {"type": "string"}},
        "dependencies": {"pair": ["at"]},
    });
    let compiled = compile(&schema, Anthropic).unwrap().schema;
    let pair = &compiled["properties"]["pair"];
    assert_eq!(
        (&pair["prefixItems"], &pair["items"]),
        (&json!([{"type": "string"}]), &json!(false))
    );
    assert_eq!(compiled["properties"]["at"], json!({"$ref": "#/definitions/at"}));
    assert_eq!(compiled["dependentRequired"], json!({"pair": ["at"]}));
    assert!(compiled.get("$schema").is_none());
}

#[test]
fn strict_closes_objects_and_requires_what_may_be_null() {
    let schema = of(json!({
        "name": {"type": "string", "maxLength": 9},
        "age": {"type": ["integer", "null"], "format": "uint8", "minimum": 0},
        "kind": {"oneOf": [{"const": "a", "type": "string"}, {"const": "b", "type": "string"},
            {"type": "null"}]},
    }));
    let mut named = schema.clone();
    named["required"] = json!(["name"]);
    let compiled = compile(&named, OpenAiStrict).unwrap();
    assert_eq!(compiled.schema["required"].as_array().unwrap().len(), 3);
    assert_eq!(compiled.schema["additionalProperties"], false);
    assert_eq!(
        compiled.schema["properties"]["age"],
        json!({"type": ["integer", "null"], "minimum": 0})
    );
    assert!(compiled.schema["properties"]["kind"]["anyOf"].is_array());
    assert_eq!(compiled.lost.len(), 1);
    check_refused(
        OpenAiStrict,
        schema,
        "the schema has no strict form: an optional property that cannot be null at \
         `/properties/name`",
    );
    let compiled = compile(&named, AnthropicStrict).unwrap();
    assert_eq!(compiled.schema["required"], json!(["name"]));
}

#[test]
fn what_has_no_strict_form() {
    for (schema, reason) in [
        (json!({"type": "object"}), "an object with any properties at ``"),
        (of(json!({"a": {}})), "a place where anything is allowed at `/properties/a`"),
        (of(json!({"a": {"type": "array"}})), "a list of anything at `/properties/a`"),
        (
            of(json!({"a": {"oneOf": [{"type": "integer"}, {"type": "number"}]}})),
            "shapes of which two may fit at `/properties/a`",
        ),
        (
            json!({"type": "array", "items": {"type": "null"}}),
            "the outermost level is no object at ``",
        ),
    ] {
        let error = format!("the schema has no strict form: {reason}");
        check_refused(AnthropicStrict, schema, &error);
    }
}

/// Schemas of all kinds; references lead to two definitions, one of which contains itself.
fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"type": "string"})),
        Just(json!({"type": "string", "minLength": 2})),
        Just(json!({"type": ["integer", "null"]})),
        (0..5).prop_map(|least| json!({"type": "integer", "minimum": least})),
        (0..5).prop_map(|most| json!({"maximum": most})),
        Just(json!({"type": "number"})),
        Just(json!({"type": "boolean"})),
        Just(json!({"const": "x"})),
        Just(json!({"enum": ["x", "y", 1]})),
        Just(json!({"$ref": "#/$defs/plain"})),
        Just(json!({"$ref": "#/$defs/looped"})),
        Just(json!({"$ref": "#/$defs/plain", "minLength": 1})),
        Just(json!({})),
        Just(json!(true)),
    ];
    leaf.prop_recursive(3, 24, 3, |inner| {
        prop_oneof![
            4 => object(inner.clone()),
            1 => inner.clone().prop_map(|items| json!({"type": "array", "items": items})),
            1 => (inner.clone(), 0..3_u8)
                .prop_map(|(items, most)| json!({"type": "array", "items": items, "maxItems": most})),
            1 => vec(inner.clone(), 1..3).prop_map(|shapes| json!({"anyOf": shapes})),
            1 => vec(inner.clone(), 1..3).prop_map(|shapes| json!({"oneOf": shapes})),
            1 => vec(inner.clone(), 1..3).prop_map(|rules| json!({"allOf": rules})),
            1 => inner.prop_map(|rule| json!({"not": rule})),
        ]
    })
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn object(inner: impl Strategy<Value = Value> + Clone + 'static) -> impl Strategy<Value = Value> {
    let further =
        prop_oneof![Just(None), Just(Some(json!(false))), Just(Some(json!({"type": "string"})))];
    (
        vec((select(&NAMES[..]), inner), 0..3),
        proptest::sample::subsequence(&NAMES[..], 0..3),
        further,
    )
        .prop_map(|(properties, required, further)| {
            let properties: serde_json::Map<_, _> =
                properties.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
            let mut object =
                json!({"type": "object", "properties": properties, "required": required});
            if let Some(further) = further {
                object["additionalProperties"] = further;
            }
            object
        })
}

fn whole() -> impl Strategy<Value = Value> {
    (object(schema().boxed()), prop_oneof![Just(None), schema().prop_map(Some)]).prop_map(
        |(mut root, also)| {
            root["$defs"] = json!({
                "plain": {"type": "string"},
                "looped": {"type": "object", "properties": {"a": {"$ref": "#/$defs/looped"}},
                    "required": [], "additionalProperties": false},
            });
            if let Some(also) = also {
                root["allOf"] = json!([also]);
            }
            root
        },
    )
}

/// Schemas most of which have a strict form.
fn tame() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"type": "string"})),
        Just(json!({"type": ["integer", "null"]})),
        Just(json!({"type": "integer", "minimum": 2})),
        Just(json!({"type": "number", "maximum": 4})),
        Just(json!({"type": ["string", "integer"]})),
        Just(json!({"enum": ["x", null]})),
        Just(json!({"const": 1})),
        Just(json!({"$ref": "#/$defs/plain"})),
    ];
    let place = leaf.prop_recursive(2, 8, 2, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..3).prop_map(|shapes| json!({"oneOf": shapes})),
            vec(inner.clone(), 1..3).prop_map(|shapes| json!({"anyOf": shapes})),
            vec(inner, 1..3).prop_map(|rules| json!({"allOf": rules})),
        ]
    });
    vec(place, 1..3).prop_map(|places| {
        let properties: serde_json::Map<_, _> =
            NAMES.iter().zip(places).map(|(name, place)| ((*name).to_owned(), place)).collect();
        let required: Vec<_> = properties.keys().cloned().collect();
        json!({"type": "object", "properties": properties, "required": required,
            "$defs": {"plain": {"type": "string"}}})
    })
}

/// Values for the properties of tame schemas.
fn tame_instance() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        Just(json!(null)),
        Just(json!(1.5)),
        (0..6).prop_map(Value::from),
        Just(json!("x")),
        Just(json!("y")),
    ];
    vec(value, 1..3).prop_map(|values| named(NAMES.into_iter().zip(values).collect()))
}

fn instance() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (-1..7).prop_map(Value::from),
        Just(json!(1.5)),
        select(&["", "x", "xyz"][..]).prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((select(&NAMES[..]), inner), 0..3).prop_map(named),
        ]
    });
    vec((select(&["a", "b", "c", "d"][..]), value), 0..4).prop_map(named)
}

fn named(members: Vec<(&'static str, Value)>) -> Value {
    members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Which of the instances are valid.
fn valid(schema: &Value, instances: &[Value]) -> Vec<bool> {
    let validator = SchemaValidator::compile(&RawJson::from(schema.clone())).unwrap();
    let check = |instance: &Value| validator.check(&RawJson::from(instance.clone())).is_ok();
    instances.iter().map(check).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// The promise of the module, for every dialect.
    #[test]
    fn what_is_valid_for_an_exact_result_is_valid_for_the_original(
        (schema, instances) in prop_oneof![
            (whole(), vec(instance(), 12)),
            (tame(), vec(tame_instance(), 12)),
        ],
    ) {
        let ours = valid(&schema, &instances);
        for dialect in ALL {
            let Ok(compiled) = compile(&schema, dialect) else { continue };
            if !compiled.is_exact() {
                continue;
            }
            let strict = matches!(dialect, OpenAiStrict | AnthropicStrict);
            let theirs = valid(&compiled.schema, &instances);
            for ((ours, theirs), instance) in ours.iter().zip(theirs).zip(&instances) {
                let schema = &compiled.schema;
                prop_assert!(*ours || !theirs, "{dialect:?} allows {instance}: {schema}");
                // Nothing is taken from the model, except by what is strict.
                prop_assert!(!ours || theirs || strict, "{dialect:?} forbids {instance}: {schema}");
            }
        }
    }

    #[test]
    fn the_same_schema_always_gives_the_same_bytes(schema in whole()) {
        for dialect in ALL {
            let (one, other) = (compile(&schema, dialect), compile(&schema, dialect));
            prop_assert_eq!(one, other);
        }
    }
}
