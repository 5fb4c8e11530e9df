//! How often one small call asks the allocator for memory, counted and bounded.
//!
//! Counts do not depend on the load of the machine, so a bound on them is a fair test. A failure
//! here means that something was added to the path of every call.

mod sessions;

use mcp_agent::{
    Agent, AgentEvent,
    model::{
        ModelResponse, Part, StopReason, ToolDefinition,
        scripted::{Scene, ScriptedModel},
    },
    toolbox::LocalTools,
    transcript::Transcript,
};
use mcp_client::Client;
use serde_json::json;

/// Calls that are counted, after as many that are not.
const CALLS: u64 = 500;

#[test]
fn a_small_call_over_stdio() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = runtime
        .block_on(Client::stdio(env!("CARGO_BIN_EXE_misbehave")).arg("ok").connect())
        .unwrap();
    let arguments = json!({"text": "hello"});
    let call = || {
        runtime.block_on(async {
            for _ in 0..CALLS {
                client.call_tool("good", &arguments).await.unwrap();
            }
        });
    };
    call();
    let counted = allocation_counter::measure(call);
    let per_call = counted.count_total.div_ceil(CALLS);
    println!("{per_call} allocations, {} bytes per call", counted.bytes_total / CALLS);
    assert!(per_call <= 12, "{per_call} allocations per call");
    runtime.block_on(client.close());
}

/// Conversations that are counted together.
const CONVERSATIONS: usize = 20;

/// Idle connections that are counted together.
const IDLE: usize = 20;

#[test]
fn an_idle_connection_over_stdio() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut clients = Vec::with_capacity(IDLE);
    let connect = || async {
        let server = Client::stdio(env!("CARGO_BIN_EXE_misbehave")).arg("ok");
        let client = server.connect().await.unwrap();
        client.list_tools().await.unwrap();
        client
    };
    // What the program needs once is not counted.
    let first = runtime.block_on(connect());
    let counted = allocation_counter::measure(|| {
        runtime.block_on(async {
            for _ in 0..IDLE {
                clients.push(connect().await);
            }
        });
    });
    let kept = counted.bytes_current / i64::try_from(IDLE).unwrap();
    println!("{kept} bytes per idle connection");
    assert!(kept <= 10 << 10, "{kept} bytes per idle connection");
    runtime.block_on(async {
        for client in clients.iter().chain([&first]) {
            client.close().await;
        }
    });
}

/// The memory of a conversation under way, beside what was said: with 100 tools, 50 messages, and a
/// call that has not returned.
#[test]
fn a_conversation_under_way() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let schema = json!({
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "What to look for."},
            "limit": {"type": "integer", "minimum": 1, "maximum": 100},
        },
        "required": ["query"],
    });
    let tools = (0..100).fold(LocalTools::new(), |tools, number| {
        let definition = ToolDefinition {
            name: format!("tool_{number:03}"),
            description: "Looks for records that match a query.".to_owned(),
            parameters: schema.clone().into(),
        };
        tools.dynamic(definition, |_| std::future::pending::<&str>())
    });
    let calling = || Scene::call("tool_050", r#"{"query": "rust"}"#);
    let model = ScriptedModel::new((0..=CONVERSATIONS).map(|_| calling()));
    let agent = Agent::builder(model).tools(tools).build();
    let mut history = Transcript::new();
    for number in 0..25 {
        history.push_user(format!("Question {number}: {}", "what about it? ".repeat(10)));
        let answer = vec![Part::Text("An answer. ".repeat(20))];
        history.push_response(ModelResponse::new(answer, StopReason::EndTurn));
    }
    assert_eq!(history.messages().len(), 50);
    let mut copies = Vec::with_capacity(CONVERSATIONS);
    let said =
        allocation_counter::measure(|| copies.extend((0..CONVERSATIONS).map(|_| history.clone())));
    let begin = || async {
        let mut run = agent.go_on(history.clone(), "Go on.");
        while let Some(event) = run.next().await {
            if let AgentEvent::ToolCallStarted(_) = event.unwrap() {
                break;
            }
        }
        run
    };
    let first = runtime.block_on(begin());
    let mut under_way = Vec::with_capacity(CONVERSATIONS);
    let counted = allocation_counter::measure(|| {
        for _ in 0..CONVERSATIONS {
            under_way.push(runtime.block_on(begin()));
        }
    });
    let count = i64::try_from(CONVERSATIONS).unwrap();
    let kept = (counted.bytes_current - said.bytes_current) / count;
    println!("{kept} bytes per conversation, beside {} of history", said.bytes_current / count);
    assert!(kept <= 100_000, "{kept} bytes per conversation");
    drop((first, under_way));
}
