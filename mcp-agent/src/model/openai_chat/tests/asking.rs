//! The client against a server on this machine.

use std::error::Error;

use serde_json::Value;

use crate::model::{
    ChatModel, Media, MediaSource, Message, ModelErrorKind, ModelRequest, Part, StopReason,
    address::{base_url_of, below},
    canned_server::{CannedServer, answer, events},
    openai_chat::OpenAiChat,
};

const WORDS: [&str; 3] = [
    r#"{"choices":[{"delta":{"content":"Hel"}}]}"#,
    r#"{"choices":[{"delta":{"content":"lo"},"finish_reason":"stop"}]}"#,
    "[DONE]",
];

fn question() -> ModelRequest {
    ModelRequest::new(vec![Message::user("Hi")])
}

fn body(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn asks_and_reads_the_stream() {
    let server = CannedServer::start([events(&WORDS)]).await;
    let model = OpenAiChat::new(&server.base_url(), "m").unwrap().key("sk-1".to_owned()).unwrap();
    let answer = model.respond(&question()).await.unwrap();
    assert_eq!((answer.text().as_str(), answer.stop), ("Hello", StopReason::EndTurn));
    let request = &server.requests()[0];
    assert!(request.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: Bearer sk-1\r\n"), "{request}");
    let body = body(request);
    assert_eq!((&body["model"], &body["stream"]), (&"m".into(), &true.into()));
    // A local server is never left to go on for ever.
    assert_eq!(body["max_tokens"], 4096);
}

#[tokio::test]
async fn takes_a_whole_answer_from_a_server_that_does_not_stream() {
    let whole = r#"{"choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}]}"#;
    let server = CannedServer::start([answer("200 OK", "application/json", whole)]).await;
    let model = OpenAiChat::new(&server.base_url(), "m").unwrap();
    assert_eq!(model.respond(&question()).await.unwrap().text(), "Hello");
}

#[tokio::test]
async fn a_refusal_names_the_address_and_never_the_key() {
    let refusal =
        r#"{"error":{"message":"Incorrect API key provided: sk-secret","code":"invalid_api_key"}}"#;
    let server =
        CannedServer::start([answer("401 Unauthorized", "application/json", refusal)]).await;
    let model =
        OpenAiChat::new(&server.base_url(), "m").unwrap().key("sk-secret".to_owned()).unwrap();
    let error = model.respond(&question()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}/chat/completions answered HTTP 401 invalid_api_key: Incorrect API key provided: \
             ***",
            server.base_url()
        )
    );
    assert!(!format!("{error:?} {model:?}").contains("sk-secret"));
}

#[tokio::test]
async fn a_model_that_cannot_see_gets_notes() {
    let refusal = r#"{"error":{"code":500,"message":"image input is not supported - hint: if this is unexpected, you may need to provide the mmproj","type":"server_error"}}"#;
    let server = CannedServer::start([
        answer("500 Internal Server Error", "application/json", refusal),
        events(&WORDS),
        events(&WORDS),
    ])
    .await;
    let model = OpenAiChat::new(&server.base_url(), "m").unwrap();
    let picture = Part::Image(Media {
        mime_type: "image/png".into(),
        source: MediaSource::Base64("aGk=".into()),
        name: None,
    });
    let request = ModelRequest::new(vec![Message::user(vec![picture])]);
    for _ in 0..2 {
        assert_eq!(model.respond(&request).await.unwrap().text(), "Hello");
    }
    let contents: Vec<_> = server
        .requests()
        .iter()
        .map(|request| body(request)["messages"][0]["content"].clone())
        .collect();
    assert!(contents[0].is_array());
    assert_eq!(contents[1], "[image image/png, 3 bytes: not shown to you]");
    assert_eq!(contents[1], contents[2]);
}

#[tokio::test]
async fn a_stream_that_is_cut_off_is_an_error() {
    let server = CannedServer::start([events(&WORDS[..1])]).await;
    let model = OpenAiChat::new(&server.base_url(), "m").unwrap();
    let error = model.respond(&question()).await.unwrap_err();
    assert!(matches!(error.kind(), ModelErrorKind::Interrupted { .. }), "{error:?}");
}

#[tokio::test]
async fn nobody_there() {
    let address = CannedServer::start([]).await.address.clone();
    let model = OpenAiChat::new(&format!("http://{address}"), "m").unwrap();
    let error = model.respond(&question()).await.unwrap_err();
    assert!(matches!(error.kind(), ModelErrorKind::Unreachable { .. }), "{error:?}");
    assert!(error.is_retryable());
    assert_eq!(error.to_string(), format!("cannot reach http://{address}/v1/chat/completions"));
    assert_eq!(error.source().unwrap().to_string(), format!("cannot connect to {address}"));
}

#[test]
fn addresses() {
    let chat =
        |text: &str| base_url_of(text).map(|base| below(&base, "chat/completions").to_string());
    for (text, url) in [
        ("http://h:1", "http://h:1/v1/chat/completions"),
        ("http://h:1/", "http://h:1/v1/chat/completions"),
        ("https://h/api/v1/", "https://h/api/v1/chat/completions"),
        ("https://h/v1/chat/completions", "https://h/v1/chat/completions"),
        ("https://h/v1?api-version=2", "https://h/v1/chat/completions?api-version=2"),
    ] {
        assert_eq!(chat(text).unwrap(), url);
    }
    assert_eq!(
        chat("ftp://h").unwrap_err().to_string(),
        "the base URL of the model cannot be used: it is not an address of http or https"
    );
    assert!(chat("localhost:8080").is_err());
}
