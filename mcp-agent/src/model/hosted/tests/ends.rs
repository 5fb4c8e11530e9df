//! The several ends of an answer, over every API, streamed and in one piece.

use super::*;
use crate::run::{Outcome, Stop};

/// How one API ends an answer: what it streams, and what it says in one piece.
type End = (&'static [&'static str], &'static str);

struct Ends {
    /// `Hel`, where the longest answer allowed ended.
    length: End,
    /// A call where it ended, whose arguments happen to be complete.
    cut_call: End,
    /// `No.`, as a refusal, where the API has such an end.
    refusal: Option<End>,
    /// Held back by the provider, where the API has such an end.
    filter: Option<End>,
    /// Nothing at all.
    nothing: End,
}

/// In the order of [`ALL`].
const ENDS: [Ends; 4] = [
    Ends {
        length: (
            &[r#"{"choices":[{"delta":{"content":"Hel"},"finish_reason":"length"}]}"#, "[DONE]"],
            r#"{"choices":[{"message":{"content":"Hel"},"finish_reason":"length"}]}"#,
        ),
        cut_call: (
            &[
                r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"add","arguments":"{\"a\":1}"}}]},"finish_reason":"length"}]}"#,
            ],
            r#"{"choices":[{"message":{"tool_calls":[{"id":"x","function":{"name":"add","arguments":"{\"a\":1}"}}]},"finish_reason":"length"}]}"#,
        ),
        refusal: Some((
            &[r#"{"choices":[{"delta":{"refusal":"No."},"finish_reason":"stop"}]}"#],
            r#"{"choices":[{"message":{"content":null,"refusal":"No."},"finish_reason":"stop"}]}"#,
        )),
        filter: Some((
            &[r#"{"choices":[{"delta":{"content":""},"finish_reason":"content_filter"}]}"#],
            r#"{"choices":[{"message":{"content":null},"finish_reason":"content_filter"}]}"#,
        )),
        nothing: (
            &[r#"{"choices":[],"usage":{"prompt_tokens":5}}"#, "[DONE]"],
            r#"{"choices":[{"message":{"content":null},"finish_reason":"stop"}]}"#,
        ),
    },
    Ends {
        length: (
            &[
                r#"{"type":"response.output_text.delta","output_index":0,"delta":"Hel"}"#,
                r#"{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}}"#,
            ],
            r#"{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[{"type":"message","content":[{"type":"output_text","text":"Hel"}]}]}"#,
        ),
        cut_call: (
            &[
                r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","call_id":"x","name":"add","arguments":"{\"a\":1}"}}"#,
                r#"{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}}"#,
            ],
            r#"{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[{"type":"function_call","call_id":"x","name":"add","arguments":"{\"a\":1}"}]}"#,
        ),
        refusal: Some((
            &[
                r#"{"type":"response.refusal.delta","output_index":0,"delta":"No."}"#,
                r#"{"type":"response.completed","response":{"status":"completed"}}"#,
            ],
            r#"{"status":"completed","output":[{"type":"message","content":[{"type":"refusal","refusal":"No."}]}]}"#,
        )),
        filter: Some((
            &[
                r#"{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"content_filter"}}}"#,
            ],
            r#"{"status":"incomplete","incomplete_details":{"reason":"content_filter"},"output":[]}"#,
        )),
        nothing: (
            &[r#"{"type":"response.completed","response":{"status":"completed"}}"#],
            r#"{"status":"completed","output":[]}"#,
        ),
    },
    Ends {
        length: (
            &[
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}"#,
                r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"}}"#,
                r#"{"type":"message_stop"}"#,
            ],
            r#"{"type":"message","content":[{"type":"text","text":"Hel"}],"stop_reason":"max_tokens"}"#,
        ),
        cut_call: (
            &[
                r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"x","name":"add","input":{"a":1}}}"#,
                r#"{"type":"content_block_stop","index":0}"#,
                r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"}}"#,
                r#"{"type":"message_stop"}"#,
            ],
            r#"{"type":"message","content":[{"type":"tool_use","id":"x","name":"add","input":{"a":1}}],"stop_reason":"max_tokens"}"#,
        ),
        refusal: Some((
            &[
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"No."}}"#,
                r#"{"type":"message_delta","delta":{"stop_reason":"refusal"}}"#,
                r#"{"type":"message_stop"}"#,
            ],
            r#"{"type":"message","content":[{"type":"text","text":"No."}],"stop_reason":"refusal"}"#,
        )),
        filter: None,
        nothing: (
            &[
                r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
                r#"{"type":"message_stop"}"#,
            ],
            r#"{"type":"message","content":[],"stop_reason":"end_turn"}"#,
        ),
    },
    Ends {
        length: (
            &[
                r#"{"candidates":[{"content":{"parts":[{"text":"Hel"}]},"finishReason":"MAX_TOKENS"}]}"#,
            ],
            r#"{"candidates":[{"content":{"parts":[{"text":"Hel"}]},"finishReason":"MAX_TOKENS"}]}"#,
        ),
        cut_call: (
            &[
                r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"add","args":{"a":1}}}]},"finishReason":"MAX_TOKENS"}]}"#,
            ],
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"add","args":{"a":1}}}]},"finishReason":"MAX_TOKENS"}]}"#,
        ),
        refusal: None,
        filter: Some((
            &[r#"{"candidates":[{"finishReason":"SAFETY"}]}"#],
            r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#,
        )),
        nothing: (
            &[r#"{"candidates":[{"content":{},"finishReason":"STOP"}]}"#],
            r#"{"candidates":[{"content":{"parts":[]},"finishReason":"STOP"}]}"#,
        ),
    },
];

/// Both forms of an end bring the run to this stop, with these last words, and run nothing.
async fn check(spoken: &Spoken, (streamed, whole): End, why: Stop, words: Option<&str>) {
    for said in [events(streamed), answer("200 OK", "application/json", whole)] {
        let server = CannedServer::start([said]).await;
        let finished = agent((spoken.model)(&server.base_url())).run("Hi").await;
        let finished = finished.unwrap_or_else(|error| panic!("{}: {error:?}", spoken.name));
        let partial = words.map(str::to_owned);
        let expected = Outcome::Stopped { why: why.clone(), partial };
        assert_eq!(finished.outcome, expected, "{}", spoken.name);
        let said = serde_json::to_string(&finished.run.transcript().messages()).unwrap();
        assert!(!said.contains(r#""b":2"#), "{}: {said}", spoken.name);
    }
}

#[tokio::test]
async fn each_end_is_an_outcome_of_its_own() {
    for (spoken, ends) in ALL.into_iter().zip(ENDS) {
        check(&spoken, ends.length, Stop::OutputLimit, Some("Hel")).await;
        check(&spoken, ends.cut_call, Stop::OutputLimit, None).await;
        if let Some(refusal) = ends.refusal {
            check(&spoken, refusal, Stop::Refusal, Some("No.")).await;
        }
        if let Some(filter) = ends.filter {
            check(&spoken, filter, Stop::ContentFilter, None).await;
        }
        check(&spoken, ends.nothing, Stop::EmptyAnswer, None).await;
    }
}

/// The body of a request as JSON.
fn body(request: &str) -> serde_json::Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn a_paused_answer_of_anthropic_goes_on_with_all_that_was_said() {
    let searching = [
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"query\":\"tide\"}"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"pause_turn"}}"#,
        r#"{"type":"message_stop"}"#,
    ];
    let whole = r#"{"type":"message","content":[{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"tide"}}],"stop_reason":"pause_turn"}"#;
    let spoken = &ALL[2];
    for paused in [events(&searching), answer("200 OK", "application/json", whole)] {
        let server = CannedServer::start([paused, events(spoken.hello)]).await;
        let agent = agent((spoken.model)(&server.base_url()));
        let finished = agent.run("When is high tide?").await.unwrap();
        assert_eq!(finished.outcome, Outcome::Final { text: "Hello".into() });
        assert_eq!(finished.run.steps(), 2);
        // The same block, and nothing after it.
        let sent = body(&server.requests()[1]);
        let last = sent["messages"].as_array().unwrap().last().unwrap();
        let block = serde_json::json!({"type": "server_tool_use", "id": "srvtoolu_1",
            "name": "web_search", "input": {"query": "tide"}});
        assert_eq!((&last["role"], &last["content"][0]), (&"assistant".into(), &block), "{sent}");
    }
}

#[tokio::test]
async fn a_call_that_gemini_cannot_read_is_asked_for_again() {
    let spoken = &ALL[3];
    let odd = r#"{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL"}]}"#;
    let server = CannedServer::start([events(&[odd]), events(spoken.hello)]).await;
    let finished = agent((spoken.model)(&server.base_url())).run("Hi").await.unwrap();
    assert_eq!(finished.outcome, Outcome::Final { text: "Hello".into() });
    let sent = body(&server.requests()[1]);
    let contents = sent["contents"].as_array().unwrap();
    // The empty turn is not sent; what is asked for stands with what the person said.
    assert!(contents.iter().all(|content| content["role"] == "user"), "{sent}");
    assert!(sent.to_string().contains("could not be read"), "{sent}");
    let server = CannedServer::start([events(&[odd]), events(&[odd]), events(&[odd])]).await;
    let finished = agent((spoken.model)(&server.base_url())).run("Hi").await.unwrap();
    let why = Stop::Unfinished { reason: "MALFORMED_FUNCTION_CALL".into() };
    assert_eq!(finished.outcome, Outcome::Stopped { why, partial: None });
    assert_eq!(server.requests().len(), 3);
}
