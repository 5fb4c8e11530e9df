//! What servers really send, as chunks, against the events that come of it.
#![expect(clippy::needless_pass_by_value, reason = "expected values read better unborrowed")]

use crate::model::{
    Assembly, ModelErrorKind, ModelEvent, ModelId, ModelResponse, Part, StopReason, Usage,
    codec::Decode, openai_chat::decode::Decoder,
};

fn origin() -> ModelId {
    ModelId::new("example.com", "m")
}

fn events(chunks: &[&str]) -> Vec<ModelEvent> {
    let mut decoder = Decoder::new(origin());
    let mut events = Vec::new();
    for chunk in chunks {
        decoder.chunk(chunk, &mut events).unwrap();
    }
    decoder.end_of_stream(&mut events).unwrap();
    events
}

fn answer(chunks: &[&str]) -> ModelResponse {
    let mut assembly = Assembly::new(origin());
    for event in events(chunks) {
        assembly.push(event);
    }
    assembly.finish().unwrap()
}

/// The parts, one a line: words, or `id name(arguments)`.
#[track_caller]
fn check(chunks: &[&str], expected: &[&str], stop: StopReason) {
    let answer = answer(chunks);
    assert_eq!(shown(&answer), expected);
    assert_eq!(answer.stop, stop);
}

fn shown(answer: &ModelResponse) -> Vec<String> {
    let show = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::ToolCall(call) => format!("{} {}({})", call.id, call.name, call.arguments),
        Part::Reasoning(thought) => format!("({})", thought.text.as_deref().unwrap_or_default()),
        Part::Opaque(opaque) => format!("{} {}", opaque.kind, opaque.value),
        part => panic!("{part:?}"),
    };
    answer.parts.iter().map(show).collect()
}

#[test]
fn llama_cpp_streams_a_call() {
    let chunks = [
        r#"{"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"created":1,"id":"chatcmpl-1","model":"local","object":"chat.completion.chunk"}"#,
        r#"{"choices":[{"finish_reason":null,"index":0,"delta":{"tool_calls":[{"index":0,"id":"abc","type":"function","function":{"name":"add","arguments":""}}]}}],"model":"local"}"#,
        r#"{"choices":[{"finish_reason":null,"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]}}]}"#,
        r#"{"choices":[{"finish_reason":null,"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"21}"}}]}}]}"#,
        r#"{"choices":[{"finish_reason":"tool_calls","index":0,"delta":{}}]}"#,
        r#"{"choices":[],"usage":{"completion_tokens":20,"prompt_tokens":300,"total_tokens":320},"timings":{"prompt_n":1}}"#,
        "[DONE]",
    ];
    let expected = [
        ModelEvent::ToolCallStarted { index: 0, id: "abc".into(), name: "add".into() },
        ModelEvent::ToolArgumentsDelta { index: 0, text: r#"{"a":"#.into() },
        ModelEvent::ToolArgumentsDelta { index: 0, text: "21}".into() },
        ModelEvent::Finished {
            stop: StopReason::ToolCalls,
            usage: Some(Usage::new(300, 20)),
            model: Some("local".into()),
        },
    ];
    assert_eq!(events(&chunks), expected);
}

#[test]
fn words_come_in_pieces() {
    let chunks = [
        r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"Hel"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"lo"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        "[DONE]",
    ];
    check(&chunks, &["Hello"], StopReason::EndTurn);
}

#[test]
fn calls_without_ids_get_some() {
    let chunks = [
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"a","arguments":"{}"}},{"index":1,"id":"","function":{"name":"b","arguments":"{}"}}]}}]}"#,
        r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
    ];
    check(&chunks, &["call_0 a({})", "call_1 b({})"], StopReason::ToolCalls);
}

#[test]
fn calls_without_index_are_told_apart_by_id_or_name() {
    let by_id = [
        r#"{"choices":[{"delta":{"tool_calls":[{"id":"x","function":{"name":"a","arguments":"{\"p\""}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":":1}"}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"id":"y","function":{"name":"a","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}"#,
    ];
    check(&by_id, &[r#"x a({"p":1})"#, "y a({})"], StopReason::ToolCalls);
    let by_name = [
        r#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"a","arguments":"{}"}},{"function":{"name":"a","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}"#,
    ];
    check(&by_name, &["call_0 a({})", "call_1 a({})"], StopReason::ToolCalls);
}

#[test]
fn calls_that_share_a_number_or_an_id_are_told_apart() {
    let number = [
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"a","arguments":"{}"}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"y","function":{"name":"b","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}"#,
    ];
    check(&number, &["x a({})", "y b({})"], StopReason::ToolCalls);
    let id = [
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"a","arguments":"{}"}},{"index":1,"id":"x","function":{"name":"b","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}"#,
    ];
    check(&id, &["x a({})", "x_1 b({})"], StopReason::ToolCalls);
    let both = [
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"a","arguments":"{\"n\":1}"}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"a","arguments":"{\"n\":2}"}}]},"finish_reason":"tool_calls"}]}"#,
    ];
    check(&both, &[r#"call_0 a({"n":1})"#, r#"call_1 a({"n":2})"#], StopReason::ToolCalls);
}

#[test]
fn a_name_that_is_said_again_begins_nothing() {
    let chunks = [
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"a","arguments":"{"}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"a","arguments":"}"}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"a","arguments":""}}]},"finish_reason":"tool_calls"}]}"#,
    ];
    check(&chunks, &["x a({})"], StopReason::ToolCalls);
}

#[test]
fn odd_arguments_are_kept_as_text() {
    let chunks = [
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"1","function":{"name":"a","arguments":{"p":[1]}}},{"index":1,"id":"2","function":{"name":"b","arguments":"null"}},{"index":2,"id":"3","function":{"name":"c","arguments":null}},{"index":3,"id":"4","function":{"name":"d","arguments":"\"{\\\"p\\\":1}\""}}]},"finish_reason":"tool_calls"}]}"#,
    ];
    let expected = [r#"1 a({"p":[1]})"#, "2 b(null)", "3 c()", r#"4 d("{\"p\":1}")"#];
    check(&chunks, &expected, StopReason::ToolCalls);
}

#[test]
fn an_id_that_comes_before_the_name() {
    let chunks = [
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"x"}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"p\""}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"a"}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]},"finish_reason":"tool_calls"}]}"#,
    ];
    check(&chunks, &[r#"x a({"p":1})"#], StopReason::ToolCalls);
}

#[test]
fn the_old_function_call() {
    let chunks = [
        r#"{"choices":[{"delta":{"function_call":{"name":"a","arguments":"{\"p\""}}}]}"#,
        r#"{"choices":[{"delta":{"function_call":{"arguments":":1}"}}}]}"#,
        r#"{"choices":[{"delta":{},"finish_reason":"function_call"}]}"#,
    ];
    check(&chunks, &[r#"call_0 a({"p":1})"#], StopReason::ToolCalls);
}

#[test]
fn reasons_to_stop() {
    let reasons = [
        ("stop", StopReason::EndTurn),
        ("eos", StopReason::EndTurn),
        // Without a call there is nothing to wait for.
        ("tool_calls", StopReason::EndTurn),
        ("length", StopReason::Length),
        ("model_length", StopReason::Length),
        ("content_filter", StopReason::ContentFilter),
        ("moon_phase", StopReason::Other("moon_phase".into())),
    ];
    for (reason, stop) in reasons {
        let chunk =
            format!(r#"{{"choices":[{{"delta":{{"content":"x"}},"finish_reason":"{reason}"}}]}}"#);
        check(&[&chunk], &["x"], stop);
    }
}

#[test]
fn a_refusal_is_told() {
    let chunks =
        [r#"{"choices":[{"delta":{"content":null,"refusal":"No."},"finish_reason":"stop"}]}"#];
    check(&chunks, &["No."], StopReason::Refusal);
}

#[test]
fn thoughts_in_their_several_forms() {
    let deepseek = [
        r#"{"choices":[{"delta":{"reasoning_content":"hm","content":null}}]}"#,
        r#"{"choices":[{"delta":{"content":"yes"},"finish_reason":"stop"}]}"#,
    ];
    check(&deepseek, &["(hm)", "yes"], StopReason::EndTurn);
    let mistral = [
        r#"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"yes"}]},"finish_reason":"stop"}]}"#,
    ];
    check(&mistral, &["(hm)", "yes"], StopReason::EndTurn);
    let openrouter = [
        r#"{"choices":[{"delta":{"reasoning":"h","reasoning_details":[{"type":"reasoning.text","index":0,"text":"h"}]}}]}"#,
        r#"{"choices":[{"delta":{"reasoning":"m","reasoning_details":[{"type":"reasoning.text","index":0,"text":"m","signature":"s"}]}}]}"#,
        r#"{"choices":[{"delta":{"content":"yes"},"finish_reason":"stop"}]}"#,
    ];
    // Whether a map keeps its order is a feature of serde_json that other crates may switch on.
    let merged =
        serde_json::json!([{"type": "reasoning.text", "index": 0, "text": "hm", "signature": "s"}]);
    let details = format!("reasoning_details {merged}");
    check(&openrouter, &["(hm)", "yes", &details], StopReason::EndTurn);
}

#[test]
fn usage_in_its_several_places() {
    let details = r#"{"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":8},"completion_tokens_details":{"reasoning_tokens":3}}}"#;
    let usage = answer(&[details]).usage.unwrap();
    assert_eq!((usage.cached_input_tokens, usage.reasoning_tokens), (8, 3));
    let groq = r#"{"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}],"x_groq":{"usage":{"prompt_tokens":10,"completion_tokens":5}}}"#;
    assert_eq!(answer(&[groq]).usage, Some(Usage::new(10, 5)));
    let deepseek = r#"{"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5,"prompt_cache_hit_tokens":4}}"#;
    assert_eq!(answer(&[deepseek]).usage.unwrap().cached_input_tokens, 4);
    let llama = r#"{"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5},"timings":{"cache_n":7,"prompt_n":3}}"#;
    assert_eq!(answer(&[llama]).usage.unwrap().cached_input_tokens, 7);
}

#[test]
fn the_mark_ends_an_answer_without_a_reason() {
    check(&[r#"{"choices":[{"delta":{"content":"x"}}]}"#, "[DONE]"], &["x"], StopReason::EndTurn);
}

#[test]
fn a_stream_that_breaks_off_is_no_answer() {
    let mut decoder = Decoder::new(origin());
    let mut events = Vec::new();
    decoder.chunk(r#"{"choices":[{"delta":{"content":"x"}}]}"#, &mut events).unwrap();
    let error = decoder.end_of_stream(&mut events).unwrap_err();
    assert!(matches!(error.kind(), ModelErrorKind::Interrupted { .. }));
    assert!(error.is_retryable());
}

#[test]
fn an_answer_in_one_piece() {
    let body = br#"{"id":"1","object":"chat.completion","model":"m-1","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"x","type":"function","function":{"name":"a","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    let mut events = Vec::new();
    Decoder::new(origin()).whole(body, &mut events).unwrap();
    let mut assembly = Assembly::new(origin());
    for event in events {
        assembly.push(event);
    }
    let answer = assembly.finish().unwrap();
    assert_eq!(shown(&answer), ["x a({})"]);
    assert_eq!(answer.usage, Some(Usage::new(1, 2)));
}
