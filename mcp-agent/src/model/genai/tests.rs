use ::genai::{
    Client, ServiceTarget,
    resolver::{AuthData, Endpoint, ServiceTargetResolver},
};
use serde_json::{Value, json};

use super::*;
use crate::model::{
    ModelErrorKind,
    canned_server::{CannedServer, answer, events},
    golden,
};

/// A model of a provider whose API is that of OpenAI, at this address.
fn model(server: &CannedServer) -> GenAi {
    model_at(&server.base_url())
}

fn model_at(base: &str) -> GenAi {
    let base = format!("{base}/");
    let target = move |mut target: ServiceTarget| {
        target.endpoint = Endpoint::from_owned(base.clone());
        target.auth = AuthData::from_single("sk-1");
        Ok(target)
    };
    let resolver = ServiceTargetResolver::from_resolver_fn(target);
    let client = Client::builder().with_service_target_resolver(resolver).build().unwrap();
    GenAi::new(client, "groq::m").unwrap()
}

fn body(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn a_whole_conversation_there_and_back() {
    let said = [
        r#"{"choices":[{"index":0,"delta":{"content":"I "}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"add."}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"add","arguments":"{\"a\":"}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5}}"#,
        "[DONE]",
    ];
    let server = CannedServer::start([events(&said)]).await;
    let model = model(&server);
    let request = golden::conversation(model.id(), None);
    let answer = model.respond(&request).await.unwrap();
    assert_eq!((answer.text().as_str(), &answer.stop), ("I add.", &StopReason::ToolCalls));
    let call = answer.tool_calls().next().unwrap();
    assert_eq!((call.id.as_str(), call.arguments.as_str()), ("x", r#"{"a":1}"#));

    let sent = body(&server.requests()[0]);
    assert_eq!(sent["tool_choice"], "required");
    let messages = sent["messages"].as_array().unwrap();
    let results: Vec<_> = messages
        .iter()
        .filter(|message| message["role"] == "tool")
        .map(|message| message["content"].as_str().unwrap())
        .collect();
    // Text only, and nothing is dropped in silence.
    assert!(results[0].contains(r#"{"sum":42}"#), "{results:?}");
    assert!(results[0].contains("[image image/png"), "{results:?}");
    assert!(results[1].starts_with("Error:"), "{results:?}");
    let text = sent.to_string();
    assert!(!text.contains("Two calls.") && !text.contains("sig-1"), "{text}");
    assert_eq!(messages[0], json!({"role": "system", "content": "Be brief."}));
}

#[tokio::test]
async fn failures_are_told_as_by_our_own_codecs() {
    let limited = answer(
        "429 Too Many Requests",
        "application/json",
        r#"{"error":{"message":"slow down","type":"rate_limit_error"}}"#,
    );
    let limited = limited.replacen("connection: close", "retry-after: 7\r\nconnection: close", 1);
    let cut = events(&[r#"{"choices":[{"index":0,"delta":{"content":"Hel"}}]}"#]);
    let server = CannedServer::start([limited, cut]).await;
    let model = model(&server);
    let request = ModelRequest::new(vec![crate::model::Message::user("Hi")]);
    let error = model.respond(&request).await.unwrap_err();
    assert_eq!((error.status(), error.is_retryable()), (Some(429), true));
    assert_eq!(error.retry_after(), Some(std::time::Duration::from_secs(7)));
    assert!(error.to_string().contains("slow down"), "{error}");
    let error = model.respond(&request).await.unwrap_err();
    assert!(matches!(error.kind(), ModelErrorKind::Interrupted { .. }), "{error}");
    assert!(!format!("{model:?} {error:?}").contains("sk-1"));
    // Nobody listens there any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = model_at(&format!("http://{gone}/v1")).respond(&request).await.unwrap_err();
    assert!(matches!(error.kind(), ModelErrorKind::Unreachable { .. }), "{error:?}");
    assert!(error.is_retryable());
}
