//! The same faults over every API, from a server on this machine.

mod broken;
mod ends;
mod media;

use std::time::Duration;

use mcp_transport::http::PlainLimits;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};

use crate::{
    Agent, AgentError, AgentEvent, RetryPolicy,
    model::{
        ChatModel, Message, ModelError, ModelErrorKind, ModelRequest, Part,
        anthropic::Anthropic,
        canned_server::{CannedServer, answer, events},
        gemini::Gemini,
        openai_chat::OpenAiChat,
        openai_responses::OpenAiResponses,
    },
    run::Step,
    toolbox::{Json, LocalTools},
};

/// How one API says the same things.
struct Spoken {
    name: &'static str,
    model: fn(&str) -> Box<dyn ChatModel>,
    /// The word `Hello`, and the end.
    hello: &'static [&'static str],
    /// A word without an end.
    cut: &'static [&'static str],
    /// Two calls of `add` with the same id, the arguments of the second broken off.
    calls: &'static [&'static str],
}

const ALL: [Spoken; 4] = [
    Spoken {
        name: "Chat Completions",
        model: |base| Box::new(OpenAiChat::new(base, "m").unwrap()),
        hello: &[r#"{"choices":[{"delta":{"content":"Hello"},"finish_reason":"stop"}]}"#, "[DONE]"],
        cut: &[r#"{"choices":[{"delta":{"content":"Hel"}}]}"#],
        calls: &[
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"add","arguments":"{\"a\":1}"}},{"index":1,"id":"x","function":{"name":"add","arguments":"{\"a\":"}}]},"finish_reason":"tool_calls"}]}"#,
        ],
    },
    Spoken {
        name: "Responses",
        model: |base| Box::new(OpenAiResponses::at(base, "m").unwrap()),
        hello: &[
            r#"{"type":"response.output_text.delta","output_index":0,"delta":"Hello"}"#,
            r#"{"type":"response.completed","response":{"status":"completed"}}"#,
        ],
        cut: &[r#"{"type":"response.output_text.delta","output_index":0,"delta":"Hel"}"#],
        calls: &[
            r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","call_id":"x","name":"add","arguments":"{\"a\":1}"}}"#,
            r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","call_id":"x","name":"add","arguments":"{\"a\":"}}"#,
            r#"{"type":"response.completed","response":{"status":"completed"}}"#,
        ],
    },
    Spoken {
        name: "Messages",
        model: |base| Box::new(Anthropic::at(base, "m").unwrap()),
        hello: &[
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
            r#"{"type":"message_stop"}"#,
        ],
        cut: &[
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}"#,
        ],
        calls: &[
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"x","name":"add","input":{}}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"x","name":"add","input":{}}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"}}"#,
            r#"{"type":"message_stop"}"#,
        ],
    },
    Spoken {
        name: "generateContent",
        model: |base| Box::new(Gemini::at(base, "m").unwrap()),
        hello: &[
            r#"{"candidates":[{"content":{"parts":[{"text":"Hello"}]},"finishReason":"STOP"}]}"#,
        ],
        cut: &[r#"{"candidates":[{"content":{"parts":[{"text":"Hel"}]}}]}"#],
        // Arguments are JSON here already; they can only be of a wrong kind.
        calls: &[
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"id":"x","name":"add","args":{"a":1}}},{"functionCall":{"id":"x","name":"add","args":"no"}}]},"finishReason":"STOP"}]}"#,
        ],
    },
];

#[derive(Deserialize, JsonSchema)]
struct Add {
    a: i64,
}

fn agent(model: Box<dyn ChatModel>) -> Agent {
    let tools = LocalTools::new().tool("add", "Adds one.", |add: Add| async move {
        Json(serde_json::json!({"b": add.a + 1}))
    });
    let retry = RetryPolicy { first_wait: Duration::from_millis(1), ..RetryPolicy::default() };
    Agent::builder(model).tools(tools).retry(retry).build()
}

/// A refusal that asks to come back at once.
fn refusal(status: &str) -> String {
    let body = r#"{"type":"error","error":{"type":"overloaded_error","message":"Later"}}"#;
    answer(status, "application/json", body).replacen(
        "connection: close",
        "retry-after: 0\r\nconnection: close",
        1,
    )
}

#[tokio::test]
async fn a_busy_provider_is_asked_again() {
    for Spoken { name, model, hello, .. } in ALL {
        let answers = [refusal("429 Too Many Requests"), refusal("529 Overloaded"), events(hello)];
        let server = CannedServer::start(answers).await;
        let finished = agent(model(&server.base_url())).run("Hi").await.unwrap();
        assert_eq!(finished.outcome.text(), "Hello", "{name}");
        assert_eq!(server.requests().len(), 3, "{name}");
    }
}

#[tokio::test]
async fn an_answer_whose_words_were_heard_is_not_asked_for_again() {
    for Spoken { name, model, cut, .. } in ALL {
        let server = CannedServer::start([events(cut)]).await;
        let mut run = agent(model(&server.base_url())).run("Hi");
        let mut words = String::new();
        let error = loop {
            match run.next().await.unwrap() {
                Ok(AgentEvent::TextDelta(text)) => words.push_str(&text),
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(words, "Hel", "{name}");
        let AgentError::Model { source, run } = error else { panic!("{name}: {error}") };
        assert!(matches!(source.kind(), ModelErrorKind::Interrupted { .. }), "{name}: {source}");
        assert!(matches!(run.step(), Step::CallModel(_)), "{name}");
    }
}

#[tokio::test]
async fn calls_with_the_same_id_and_broken_arguments_all_get_their_result() {
    for Spoken { name, model, hello, calls, .. } in ALL {
        let server = CannedServer::start([events(calls), events(hello)]).await;
        let finished = agent(model(&server.base_url())).run("Hi").await.unwrap();
        assert_eq!(finished.outcome.text(), "Hello", "{name}");
        let asked = &server.requests()[1];
        // One result, one explanation, under two ids.
        assert!(asked.contains(r#"\"b\":2"#) || asked.contains(r#"{"b":2}"#), "{name}: {asked}");
        assert!(asked.contains("x_1"), "{name}: {asked}");
        let transcript = finished.run.transcript().messages();
        let results = &transcript[2].parts;
        assert_eq!(results.len(), 2, "{name}");
    }
}

/// Begins an answer, then sends nothing but comments until the client is gone.
async fn restless(pings: bool) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (mut reading, mut writing) = stream.into_split();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        writing.write_all(head.as_bytes()).await.unwrap();
        let talk = async {
            loop {
                if pings
                    && writing
                        .write_all(b"event: ping\ndata: {\"type\":\"ping\"}\n\n")
                        .await
                        .is_err()
                {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let gone = async {
            let mut buffer = [0; 1024];
            while reading.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
        };
        tokio::select! { () = talk => (), () = gone => () }
    });
    (base, serving)
}

#[tokio::test]
async fn silence_and_endless_signs_of_life_come_to_an_end() {
    let request = ModelRequest::new(vec![Message::user("Hi")]);
    let limits = |idle| PlainLimits { idle: Some(idle), ..PlainLimits::default() };
    let (long, short) = (Duration::from_secs(60), Duration::from_millis(60));
    for (pings, idle, stall, named) in [(false, short, long, "chunk"), (true, long, short, "word")]
    {
        let (base, mut serving) = restless(pings).await;
        let model = Anthropic::at(&base, "m").unwrap().limits(limits(idle)).stall(stall);
        let error = model.respond(&request).await.unwrap_err();
        let ModelErrorKind::TimedOut { phase, after } = error.kind() else { panic!("{error}") };
        assert_eq!(*after, short, "{named}: {phase}");
        assert!(error.is_retryable());
        // The connection was closed, so that the provider can stop too.
        serving.join_next().await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_dropped_answer_closes_its_connection() {
    use futures_util::StreamExt as _;

    let (base, mut serving) = restless(true).await;
    let model = OpenAiChat::new(&base, "m").unwrap();
    let request = ModelRequest::new(vec![Message::user("Hi")]);
    let mut answer = model.stream(&request);
    let waiting = tokio::time::timeout(Duration::from_millis(50), answer.next()).await;
    assert!(waiting.is_err());
    drop(answer);
    serving.join_next().await.unwrap().unwrap();
}
