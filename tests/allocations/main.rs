//! How often one small call asks the allocator for memory, counted and bounded.
//!
//! Counts do not depend on the load of the machine, so a bound on them is a fair test. A failure
//! here means that something was added to the path of every call.

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
