//! The parts of reading an answer, by size.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mcp_protocol::{
    header_values,
    jsonrpc::{self, Message},
    method::Method,
    param_headers::ParamHeaders,
    raw::RawJson,
    tools::{CallTool, CallToolParams, ListTools},
};
use serde_json::json;

/// A tool's text with a line end every 80 bytes, as programs print it.
fn text_result(bytes: usize) -> String {
    let line = format!("{}\n", "x".repeat(79));
    let text = json!(line.repeat(bytes / line.len()));
    format!(r#"{{"resultType":"complete","content":[{{"type":"text","text":{text}}}]}}"#)
}

/// About 1 KB of schema for each tool.
fn tool_list(tools: usize) -> String {
    let property = |name: &str| {
        format!(
            r#""{name}":{{"type":"string","description":"What to do with the {name}, in a sentence that a model can read","minLength":1}}"#
        )
    };
    let properties = ["path", "pattern", "limit", "order", "kind", "depth"].map(property).join(",");
    let tools: Vec<String> = (0..tools)
        .map(|number| {
            format!(
                r#"{{"name":"tool_{number}","description":"Does what tool {number} does.","inputSchema":{{"type":"object","properties":{{{properties}}},"required":["path","pattern"]}},"annotations":{{"readOnlyHint":true}}}}"#
            )
        })
        .collect();
    format!(r#"{{"resultType":"complete","tools":[{}]}}"#, tools.join(","))
}

fn results() -> [(&'static str, String); 4] {
    [
        ("text of 1 KB", text_result(1 << 10)),
        ("text of 1 MB", text_result(1 << 20)),
        ("text of 10 MB", text_result(10 << 20)),
        ("1,000 tools", tool_list(1000)),
    ]
}

fn envelope(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("envelope");
    for (name, result) in results() {
        let message = Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":7,"result":{result}}}"#));
        group.throughput(Throughput::Bytes(message.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &message, |bencher, message| {
            bencher.iter(|| Message::parse(black_box(message)));
        });
    }
}

fn result(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("result");
    for (name, result) in results() {
        group.throughput(Throughput::Bytes(result.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &result, |bencher, result| {
            if name.ends_with("tools") {
                bencher.iter(|| ListTools::decode(black_box(result.as_bytes())));
            } else {
                bencher.iter(|| CallTool::decode(black_box(result.as_bytes())));
            }
        });
    }
}

fn request(criterion: &mut Criterion) {
    let params = CallToolParams::new("search").arguments(json!({"query": "a word", "limit": 5}));
    let meta = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","progressToken":7}"#;
    criterion.bench_function("request", |bencher| {
        bencher.iter(|| {
            jsonrpc::encode_request(&7.into(), CallTool::NAME, black_box(&params), Some(meta))
        });
    });
}

fn headers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("header value");
    for text in ["plain_name", "Grüße, 世界"] {
        group.bench_with_input(BenchmarkId::from_parameter(text), text, |bencher, text| {
            bencher.iter(|| header_values::encode(black_box(text)).into_owned());
        });
    }
    group.finish();
    let schema = RawJson::from(json!({"type": "object", "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "query": {"type": "string"},
    }}));
    let arguments = RawJson::from(json!({"region": "eu", "query": "a word"}));
    let plan = ParamHeaders::from_schema(&schema).expect("the marks follow the rules");
    criterion.bench_function("mirrored arguments", |bencher| {
        bencher.iter(|| plan.values_of(black_box(Some(&arguments))));
    });
}

criterion_group!(benches, envelope, result, request, headers);
criterion_main!(benches);
