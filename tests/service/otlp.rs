//! Spans as a collector of OpenTelemetry receives them.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use mcp_agent::{
    otlp::Otlp,
    service::ServiceOptions,
    spans::{NewSpan, Spans as _},
};
use mcp_client::config::{ServerConfig, TransportConfig};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value, trace::v1::Span,
};
use prost::Message as _;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{access::remote, asking::Serving};

/// Takes what is sent to `/v1/traces`.
struct Collector {
    url: String,
    spans: Arc<Mutex<Vec<(String, Span)>>>,
    _task: JoinSet<()>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let spans = Arc::<Mutex<Vec<_>>>::default();
        let mut task = JoinSet::new();
        let received = Arc::clone(&spans);
        task.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                receive(stream, &received).await;
            }
        });
        Self { url, spans, _task: task }
    }

    #[track_caller]
    fn find(&self, name: &str) -> Span {
        let spans = self.spans.lock().unwrap();
        let found = spans.iter().find(|(_, span)| span.name == name);
        found.unwrap_or_else(|| panic!("no span {name}: {spans:#?}")).1.clone()
    }
}

/// Reads requests until the connection ends.
async fn receive(mut stream: TcpStream, spans: &Mutex<Vec<(String, Span)>>) {
    let mut text = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = text.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut text).await.unwrap() == 0 {
                return;
            }
        };
        let head = String::from_utf8(text[..end].to_vec()).unwrap().to_ascii_lowercase();
        assert!(head.starts_with("post /v1/traces "), "{head}");
        assert!(head.contains("content-type: application/x-protobuf"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap().trim().parse().unwrap();
        while text.len() < end + length {
            assert_ne!(stream.read_buf(&mut text).await.unwrap(), 0);
        }
        let request = ExportTraceServiceRequest::decode(&text[end..end + length]).unwrap();
        text.drain(..end + length);
        for resource in request.resource_spans {
            let attributes = resource.resource.unwrap().attributes;
            let named = attributes.into_iter().find(|one| one.key == "service.name").unwrap();
            let Some(any_value::Value::StringValue(service)) = named.value.unwrap().value else {
                panic!("a service has a name")
            };
            let all = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.lock().unwrap().extend(all.map(|span| (service.clone(), span)));
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    }
}

fn at(name: &str, url: &str) -> ServerConfig {
    ServerConfig::new(name, TransportConfig::Http { url: url.to_owned(), headers: [].into() })
}

#[tokio::test]
async fn a_collector_sees_one_trace_through_two_services() {
    let (collector, upstream) = (Collector::start().await, remote().await);
    let traces = Otlp::start(&collector.url, "tools").unwrap();
    let options = || ServiceOptions::new().spans(traces.clone());
    let behind = Serving::start(vec![at("remote", upstream.url())], options()).await;
    let url = format!("http://{}/mcp", behind.address);
    let front = Serving::start(vec![at("behind", &url)], options()).await;
    let body = json!({"server_name": "behind", "tool_name": "good"}).to_string();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("traceparent: 00-{trace}-00f067aa0ba902b7-01\r\ntracestate: a=1\r\n");
    let answer = front.ask("POST", "/mcp/tools/call", &parent, Some(&body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    front.end().await;
    behind.end().await;
    traces.flush().await;

    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    };
    let asked = collector.find("POST /mcp/tools/call");
    assert_eq!(hex(&asked.parent_span_id), "00f067aa0ba902b7");
    let received = collector.find("tools/call");
    let spans = collector.spans.lock().unwrap().clone();
    let sent: Vec<_> =
        spans.iter().map(|(_, span)| span).filter(|span| span.name == "tools/call good").collect();
    let [first, last] = [&asked, &received].map(|parent| {
        let child = sent.iter().find(|span| span.parent_span_id == parent.span_id);
        child.unwrap_or_else(|| panic!("{spans:#?}"))
    });
    assert_eq!(received.parent_span_id, first.span_id);
    for span in [&asked, &received, *first, *last] {
        assert_eq!((hex(&span.trace_id).as_str(), span.trace_state.as_str()), (trace, "a=1"));
    }
    assert!(spans.iter().all(|(service, _)| service == "tools"));
    let told = upstream.posted("tools/call").pop().unwrap();
    let expected = format!("00-{trace}-{}-01", hex(&last.span_id));
    assert_eq!(told.message["params"]["_meta"]["traceparent"], expected);
    assert!(traces.report().sent >= 4);
}

#[tokio::test]
async fn a_collector_that_is_away_or_slow_stops_nobody() {
    // Nobody answers there, but connections are taken.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let traces = Otlp::start(&format!("http://{}", silent.local_addr().unwrap()), "tools").unwrap();
    for _ in 0..10_000 {
        drop(traces.begin(NewSpan::client("x", None)));
    }
    assert!(traces.report().dropped > 0, "{traces:?}");
    assert!(traces.prometheus().contains("mcp_otlp_spans_total{outcome=\"dropped\"}"));
    drop(silent);

    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let traces = Otlp::start(&nobody, "tools").unwrap();
    drop(traces.begin(NewSpan::client("x", None)));
    traces.flush().await;
    assert_eq!((traces.report().sent, traces.report().lost), (0, 1));
    assert!(Otlp::start("ftp://nowhere", "tools").is_err());
}
