//! What a turn costs beside the model and the tools.
//!
//! `cargo bench -p mcp-agent --bench turn`

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use mcp_agent::{
    Agent, CallOrder,
    layers::ConcurrencyLimits,
    model::{
        ModelId, ModelRequest, ModelResponse, Part, StopReason, ToolCall, ToolDefinition,
        anthropic, gemini, openai_chat, openai_responses,
        schema::SchemaCache,
        scripted::{Scene, ScriptedModel},
    },
    run::{Feed, Run, RunSettings, Step},
    stack::StackOptions,
    toolbox::{LocalTools, McpToolset, ToolOutput},
    transcript::Transcript,
};
use mcp_client::{
    protocol::tools::Tool,
    testing::{Answer, TestServer},
};
use serde_json::json;

/// A tool with a schema such as servers have.
fn definition(number: usize) -> ToolDefinition {
    ToolDefinition {
        name: format!("mcp__server{}__tool_{number:03}", number % 7),
        description: "Looks for records that match a query and returns the best ones.".repeat(2),
        parameters: json!({
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "What to look for."},
                "limit": {"type": "integer", "minimum": 1, "maximum": 100},
                "filter": {"type": "object", "properties": {"tag": {"type": "string"}}},
            },
            "required": ["query"],
        })
        .into(),
    }
}

/// A conversation of 50 messages: 10 prompts, each with two calls and an answer.
fn history() -> Transcript {
    let mut transcript = Transcript::new();
    for prompt in 0..10 {
        transcript.push_user(format!("Question {prompt}: {}", "what about it? ".repeat(10)));
        for _ in 0..2 {
            transcript.push_response(calling());
            let output = ToolOutput::text("a line of a result\n".repeat(20));
            assert!(transcript.complete(&"call_0".into(), output).is_ok());
        }
    }
    assert_eq!(transcript.messages().len(), 50);
    transcript
}

fn calling() -> ModelResponse {
    let call = ToolCall {
        id: "call_0".into(),
        name: "mcp__server0__tool_049".into(),
        arguments: r#"{"query": "rust", "limit": "5"}"#.into(),
    };
    ModelResponse::new(vec![Part::ToolCall(call)], StopReason::ToolCalls)
}

/// Asks, takes in a call, takes in its result: one turn of the loop without model and tools.
fn turn(mut run: Run) -> Run {
    let Step::CallModel(request) = run.step() else { unreachable!() };
    black_box(request);
    assert!(run.feed(Feed::Response(calling())).is_ok());
    let Step::CallTools(calls) = run.step() else { unreachable!() };
    let call = calls[0].id.clone();
    assert!(run.feed(Feed::Began { call: call.clone() }).is_ok());
    assert!(run.feed(Feed::Output { call, output: ToolOutput::text("found") }).is_ok());
    run
}

fn state_machine(c: &mut Criterion) {
    let tools: Vec<_> = (0..100).map(definition).collect();
    let mut run = Run::new(history(), tools, RunSettings::default());
    run.prompt("Go on.");
    c.bench_function("turn/run, 100 tools, 50 messages", |b| {
        b.iter_batched(|| run.clone(), turn, criterion::BatchSize::SmallInput);
    });
}

fn whole(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let Ok(runtime) = runtime else { unreachable!() };
    let tools = (0..100).fold(LocalTools::new(), |tools, number| {
        tools.dynamic(definition(number), |_| async { "found" })
    });
    let history = history();
    c.bench_function("turn/agent, 100 tools, 50 messages, two answers and a call", |b| {
        b.iter_batched(
            || {
                let model =
                    ScriptedModel::new([Scene::response(calling()), Scene::text("Found it.")]);
                Agent::builder(model).tools(tools.clone()).build()
            },
            |agent| {
                let ended =
                    runtime.block_on(async { agent.go_on(history.clone(), "Go on.").await });
                assert!(ended.is_ok_and(|finished| finished.outcome.is_final()));
            },
            criterion::BatchSize::SmallInput,
        );
    });
}

/// The request of a turn as the bytes that each provider is sent.
fn written(c: &mut Criterion) {
    let tools: Vec<_> = (0..100).map(definition).collect();
    let mut request = ModelRequest::new(history().messages());
    request.tools = tools.into();
    let (id, schemas) = (ModelId::new("api.openai.com", "m"), SchemaCache::default());
    let (id, schemas) = (&id, &schemas);
    let (max_tokens, media, stream) = (None, true, true);
    let mut bench = |name: &str, encode: &dyn Fn(&ModelRequest) -> usize| {
        c.bench_function(&format!("turn/written for {name}, 100 tools, 50 messages"), |b| {
            b.iter(|| assert!(encode(black_box(&request)) > 10_000));
        });
    };
    let dialect = openai_chat::dialect::Dialect::of_host("api.openai.com");
    let chat = openai_chat::encode::Encoding { id, dialect, stream, media, max_tokens, schemas };
    bench("chat", &|request| {
        openai_chat::encode::encode(request, chat).map_or(0, |body| body.len())
    });
    let (reasoning, strict_tools) = (true, true);
    let responses = openai_responses::Encoding {
        id,
        max_tokens,
        media,
        stream,
        reasoning,
        strict_tools,
        schemas,
    };
    bench("responses", &|request| {
        openai_responses::encode(request, responses).map_or(0, |body| body.len())
    });
    let cache = true;
    let messages =
        anthropic::Encoding { id, max_tokens, media, stream, cache, strict_tools: false, schemas };
    bench("messages", &|request| anthropic::encode(request, messages).map_or(0, |body| body.len()));
    let contents = gemini::Encoding { id, max_tokens, media, schemas };
    bench("gemini", &|request| gemini::encode(request, contents).map_or(0, |body| body.len()));
}

/// How long the server takes for each call of [`parallel`].
const CALL: Duration = Duration::from_millis(20);

/// Fifty calls of one turn at one server in this process, each of which takes 20 ms. There is a place
/// for each: by default a server has eight, and all together ten.
fn parallel(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let Ok(runtime) = runtime else { unreachable!() };
    let tool = Tool::new("wait", json!({"type": "object", "properties": {}}));
    let server = TestServer::new()
        .tool(tool, |_| Answer::Usual)
        .on("tools/call", |_| Answer::result(json!({"content": []})).after(CALL));
    let Ok(client) = runtime.block_on(async { server.client().connect().await }) else {
        unreachable!()
    };
    let places = ConcurrencyLimits::default().global(50).per_server(50);
    let layers = StackOptions::default().concurrency(places);
    let of_one = McpToolset::of_clients([("one".to_owned(), client.clone())]);
    let tools = std::sync::Arc::new(runtime.block_on(of_one).layers(&layers));
    c.bench_function("turn/50 calls side by side, 20 ms each, without an agent", |b| {
        b.iter(|| {
            let calls =
                (0..50).map(|number| client.call_tool("wait", json!({"n": number})).into_future());
            let ended = runtime.block_on(async { futures_util::future::join_all(calls).await });
            assert!(ended.iter().all(Result::is_ok));
        });
    });
    c.bench_function("turn/50 calls side by side, 20 ms each, by an agent", |b| {
        b.iter_batched(
            || {
                let calls =
                    (0..50).map(|number| ("mcp__one__wait", format!(r#"{{"n":{number}}}"#)));
                let model = ScriptedModel::new([Scene::calls(calls), Scene::text("Done.")]);
                Agent::builder(model)
                    .tools(std::sync::Arc::clone(&tools))
                    .parallel_calls(50)
                    .call_order(CallOrder::SideBySide)
                    .build()
            },
            |agent| {
                let ended = runtime.block_on(async { agent.run("Go.").await });
                assert!(ended.is_ok_and(|finished| finished.outcome.is_final()));
            },
            criterion::BatchSize::PerIteration,
        );
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(50).measurement_time(Duration::from_secs(3));
    targets = state_machine, whole, written, parallel
}
criterion_main!(benches);
