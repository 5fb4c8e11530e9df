use mcp_transport::{memory::MemoryConnect, memory::MemoryPeer};
use serde_json::{Value, json};

use super::{SchemaError, SchemaValidator, Validate};
use crate::{CallErrorKind, Client};

fn compile(schema: Value) -> Result<SchemaValidator, SchemaError> {
    SchemaValidator::compile(&schema.into())
}

fn reason(schema: Value) -> String {
    match compile(schema) {
        Err(SchemaError::Unusable { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_error_names_the_place_and_the_rule_but_not_the_value() {
    let schema = json!({"type": "object", "properties": {"n": {"$ref": "#/$defs/small"}},
        "required": ["m"], "$defs": {"small": {"type": "integer", "maximum": 9}}});
    let error = compile(schema).unwrap().check(&json!({"n": 4711}).into()).unwrap_err();
    let SchemaError::Violated(violations) = &error else { panic!("{error:?}") };
    let places: Vec<_> = violations.iter().map(|one| one.path.as_str()).collect();
    assert!(places.contains(&"/n") && places.contains(&""), "{error}");
    assert!(violations.iter().any(|one| one.rule.contains("maximum")), "{error}");
    assert!(!error.to_string().contains("4711"), "{error}");
}

// covers: schema-dialects
#[test]
fn both_dialects_mean_what_they_say() {
    let tuple = json!([1, "x"]);
    let newer = json!({"prefixItems": [{"type": "integer"}, {"type": "integer"}]});
    assert!(compile(newer).unwrap().check(&tuple.clone().into()).is_err());
    let older = json!({"$schema": "http://json-schema.org/draft-07/schema#",
        "items": [{"type": "integer"}, {"type": "integer"}]});
    assert!(compile(older).unwrap().check(&tuple.into()).is_err());
    let other = json!({"$schema": "http://json-schema.org/draft-04/schema#"});
    assert!(reason(other).contains("draft-04"));
}

// covers: schema-bounds
#[test]
fn what_cannot_be_bounded_is_refused() {
    assert!(reason(json!({"$ref": "https://example.com/schema.json"})).contains("example.com"));
    assert!(!reason(json!({"$ref": "#/$defs/missing"})).is_empty());
    assert!(!reason(json!({"type": "string", "pattern": "(?=a)b"})).is_empty());
    assert!(!reason(json!({"type": 7})).is_empty());
    let deep = (0..100).fold(json!({}), |inner, _| json!({"not": inner}));
    assert!(reason(deep).contains("deep"));
    let long = json!({"description": "x".repeat(2 << 20)});
    assert!(reason(long).contains("bytes"));
    let braces_in_text = json!({"description": "{[".repeat(100)});
    assert!(compile(braces_in_text).is_ok());
    let pattern = compile(json!({"type": "string", "pattern": "^(a+)+$"})).unwrap();
    let text = format!("{}b", "a".repeat(100_000));
    assert!(pattern.check(&json!(text).into()).is_err());
}

/// Each level asks for the next one twice.
fn endless() -> Value {
    let mut defs: serde_json::Map<String, Value> = (0..50)
        .map(|level| {
            let next = json!({"$ref": format!("#/$defs/l{}", level + 1)});
            (format!("l{level}"), json!({"anyOf": [next, next]}))
        })
        .collect();
    defs.insert("l50".to_owned(), json!({"type": "integer"}));
    json!({"$ref": "#/$defs/l0", "$defs": defs})
}

// covers: schema-bounds
#[test]
fn a_check_that_would_never_end_is_given_up() {
    let validator = compile(endless()).unwrap();
    let limit = std::time::Duration::from_millis(20);
    let error = validator.check_within(&json!("x").into(), limit).unwrap_err();
    assert_eq!(error, SchemaError::TooSlow { after: limit });
    // What holds at the first look is no trouble.
    assert_eq!(validator.check(&json!(7).into()), Ok(()));
    // Each one given up runs on, so there are only so many.
    let mut errors = (0..9).map(|_| validator.check_within(&json!("x").into(), limit));
    let busy = SchemaError::TooSlow { after: std::time::Duration::ZERO };
    assert!(errors.any(|outcome| outcome == Err(busy.clone())));
}

// covers: schema-bounds
#[test]
fn only_what_is_done_once_is_checked_without_a_limit_of_time() {
    for (schema, bounded) in [
        (json!({"type": "object", "properties": {"n": {"type": "integer"}}}), true),
        (json!({"$ref": "#/$defs/a", "$defs": {"a": {}}}), false),
        (json!({"unevaluatedProperties": false}), false),
    ] {
        assert_eq!(
            compile(schema.clone()).unwrap().is_quick(&json!(1).into()),
            bounded,
            "{schema}"
        );
    }
    let escaped = mcp_protocol::raw::RawJson::parse_text(
        r##"{"\u0024ref": "#/$defs/a", "$defs": {"a": {}}}"##,
    );
    assert!(!SchemaValidator::compile(&escaped.unwrap()).unwrap().is_quick(&json!(1).into()));
}

// covers: schema-bounds
#[test]
fn a_schema_that_means_itself_does_no_harm() {
    for schema in [json!({"$ref": "#"}), json!({"anyOf": [{"$ref": "#"}, {"type": "string"}]})] {
        if let Ok(validator) = compile(schema) {
            // Whatever it means, it ends.
            drop(validator.check(&json!(1).into()));
        }
    }
}

async fn serve(mut peer: MemoryPeer) {
    use mcp_protocol::jsonrpc::Message;
    while let Some(message) = peer.recv().await {
        let Message::Request(request) = message else { continue };
        let params: Value = serde_json::from_slice(&request.params).unwrap_or_default();
        let result = match &*request.method {
            "server/discover" => json!({"supportedVersions": ["2026-07-28"], "capabilities": {}}),
            "tools/list" => json!({"tools": [{"name": "t",
                "inputSchema": {"type": "object", "required": ["city"]},
                "outputSchema": {"type": "integer"}}]}),
            _ => json!({"content": [], "structuredContent": params["arguments"]["city"]}),
        };
        peer.send(json!({"jsonrpc": "2.0", "id": request.id, "result": result}).to_string());
    }
}

// covers: structured-validated
#[tokio::test]
async fn calls_are_checked_by_choice() {
    let client = Client::connect_with(MemoryConnect::new(serve)).connect().await.unwrap();
    let call = |arguments: Value| client.call_tool("t", arguments);
    assert!(call(json!({})).await.is_ok(), "nothing is checked unasked");

    let error = call(json!({})).validate(Validate::Both).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::InvalidArguments(_)), "{error:?}");
    assert!(!error.was_sent());
    let error = call(json!({"city": "Rome"})).validate(Validate::Both).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::InvalidResult(_)), "{error:?}");
    assert!(error.was_sent());
    assert!(call(json!({"city": "Rome"})).validate(Validate::Arguments).await.is_ok());
    assert!(call(json!({"city": 7})).validate(Validate::Both).await.is_ok());

    let detached = |city: Value| call(city).validate(Validate::Both).detached();
    let error = detached(json!({})).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::InvalidArguments(_)), "{error:?}");
    let error = detached(json!({"city": "Rome"})).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::InvalidResult(_)), "{error:?}");
    assert!(detached(json!({"city": 7})).await.is_ok());
    let stepwise = |city: Value| call(city).validate(Validate::Both).stepwise();
    let error = stepwise(json!({})).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::InvalidArguments(_)), "{error:?}");
    let error = stepwise(json!({"city": "Rome"})).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::InvalidResult(_)), "{error:?}");
    assert!(stepwise(json!({"city": 7})).await.is_ok());
}
