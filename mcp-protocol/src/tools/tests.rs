use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::tasks::CreatedTask;

fn call(wire: &Value) -> Outcome<CallToolResult> {
    CallTool::decode(wire.to_string().as_bytes()).unwrap()
}

fn complete(wire: &Value) -> CallToolResult {
    call(wire).complete().unwrap()
}

// covers: icons, apps-passed
#[test]
fn a_tool_survives_the_round_trip() {
    let wire = json!({
        "name": "search", "title": "Search", "description": "Finds",
        "inputSchema": {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
            "$defs": {"a": {"$anchor": "x"}}, "if": {}, "properties": {"q": {"type": "string"}}},
        "outputSchema": {"type": "array"},
        "annotations": {"title": "S", "readOnlyHint": true, "openWorldHint": false},
        "execution": {"taskSupport": "optional"},
        "icons": [{"src": "https://example.com/i.png", "sizes": ["48x48"]}],
        "_meta": {"com.example/k": 1},
    });
    let tool: Tool = serde_json::from_value(wire.clone()).unwrap();
    assert_eq!(tool.execution.as_ref().unwrap().task_support, Some(TaskSupport::Optional));
    assert_eq!(serde_json::to_value(&tool).unwrap(), wire);
}

// covers: schemas-unaltered
#[test]
fn schemas_keep_their_text() {
    let schema = r#"{"type":"object","x":1.50,"b":1,"a":2}"#;
    let wire = format!(r#"{{"name":"t","inputSchema":{schema}}}"#);
    let tool: Tool = serde_json::from_str(&wire).unwrap();
    assert_eq!(tool.input_schema.as_str(), schema);
    assert_eq!(serde_json::to_string(&tool).unwrap(), wire);
}

// covers: icons
#[test]
fn display_names_in_order() {
    let mut tool = Tool::new("n", json!({"type": "object"}));
    assert_eq!(tool.display_name(), "n");
    tool.annotations = Some(ToolAnnotations { title: Some("a".into()), ..Default::default() });
    assert_eq!(tool.display_name(), "a");
    tool.title = Some("t".into());
    assert_eq!(tool.display_name(), "t");
}

// covers: annotations-untrusted
#[test]
fn hints_default_to_caution() {
    let silent = ToolAnnotations::default();
    assert!(!silent.is_read_only() && silent.is_destructive());
    assert!(!silent.is_idempotent() && silent.is_open_world());
    let reader = ToolAnnotations { read_only_hint: Some(true), ..Default::default() };
    assert!(!reader.is_destructive() && reader.is_idempotent());
}

#[test]
fn one_bad_tool_does_not_hide_the_others() {
    let wire = json!({
        "tools": [
            {"name": "good", "inputSchema": {"type": "object"}},
            {"name": "no_schema"},
            {"name": "null_schema", "inputSchema": null},
            {"name": 5, "inputSchema": {}},
            "not a tool",
            {"name": "icons", "inputSchema": {}, "icons": [{"mimeType": "x"}]},
            {"name": "also_good", "inputSchema": {}, "icons": null},
        ],
        "nextCursor": "", "ttlMs": 1000, "cacheScope": "public", "new": [1],
    });
    let list = ListTools::decode(wire.to_string().as_bytes()).unwrap();
    let names: Vec<&str> = list.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["good", "also_good"]);
    assert_eq!(list.next_cursor, Some("".into()));
    assert_eq!(list.cache_hint().fresh_for.as_millis(), 1000);
    let skipped: Vec<(usize, Option<&str>)> =
        list.skipped.iter().map(|item| (item.index, item.name.as_deref())).collect();
    assert_eq!(
        skipped,
        [
            (1, Some("no_schema")),
            (2, Some("null_schema")),
            (3, None),
            (4, None),
            (5, Some("icons"))
        ]
    );
    assert!(list.skipped[0].error.contains("inputSchema"), "{}", list.skipped[0].error);
    assert!(list.skipped[1].error.contains("inputSchema"), "{}", list.skipped[1].error);
    assert!(list.skipped[4].error.contains("icons[0]"), "{}", list.skipped[4].error);
    assert_eq!(list.skipped[3].raw.as_str(), r#""not a tool""#);
}

#[test]
fn what_is_no_list_is_an_error() {
    for (wire, part) in [
        ("{}", "`tools`"),
        (r#"{"tools":{}}"#, "tools"),
        (r#"{"tools":[],"nextCursor":5}"#, "nextCursor"),
        (r#"{"tools":[{}],"ttlMs":"soon"}"#, "ttlMs"),
        (r#"{"tools":[],"resultType":"input_required"}"#, "resultType"),
        ("[]", "expected"),
        ("", "EOF"),
    ] {
        let error = ListTools::decode(wire.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(part), "{wire}: {error}");
    }
}

#[test]
fn durations_are_numbers_of_any_kind() {
    for (ttl, expected) in [(json!(5), 5), (json!(5.0), 5), (json!(-1), 0), (json!(1e30), u64::MAX)]
    {
        let list = ListTools::decode(json!({"tools": [], "ttlMs": ttl}).to_string().as_bytes());
        assert_eq!(list.unwrap().ttl_ms, Some(expected), "{ttl}");
    }
}

// covers: revisions, result-type-absent
#[test]
fn results_of_every_revision() {
    let plain = complete(&json!({"content": [{"type": "text", "text": "x"}]}));
    assert_eq!(plain, CallToolResult::text("x"));

    let failed = complete(&json!({"content": [], "isError": true, "structuredContent": {"a": 1}}));
    assert!(failed.is_error);
    assert_eq!(failed.structured_content.unwrap().as_str(), r#"{"a":1}"#);

    let modern = complete(&json!({"resultType": "complete", "content": [], "extra": [1]}));
    assert_eq!(modern.result_type, Some(ResultType::Complete));

    for empty in [json!({}), json!({"content": null, "isError": null, "_meta": null})] {
        assert_eq!(complete(&empty), CallToolResult::default(), "{empty}");
    }
}

// covers: structured-any-json
#[test]
fn null_is_a_structured_result() {
    let result = complete(&json!({"structuredContent": null}));
    assert!(result.structured_content.as_ref().unwrap().is_null());
    assert_eq!(
        serde_json::to_value(&result).unwrap(),
        json!({"content": [], "structuredContent": null})
    );
    assert_eq!(complete(&json!({"content": []})).structured_content, None);
}

#[test]
fn a_result_may_ask_first() {
    let Outcome::InputRequired(input) = call(&json!({
        "requestState": "s", "content": [], "resultType": "input_required",
    })) else {
        panic!("input is required")
    };
    assert_eq!(input.request_state.unwrap().as_json(), r#""s""#);
}

#[test]
fn a_result_may_be_a_task() {
    let modern = json!({"resultType": "task", "taskId": "t", "status": "working", "ttlMs": null,
        "createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:00Z"});
    let legacy = json!({"task": {"taskId": "t", "status": "working", "ttl": 1000,
        "createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:00Z"}});
    for (wire, is_legacy) in [(modern, false), (legacy, true)] {
        let Outcome::Task(task) = call(&wire) else { panic!("a task") };
        assert_eq!(task.task_id(), "t");
        assert_eq!(matches!(*task, CreatedTask::Legacy(_)), is_legacy);
        assert_eq!(serde_json::to_value(Outcome::<CallToolResult>::Task(task)).unwrap(), wire);
    }
}

#[test]
fn errors_name_the_field() {
    for (wire, part) in [
        (r#"{"resultType":"postponed","content":[]}"#, "`postponed`"),
        (r#"{"resultType":5}"#, "resultType"),
        (r#"{"content":"x"}"#, "content"),
        (r#"{"content":[{"type":"image","data":"","mimeType":3}]}"#, "content[0].mimeType"),
        (r#"{"content":[],"isError":"no"}"#, "isError"),
        (r#"{"content":[{"type":"text","text":"x"}"#, "EOF"),
        (r#"{"resultType":"task","taskId":"t"}"#, "status"),
        (r#"{"resultType":"input_required","inputRequests":[]}"#, "inputRequests"),
        ("null", "null"),
    ] {
        let error = CallTool::decode(wire.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(part), "{wire}: {error}");
    }
}

#[test]
fn parameters_go_out_lean() {
    assert_eq!(serde_json::to_string(&CallToolParams::new("t")).unwrap(), r#"{"name":"t"}"#);
    assert_eq!(CallTool::name_header(&CallToolParams::new("t")), Some("t"));
    let mut params = CallToolParams::new("t").arguments(json!({"a": 1}));
    params.request_state = Some(RequestState::new("s"));
    params.task = Some(TaskMetadata { ttl: Some(5) });
    params.input_responses.insert("k", json!({"action": "cancel"}));
    let wire = json!({"name": "t", "arguments": {"a": 1}, "requestState": "s", "task": {"ttl": 5},
        "inputResponses": {"k": {"action": "cancel"}}});
    assert_eq!(serde_json::to_value(&params).unwrap(), wire);
    assert_eq!(serde_json::from_value::<CallToolParams>(wire).unwrap(), params);
}

proptest! {
    #[test]
    fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = CallTool::decode(&bytes);
        let _ = ListTools::decode(&bytes);
    }

    #[test]
    fn reading_near_json_never_panics(
        text in r#"[{}\[\]":,0 ]{0,20}(content|tools|resultType|"task")?[{}\[\]":,0 ]{0,40}"#,
    ) {
        let _ = CallTool::decode(text.as_bytes());
        let _ = ListTools::decode(text.as_bytes());
    }
}
