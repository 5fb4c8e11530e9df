//! The parts of a tool call before it is sent: names, arguments, schemas.
//!
//! `cargo bench -p mcp-agent --bench tools`

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use mcp_agent::toolbox::{arguments, names};
use mcp_client::{SchemaValidator, protocol::raw::RawJson};
use serde_json::{Value, json};

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "query": {"type": "string", "minLength": 1},
            "limit": {"type": "integer", "minimum": 1, "maximum": 100},
            "order": {"type": "string", "enum": ["newest", "oldest", "relevance"]},
            "filter": {"type": "object", "properties": {"tag": {"type": "string"}}},
        },
        "required": ["query"],
    })
}

fn name_map(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("name map");
    for count in [100, 10_000] {
        let tools: Vec<_> = (0..count)
            .map(|number| (format!("server{}", number % 100), format!("search_records_{number}")))
            .collect();
        group.bench_with_input(BenchmarkId::from_parameter(count), &tools, |bencher, tools| {
            bencher.iter(|| {
                names::expose_all(
                    black_box(tools).iter().map(|(server, tool)| (server.as_str(), tool.as_str())),
                )
            });
        });
    }
}

fn schema_check(criterion: &mut Criterion) {
    let text = r#"{"query": "a word", "limit": "5", "order": "newest", "filter": {"tag": "x"}}"#;
    criterion.bench_function("arguments, read and put right", |bencher| {
        let schema = schema();
        bencher.iter(|| {
            let read = arguments::parse(black_box(text));
            read.map(|mut read| arguments::coerce(&schema, &mut read))
        });
    });
    let schema = RawJson::from(schema());
    let mut group = criterion.benchmark_group("schema");
    group.bench_function("compile", |bencher| {
        bencher.iter(|| SchemaValidator::compile(black_box(&schema)));
    });
    let validator = SchemaValidator::compile(&schema).expect("it is a schema");
    let value = RawJson::from(json!({"query": "a word", "limit": 5, "order": "newest"}));
    group.bench_function("check", |bencher| bencher.iter(|| validator.check(black_box(&value))));
}

criterion_group!(benches, name_map, schema_check);
criterion_main!(benches);
