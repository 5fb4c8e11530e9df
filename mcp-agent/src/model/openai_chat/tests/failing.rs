use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode};

use crate::model::{
    ModelError, ModelErrorKind, ModelId, codec::Decode, failure, openai_chat::decode::Decoder,
};

fn refused(status: u16, body: &str) -> ModelError {
    let status = StatusCode::from_u16(status).unwrap();
    failure::decode(status, &HeaderMap::new(), body.as_bytes())
}

#[track_caller]
fn check(status: u16, body: &str, expected: &str, retryable: bool) {
    let error = refused(status, body);
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.is_retryable(), retryable);
}

#[test]
fn errors_in_their_several_forms() {
    check(
        400,
        r#"{"error":{"code":400,"message":"bad tools","type":"invalid_request_error"}}"#,
        "the model answered HTTP 400 invalid_request_error: bad tools",
        false,
    );
    check(401, r#"{"error":"no key"}"#, "the model answered HTTP 401: no key", false);
    check(404, r#"{"detail":"Not Found"}"#, "the model answered HTTP 404: Not Found", false);
    check(503, r#"[{"error":{"message":"busy"}}]"#, "the model answered HTTP 503: busy", true);
    check(502, "<html>Bad Gateway", "the model answered HTTP 502: <html>Bad Gateway", true);
    check(500, "", "the model answered HTTP 500", true);
    check(429, r#"{"message":"slow down"}"#, "the model answered HTTP 429: slow down", true);
}

#[test]
fn a_wait_is_told() {
    let wait = |name: &'static str, value: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        failure::decode(StatusCode::TOO_MANY_REQUESTS, &headers, b"").retry_after()
    };
    assert_eq!(wait("retry-after", "2"), Some(Duration::from_secs(2)));
    assert_eq!(wait("retry-after", "0.5"), Some(Duration::from_millis(500)));
    assert_eq!(wait("retry-after-ms", "250"), Some(Duration::from_millis(250)));
    assert_eq!(wait("retry-after", "-1"), None);
    assert_eq!(wait("retry-after", "soon"), None);
    // A date counts by the provider's own clock.
    let until = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_eq!(wait("retry-after", until), None);
    let mut headers = HeaderMap::new();
    headers.insert("retry-after", HeaderValue::from_static(until));
    for (now, seconds) in [("08:49:30", 7), ("08:50:00", 0)] {
        let now = format!("Sun, 06 Nov 1994 {now} GMT");
        headers.insert("date", HeaderValue::from_str(&now).unwrap());
        let error = failure::decode(StatusCode::SERVICE_UNAVAILABLE, &headers, b"");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(seconds)));
    }
}

#[test]
fn what_waiting_does_not_mend_is_not_asked_again() {
    let quota = r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#;
    assert!(!refused(429, quota).is_retryable());
    let long =
        r#"{"error":{"message":"the request exceeds the available context size","code":500}}"#;
    assert!(!refused(500, long).is_retryable());
    assert!(refused(429, r#"{"error":{"message":"slow down"}}"#).is_retryable());
}

#[test]
fn a_conversation_that_is_too_long_is_known() {
    let llama = r#"{"error":{"code":400,"message":"request (9000 tokens) exceeds the available context size (8192 tokens)","type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":8192}}"#;
    assert!(refused(400, llama).is_context_too_long());
    let openai = r#"{"error":{"message":"This model's maximum context length is 8192 tokens","type":"invalid_request_error","code":"context_length_exceeded"}}"#;
    assert!(refused(400, openai).is_context_too_long());
    assert!(!refused(400, r#"{"error":{"message":"bad"}}"#).is_context_too_long());
}

fn chunk(data: &str) -> ModelError {
    let mut decoder = Decoder::new(ModelId::new("example.com", "m"));
    decoder.chunk(data, &mut Vec::new()).unwrap_err()
}

#[test]
fn an_error_inside_the_answer() {
    let error = chunk(r#"{"error":{"code":429,"message":"upstream is busy"},"choices":[]}"#);
    assert_eq!(error.status(), Some(429));
    assert_eq!(error.to_string(), "the model answered HTTP 429: upstream is busy");
    let error = chunk(r#"{"choices":[{"delta":{"content":""},"finish_reason":"error"}]}"#);
    assert!(matches!(error.kind(), ModelErrorKind::Status(_)));
    let error = chunk(r#"{"choices":[{"error":{"code":502,"message":"gone"}}]}"#);
    assert_eq!(error.status(), Some(502));
}

#[test]
fn what_is_not_of_this_api() {
    let error = chunk("<html>");
    assert_eq!(
        error.to_string(),
        "the model sent something that cannot be read: expected value at line 1 column 1 in \
         `<html>`"
    );
    assert!(!error.is_retryable());
    let mut decoder = Decoder::new(ModelId::new("example.com", "m"));
    let error = decoder.whole(br#"{"status":"ok"}"#, &mut Vec::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the model sent something that cannot be read: an answer without `choices` in \
         `{\"status\":\"ok\"}`"
    );
}

#[test]
fn the_address_is_shown_without_secrets() {
    let url = "https://me:secret@example.com/v1?key=secret#x".parse().unwrap();
    let error = refused(500, "").at(&url);
    assert_eq!(error.url(), Some("https://example.com/v1"));
    assert!(!format!("{error} {error:?}").contains("secret"));
}
