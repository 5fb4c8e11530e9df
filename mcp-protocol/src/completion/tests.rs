use serde_json::json;

use super::*;

// covers: completion
#[test]
fn asks_for_prompts_and_templates() {
    let mut params = CompleteParams::new(CompletionReference::prompt("p"), "a", "v");
    assert_eq!(
        serde_json::to_value(&params).unwrap(),
        json!({"ref": {"type": "ref/prompt", "name": "p"}, "argument": {"name": "a", "value": "v"}})
    );
    params.reference = CompletionReference::resource("a://{x}");
    params.context.arguments.insert("y".into(), "1".into());
    let wire = json!({
        "ref": {"type": "ref/resource", "uri": "a://{x}"},
        "argument": {"name": "a", "value": "v"},
        "context": {"arguments": {"y": "1"}},
    });
    assert_eq!(serde_json::to_value(&params).unwrap(), wire);
    assert_eq!(serde_json::from_value::<CompleteParams>(wire).unwrap(), params);
}

#[test]
fn reads_suggestions() {
    for (wire, total, more) in [
        (json!({"completion": {"values": ["a"]}}), None, false),
        (json!({"completion": {"values": [], "total": 120.0, "hasMore": true}}), Some(120), true),
        (json!({"completion": {"values": [], "total": null, "hasMore": null}}), None, false),
    ] {
        let result = Complete::decode(wire.to_string().as_bytes()).unwrap();
        assert_eq!((result.completion.total, result.completion.has_more), (total, more));
    }
    let error = Complete::decode(br#"{"completion":{"values":["a",1]}}"#).unwrap_err();
    assert_eq!(error.path, "completion.values[1]");
}
