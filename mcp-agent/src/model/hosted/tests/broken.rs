//! Answers that are cut, garbled or refused, over every API.

use super::*;
use crate::Finished;

/// How one API says what has something wrong with it.
struct Broken {
    /// A call of `add` whose arguments break off, without an end.
    cut_call: &'static [&'static str],
    /// Two calls of `add` side by side, neither with an id.
    nameless: &'static [&'static str],
    /// The provider reports that it has too much to do, inside an answer.
    overloaded: &'static str,
    /// `Hello`, in one piece, as servers answer that do not stream.
    whole: &'static str,
}

/// In the order of [`ALL`].
const BROKEN: [Broken; 4] = [
    Broken {
        cut_call: &[
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"add","arguments":"{\"a\":"}}]}}]}"#,
        ],
        nameless: &[
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"add","arguments":"{\"a\":1}"}},{"index":1,"function":{"name":"add","arguments":"{\"a\":7}"}}]},"finish_reason":"tool_calls"}]}"#,
        ],
        overloaded: r#"{"error":{"code":529,"message":"Overloaded"},"choices":[]}"#,
        whole: r#"{"choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}]}"#,
    },
    Broken {
        cut_call: &[
            r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","call_id":"x","name":"add","arguments":""}}"#,
            r#"{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{\"a\":"}"#,
        ],
        nameless: &[
            r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","name":"add","arguments":"{\"a\":1}"}}"#,
            r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","call_id":"","name":"add","arguments":"{\"a\":7}"}}"#,
            r#"{"type":"response.completed","response":{"status":"completed"}}"#,
        ],
        overloaded: r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"Overloaded"}}}"#,
        whole: r#"{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"Hello"}]}]}"#,
    },
    Broken {
        cut_call: &[
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"x","name":"add","input":{}}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}"#,
        ],
        nameless: &[
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","name":"add","input":{"a":1}}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","name":"add","input":{"a":7}}}"#,
            r#"{"type":"content_block_stop","index":1}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"}}"#,
            r#"{"type":"message_stop"}"#,
        ],
        overloaded: r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
        whole: r#"{"type":"message","content":[{"type":"text","text":"Hello"}],"stop_reason":"end_turn"}"#,
    },
    Broken {
        // A call comes whole in this API; what is missing is the end.
        cut_call: &[
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"add","args":{}}}]}}]}"#,
        ],
        nameless: &[
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"add","args":{"a":1}}},{"functionCall":{"name":"add","args":{"a":7}}}]},"finishReason":"STOP"}]}"#,
        ],
        overloaded: r#"{"error":{"code":503,"message":"Overloaded","status":"UNAVAILABLE"}}"#,
        whole: r#"{"candidates":[{"content":{"parts":[{"text":"Hello"}]},"finishReason":"STOP"}]}"#,
    },
];

fn all() -> impl Iterator<Item = (Spoken, Broken)> {
    ALL.into_iter().zip(BROKEN)
}

/// A stream whose connection ends before all that was announced has come.
fn torn(data: &[&str]) -> String {
    let whole = events(data);
    let (head, body) = whole.split_once("\r\n\r\n").unwrap();
    let announced = format!("content-length: {}", body.len());
    let longer = format!("content-length: {}", body.len() + 100);
    format!("{}\r\n\r\n{}", head.replace(&announced, &longer), &body[..body.len() - 5])
}

async fn asked(spoken: &Spoken, answers: Vec<String>) -> (CannedServer, Finished) {
    let server = CannedServer::start(answers).await;
    let finished = agent((spoken.model)(&server.base_url())).run("Hi").await;
    let finished = finished.unwrap_or_else(|error| panic!("{}: {error:?}", spoken.name));
    (server, finished)
}

#[tokio::test]
async fn a_call_that_breaks_off_is_not_made_but_asked_for_again() {
    for (spoken, broken) in all() {
        for cut in [events(broken.cut_call), torn(broken.cut_call), torn(spoken.cut)] {
            let (server, finished) = asked(&spoken, vec![cut, events(spoken.hello)]).await;
            assert_eq!(finished.outcome.text(), "Hello", "{}", spoken.name);
            let requests = server.requests();
            assert_eq!(requests.len(), 2, "{}", spoken.name);
            assert_eq!(requests[0].split_once("\r\n\r\n"), requests[1].split_once("\r\n\r\n"));
        }
    }
}

#[tokio::test]
async fn calls_without_ids_get_their_results_under_ids_of_our_own() {
    for (spoken, broken) in all() {
        let answers = vec![events(broken.nameless), events(spoken.hello)];
        let (_server, finished) = asked(&spoken, answers).await;
        let messages = finished.run.transcript().messages();
        let ids = |place: usize| -> Vec<String> {
            let ids = messages[place].parts.iter().map(|part| match part {
                Part::ToolCall(call) => call.id.to_string(),
                Part::ToolResult(result) => result.call_id.to_string(),
                part => panic!("{}: {part:?}", spoken.name),
            });
            ids.collect()
        };
        let (calls, results) = (ids(1), ids(2));
        assert_eq!(calls, results, "{}", spoken.name);
        assert!(calls[0] != calls[1] && calls.iter().all(|id| !id.is_empty()), "{calls:?}");
        let all = serde_json::to_string(&messages[2]).unwrap();
        assert!(all.contains(r#""b":2"#) && all.contains(r#""b":8"#), "{}: {all}", spoken.name);
    }
}

#[tokio::test]
async fn an_error_inside_an_answer_is_asked_again_before_its_first_word() {
    for (spoken, broken) in all() {
        let first =
            answer("200 OK", "text/event-stream", &format!("data: {}\n\n", broken.overloaded));
        let (server, _) = asked(&spoken, vec![first, events(spoken.hello)]).await;
        assert_eq!(server.requests().len(), 2, "{}", spoken.name);
    }
}

#[tokio::test]
async fn servers_that_do_not_stream_are_understood() {
    for (spoken, broken) in all() {
        let whole = answer("200 OK", "application/json", broken.whole);
        let (_server, finished) = asked(&spoken, vec![whole]).await;
        assert_eq!(finished.outcome.text(), "Hello", "{}", spoken.name);
    }
}

/// What came instead of an answer, after `requests` requests.
async fn refused(spoken: &Spoken, answers: Vec<String>, requests: usize) -> ModelError {
    let server = CannedServer::start(answers).await;
    let error = agent((spoken.model)(&server.base_url())).run("Hi").await.unwrap_err();
    assert_eq!(server.requests().len(), requests, "{}", spoken.name);
    let AgentError::Model { source, run } = error else { panic!("{}: {error}", spoken.name) };
    // Nothing is lost: the run can be driven again.
    assert!(matches!(run.step(), Step::CallModel(_)), "{}", spoken.name);
    source
}

#[tokio::test]
async fn what_is_no_answer_is_shown_and_not_asked_for_again() {
    for (spoken, broken) in all() {
        let cut_json = &broken.whole[..broken.whole.len() - 4];
        for (kind, body) in [
            ("text/event-stream", "data: {\"choices\": [{\n\n"),
            ("application/json", cut_json),
            ("text/html", "<html>Please log in</html>"),
            ("application/json", "{}"),
        ] {
            let error = refused(&spoken, vec![answer("200 OK", kind, body)], 1).await;
            let ModelErrorKind::Undecodable { snippet, .. } = error.kind() else {
                panic!("{}: {error}", spoken.name)
            };
            assert!(!snippet.is_empty(), "{}: {error}", spoken.name);
        }
    }
}

#[tokio::test]
async fn an_empty_stream_is_asked_for_again_and_then_told() {
    for (spoken, _) in all() {
        let empty = || events(&[]);
        let error = refused(&spoken, vec![empty(), empty(), empty()], 3).await;
        assert!(matches!(error.kind(), ModelErrorKind::Interrupted { .. }), "{error}");
    }
}

#[tokio::test]
async fn failures_of_a_gateway_are_asked_again_and_shown_as_they_are() {
    for (spoken, _) in all() {
        let page = || answer("502 Bad Gateway", "text/html", "<html>nginx</html>");
        let error = refused(&spoken, vec![page(), page(), page()], 3).await;
        assert_eq!(error.status(), Some(502), "{}", spoken.name);
        assert!(error.to_string().contains("<html>nginx</html>"), "{error}");
    }
}

#[tokio::test]
async fn who_asks_for_a_long_wait_is_not_asked_again() {
    for (spoken, _) in all() {
        let later = refusal("429 Too Many Requests").replace("retry-after: 0", "retry-after: 900");
        let error = refused(&spoken, vec![later], 1).await;
        assert_eq!(error.retry_after(), Some(Duration::from_secs(900)), "{}", spoken.name);
    }
}

#[tokio::test]
async fn signs_of_life_between_the_words_are_no_words() {
    for (spoken, _) in all() {
        let mut body = String::from(": keep-alive\n\n");
        for data in spoken.hello {
            body.push_str("event: ping\n: still here\n\n");
            body.extend(["data: ", data, "\n\n: keep-alive\n\n"]);
        }
        let stream = answer("200 OK", "text/event-stream", &body);
        let (_server, finished) = asked(&spoken, vec![stream]).await;
        assert_eq!(finished.outcome.text(), "Hello", "{}", spoken.name);
    }
}
