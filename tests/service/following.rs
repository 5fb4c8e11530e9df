//! What a request leads to, followed: its spans, its name, who asked for it in the record.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::sync::{Arc, Mutex};

use mcp_agent::{
    layers::AuditLog,
    model::scripted::{Scene, ScriptedModel},
    service::{ChatOptions, ServiceOptions},
    spans::{NewSpan, Span, SpanKind, SpanValue, Spans},
    stack::StackOptions,
};
use mcp_client::{
    Secret, TraceContext,
    config::{ServerConfig, TransportConfig},
    testing::HttpScript,
};
use serde_json::{Value, json};

use crate::{
    access::remote,
    asking::{Serving, misbehaving},
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Keeps the spans that have ended.
#[derive(Clone, Default)]
struct Recorded(Arc<Mutex<Vec<Ended>>>, &'static str);

#[derive(Clone, Debug)]
struct Ended {
    name: String,
    kind: SpanKind,
    /// Of the span around it.
    parent: Option<String>,
    id: String,
    trace: String,
    attributes: Vec<(&'static str, SpanValue)>,
    failed: Option<String>,
}

struct Open {
    all: Arc<Mutex<Vec<Ended>>>,
    span: Ended,
}

impl Recorded {
    /// Spans whose ids begin like this.
    fn named(mark: &'static str) -> Self {
        Self(Arc::default(), mark)
    }

    fn ended(&self) -> Vec<Ended> {
        self.0.lock().unwrap().clone()
    }

    #[track_caller]
    fn find(&self, name: &str) -> Ended {
        let ended = self.ended();
        let found = ended.iter().find(|span| span.name == name);
        found.unwrap_or_else(|| panic!("no span {name}: {ended:#?}")).clone()
    }
}

impl Ended {
    fn text(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| *known == name);
        found.and_then(|(_, value)| match value {
            SpanValue::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }
}

impl Spans for Recorded {
    fn begin(&self, new: NewSpan<'_>) -> Box<dyn Span> {
        static LAST: Mutex<u32> = Mutex::new(0);
        let mut last = LAST.lock().unwrap();
        *last += 1;
        let parent = new.parent.map(|parent| parent.traceparent().to_owned());
        let field = |at| parent.as_deref().and_then(|parent| parent.split('-').nth(at));
        let span = Ended {
            name: new.name.into_owned(),
            kind: new.kind,
            trace: field(1).map_or_else(|| format!("{:032x}", *last), str::to_owned),
            parent: field(2).map(str::to_owned),
            id: format!("{}{:014x}", self.1, *last),
            attributes: Vec::new(),
            failed: None,
        };
        Box::new(Open { all: Arc::clone(&self.0), span })
    }
}

impl Span for Open {
    fn context(&self) -> Option<TraceContext> {
        TraceContext::new(format!("00-{}-{}-01", self.span.trace, self.span.id)).ok()
    }

    fn set(&mut self, name: &'static str, value: SpanValue) {
        self.span.attributes.push((name, value));
    }

    fn fail(&mut self, kind: &str, _: &str) {
        self.span.failed = Some(kind.to_owned());
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.all.lock().unwrap().push(self.span.clone());
    }
}

fn at(name: &str, url: &str) -> ServerConfig {
    ServerConfig::new(name, TransportConfig::Http { url: url.to_owned(), headers: [].into() })
}

fn parent_header() -> String {
    format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n")
}

/// The trace that the server was told last.
fn told(upstream: &HttpScript) -> Value {
    upstream.posted("tools/call").pop().unwrap().message["params"]["_meta"].clone()
}

// covers: trace-context
#[tokio::test]
async fn spans_are_linked_through_two_services() {
    let upstream = remote().await;
    let (near, far) = (Recorded::named("aa"), Recorded::named("bb"));
    let behind = ServiceOptions::new().spans(far.clone());
    let behind = Serving::start(vec![at("remote", upstream.url())], behind).await;
    let url = format!("http://{}/mcp", behind.address);
    let front = ServiceOptions::new().spans(near.clone());
    let front = Serving::start(vec![at("behind", &url)], front).await;

    let body = json!({"server_name": "behind", "tool_name": "good"}).to_string();
    let answer = front.ask("POST", "/mcp/tools/call", &parent_header(), Some(&body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    front.end().await;
    behind.end().await;

    let asked = near.find("POST /mcp/tools/call");
    assert_eq!(asked.kind, SpanKind::Server);
    assert_eq!((&*asked.trace, asked.parent.as_deref()), (TRACE, Some("00f067aa0ba902b7")));
    assert_eq!(asked.text("http.route"), Some("/mcp/tools/call"));
    let sent = near.find("tools/call good");
    assert_eq!(sent.kind, SpanKind::Client);
    assert_eq!(sent.parent.as_deref(), Some(&*asked.id));
    assert_eq!(sent.text("gen_ai.tool.name"), Some("good"));
    assert_eq!(sent.text("mcp.method.name"), Some("tools/call"));
    let received = far.find("tools/call");
    assert_eq!(received.kind, SpanKind::Server);
    assert_eq!((&*received.trace, received.parent.as_deref()), (TRACE, Some(&*sent.id)));
    let last = far.find("tools/call good");
    assert_eq!((&*last.trace, last.parent.as_deref()), (TRACE, Some(&*received.id)));
    assert_eq!(told(&upstream)["traceparent"], format!("00-{TRACE}-{}-01", last.id));
}

#[tokio::test]
async fn answers_that_stream_belong_to_their_request() {
    let (upstream, spans) = (remote().await, Recorded::named("aa"));
    let model =
        ScriptedModel::new([Scene::call("mcp__remote__good", "{}"), Scene::text("It is ok.")]);
    let options = ServiceOptions::new().spans(spans.clone()).chat(ChatOptions::new(model));
    let serving = Serving::start(vec![at("remote", upstream.url())], options).await;

    let headers = format!("{}accept: text/event-stream\r\n", parent_header());
    let body = json!({"server_name": "remote", "tool_name": "good"}).to_string();
    let answer = serving.ask("POST", "/mcp/tools/call", &headers, Some(&body)).await;
    assert!(answer.body.contains("event: result"), "{answer:?}");
    let call = spans.find("tools/call good");
    assert_eq!(told(&upstream)["traceparent"], format!("00-{TRACE}-{}-01", call.id));

    let body = json!({"stream": true, "messages": [{"role": "user", "content": "Is it good?"}]});
    let answer = serving
        .ask("POST", "/v1/chat/completions", &parent_header(), Some(&body.to_string()))
        .await;
    assert!(answer.body.contains("[DONE]"), "{answer:?}");
    serving.end().await;
    let chat = spans.find("POST /v1/chat/completions");
    let mut parts = spans.ended();
    parts.retain(|span| span.parent.as_deref() == Some(&*chat.id));
    parts.sort_by(|one, other| one.id.cmp(&other.id));
    let names: Vec<_> = parts.iter().map(|span| span.name.split(' ').next().unwrap()).collect();
    assert_eq!(names, ["chat", "tools/call", "chat"], "{parts:#?}");
    assert_eq!(parts[0].text("gen_ai.operation.name"), Some("chat"));
}

#[tokio::test]
async fn a_failure_is_one_of_its_span_too() {
    let spans = Recorded::named("aa");
    let options = ServiceOptions::new().spans(spans.clone());
    let serving = Serving::start(vec![misbehaving("bad", "exit-at-once")], options).await;
    let body = json!({"server_name": "bad", "tool_name": "good"});
    assert_eq!(serving.post("/mcp/tools/call", &body).await.status, 503);
    serving.end().await;
    assert_eq!(spans.find("POST /mcp/tools/call").failed.as_deref(), Some("503"));
    assert!(spans.find("tools/call good").failed.is_some());
}

#[tokio::test]
async fn baggage_goes_on_only_where_that_is_wanted() {
    for wanted in [false, true] {
        let upstream = remote().await;
        let mut options = ServiceOptions::new();
        if wanted {
            options = options.pass_baggage();
        }
        let serving = Serving::start(vec![at("remote", upstream.url())], options).await;
        let headers = format!("{}baggage: tenant=blue\r\n", parent_header());
        let body = json!({"server_name": "remote", "tool_name": "good"}).to_string();
        let answer = serving.ask("POST", "/mcp/tools/call", &headers, Some(&body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let baggage = wanted.then_some("tenant=blue");
        assert_eq!(told(&upstream)["baggage"].as_str(), baggage);
        serving.end().await;
    }
}

#[tokio::test]
async fn a_request_has_a_name_of_its_own_or_is_given_one() {
    let serving = Serving::start(vec![], ServiceOptions::new()).await;
    let named = |head: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix("x-request-id: "));
        line.unwrap_or_else(|| panic!("{head}")).to_owned()
    };
    let own = serving.ask("GET", "/mcp/servers", "x-request-id: ab-12\r\n", None).await;
    assert_eq!(named(&own.head), "ab-12");
    // Also for those who are not let in, and for what cannot stand in a log.
    for (path, headers) in
        [("/mcp/servers", "x-request-id: a b\r\n"), ("/nowhere", "host: evil.example\r\n")]
    {
        let answer = serving.ask("GET", path, headers, None).await;
        assert_eq!(named(&answer.head).len(), 24, "{}", answer.head);
    }
    serving.end().await;
}

const CALL: &str = "accept: application/json, text/event-stream\r\n\
    mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: good\r\n";

fn call_over_mcp(id: usize, name: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
        "name": name, "arguments": {}, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    }})
    .to_string()
}

#[tokio::test]
async fn the_record_says_who_asked_through_either_door() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let layers = StackOptions::default().audit(AuditLog::open(&file).unwrap());
    let options = ServiceOptions::new().layers(layers).token(Secret::new("a-token-of-the-test"));
    let serving = Serving::start(vec![misbehaving("one", "ok")], options).await;
    let token = "authorization: Bearer a-token-of-the-test\r\n";
    let body = json!({"server_name": "one", "tool_name": "good"}).to_string();
    assert_eq!(serving.ask("POST", "/mcp/tools/call", token, Some(&body)).await.status, 200);
    let headers = format!("{token}{CALL}");
    let answer = serving.ask("POST", "/mcp", &headers, Some(&call_over_mcp(1, "good"))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serving.end().await;
    let record = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> =
        record.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let principals: Vec<_> = lines.iter().map(|line| &line["principal"]).collect();
    assert_eq!(principals, ["owner", "owner"], "{record}");
    assert!(!record.contains("a-token-of-the-test"));
}

#[tokio::test]
async fn a_whole_answer_says_how_long_it_is() {
    let serving = Serving::start(vec![misbehaving("one", "ok")], ServiceOptions::new()).await;
    let answer = serving.ask("POST", "/mcp", CALL, Some(&call_over_mcp(1, "good"))).await;
    let length = format!("content-length: {}", answer.body.len());
    assert!(answer.head.contains(&length), "{answer:?}");
    assert!(!answer.head.contains("transfer-encoding"), "{answer:?}");
    serving.end().await;
}

#[tokio::test]
async fn what_strangers_make_up_adds_nothing_to_the_counters() {
    let serving = Serving::start(vec![misbehaving("one", "ok")], ServiceOptions::new()).await;
    let body = json!({"server_name": "one", "tool_name": "good"});
    assert_eq!(serving.post("/mcp/tools/call", &body).await.status, 200);
    assert_eq!(
        serving.ask("POST", "/mcp", CALL, Some(&call_over_mcp(1, "good"))).await.status,
        200
    );
    let before = serving.get("/metrics").await.body.lines().count();
    let requests = (0..10_000).map(|number| {
        let made_up = format!("made-up-{number}");
        match number % 4 {
            0 => {
                let body = json!({"server_name": "one", "tool_name": made_up}).to_string();
                ("POST", "/mcp/tools/call".to_owned(), String::new(), body)
            }
            1 => ("GET", format!("/{made_up}"), String::new(), String::new()),
            2 => {
                let headers = CALL.replace("mcp-name: good", &format!("mcp-name: {made_up}"));
                ("POST", "/mcp".to_owned(), headers, call_over_mcp(number, &made_up))
            }
            _ => {
                let headers = format!("mcp-session-id: {made_up}\r\naccept: text/event-stream\r\n");
                ("GET", "/mcp".to_owned(), headers, String::new())
            }
        }
    });
    serving.flood(requests).await;
    let after = serving.get("/metrics").await.body;
    // Tools are counted by name up to a number, and there are three counters of each. Each way of
    // failing is a histogram.
    let made_up = after.lines().filter(|line| line.contains("made-up")).count();
    assert!(made_up <= 3 * 512, "{made_up}");
    assert!(after.contains("(others)"), "{after}");
    assert!(after.lines().count() <= before + 3 * 513 + 4 * 17, "{after}");
    serving.end().await;
}
