use std::sync::Arc;

use mcp_client::{Client, EraChoice};
use mcp_protocol::tools::CallToolResult;
use mcp_transport::memory::MemoryConnect;
use serde_json::{Value, json};

use super::*;

struct Demo {
    client: Client,
    _folder: tempfile::TempDir,
}

async fn demo(era: EraChoice) -> Demo {
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("notes");
    let recipe = MemoryConnect::new(move |peer| {
        serve::in_memory(peer, Arc::new(DemoServer::new(Notes::in_folder(notes.clone()))))
    });
    let client = Client::connect_with(recipe).era(era).connect().await.unwrap();
    Demo { client, _folder: folder }
}

impl Demo {
    async fn call(&self, tool: &str, arguments: Value) -> CallToolResult {
        self.client.call_tool(tool, arguments).await.unwrap()
    }
}

#[tokio::test]
async fn speaks_both_eras() {
    for (era, version) in [
        (EraChoice::Legacy, ProtocolVersion::V2025_11_25),
        (EraChoice::Modern, ProtocolVersion::V2026_07_28),
        (EraChoice::Auto, ProtocolVersion::V2026_07_28),
    ] {
        let demo = demo(era).await;
        let server = demo.client.server();
        assert_eq!(server.protocol_version, version);
        assert_eq!(server.implementation.as_ref().unwrap().name, "mcp-demo-server");
        let tools = demo.client.list_tools().await.unwrap();
        assert!(tools.skipped.is_empty());
        let names: Vec<_> = tools.items.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(
            names,
            ["calculator", "clock", "write_note", "read_note", "list_notes", "search_text"]
        );
        let sum = demo.call("calculator", json!({"expression": "17 * 23"})).await;
        assert_eq!(sum.joined_text(), "391");
        demo.client.ping().await.unwrap();
    }
}

#[tokio::test]
async fn failures_are_results_that_a_model_can_read() {
    let demo = demo(EraChoice::Auto).await;
    for (tool, arguments, want) in [
        ("calculator", json!({"expression": "1/0"}), "cannot calculate `1/0`: division by zero"),
        ("calculator", json!({}), "wrong arguments: missing field `expression`"),
        (
            "calculator",
            json!({"expresion": "1"}),
            "wrong arguments: unknown field `expresion`, expected `expression`",
        ),
        (
            "clock",
            json!({"zone": "Atlantis"}),
            "there is no time zone `Atlantis`; write one such as Europe/Rome or +02:00",
        ),
        ("read_note", json!({"name": "none"}), "there is no note `none`"),
        ("search_text", json!({"words": " "}), "there is no word to search for"),
    ] {
        let result = demo.call(tool, arguments).await;
        assert!(result.is_error, "{tool}");
        assert_eq!(result.joined_text(), want);
    }
    let error = demo.client.call_tool("nosuch", json!({})).await.unwrap_err();
    assert_eq!(error.error_object().unwrap().code, error_code::INVALID_PARAMS);
}

#[tokio::test]
async fn notes_can_be_written_found_and_read() {
    let demo = demo(EraChoice::Legacy).await;
    assert_eq!(demo.call("list_notes", json!({})).await.joined_text(), "there are no notes");
    demo.call("write_note", json!({"name": "a.txt", "text": "buy milk\nsell hay"})).await;
    assert_eq!(demo.call("list_notes", Value::Null).await.joined_text(), "a.txt");
    assert_eq!(
        demo.call("search_text", json!({"words": "HAY"})).await.joined_text(),
        "a.txt:2: sell hay"
    );
    assert_eq!(
        demo.call("read_note", json!({"name": "a.txt"})).await.joined_text(),
        "buy milk\nsell hay"
    );
}

#[test]
fn what_the_newest_revision_removed_is_gone_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = DemoServer::new(Notes::in_folder(folder.path().join("notes")));
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    for method in ["initialize", "ping"] {
        let params = json!({ "_meta": meta }).to_string().into();
        let request = Request { id: 1.into(), method: method.into(), params };
        let error = server.answer(&request).unwrap_err();
        assert_eq!(error.code, error_code::METHOD_NOT_FOUND, "{method}");
    }
}
