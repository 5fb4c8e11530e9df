use serde_json::json;

use super::*;

// covers: prompts
#[test]
fn reads_a_filled_prompt() {
    let wire = json!({"description": "d", "messages": [
        {"role": "user", "content": {"type": "text", "text": "hi"}},
        {"role": "assistant", "content": {"type": "image", "data": "AA==", "mimeType": "a/b"}},
        {"role": "system", "content": {"type": "resource", "resource": {"uri": "u", "text": "t"}}},
    ]});
    let outcome = GetPrompt::decode(wire.to_string().as_bytes()).unwrap();
    assert_eq!(serde_json::to_value(&outcome).unwrap(), wire);
    assert_eq!(outcome.complete().unwrap().messages[2].role, Role::Other("system".into()));
}

// covers: tasks-elsewhere
#[test]
fn a_prompt_may_ask_but_not_become_a_task() {
    let ask = br#"{"resultType":"input_required","requestState":"x"}"#;
    assert!(matches!(GetPrompt::decode(ask), Ok(Outcome::InputRequired(_))));
    let task = br#"{"resultType":"task","taskId":"t","messages":[]}"#;
    assert!(GetPrompt::decode(task).unwrap_err().to_string().contains("`task`"));
    assert!(GetPrompt::decode(b"{}").unwrap_err().to_string().contains("`messages`"));
}

#[test]
fn lists_keep_the_good_entries() {
    let wire = json!({"prompts": [
        {"name": "a", "title": "A", "arguments": [
            {"name": "x", "required": true}, {"name": "y", "title": "Y"}]},
        {"name": "b", "arguments": [{"required": true}]},
        {"name": "c", "arguments": null},
    ]});
    let list = ListPrompts::decode(wire.to_string().as_bytes()).unwrap();
    let names: Vec<&str> = list.prompts.iter().map(Prompt::display_name).collect();
    assert_eq!(names, ["A", "c"]);
    assert!(list.prompts[0].arguments[0].is_required());
    assert!(!list.prompts[0].arguments[1].is_required());
    assert!(list.skipped[0].error.contains("arguments[0]"), "{}", list.skipped[0].error);
}

#[test]
fn parameters() {
    let params = GetPromptParams::new("p").argument("a", "1");
    assert_eq!(serde_json::to_string(&params).unwrap(), r#"{"name":"p","arguments":{"a":"1"}}"#);
    assert_eq!(GetPrompt::name_header(&params), Some("p"));
}
