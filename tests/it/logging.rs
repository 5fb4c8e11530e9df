//! The level of the log messages that are asked for, in both eras.

use std::future::IntoFuture;

use mcp_client::{EraChoice, protocol::logging::LoggingLevel, testing::PlayedServer};
use serde_json::json;

const LEVEL: &str = "io.modelcontextprotocol/logLevel";

// covers: log-level
#[tokio::test]
async fn a_modern_server_is_told_with_each_request_but_not_with_a_subscription() {
    let (client, server) = PlayedServer::new(EraChoice::Modern);
    let client = client.log_level(LoggingLevel::Warning);
    let capabilities = json!({"tools": {}, "logging": {}});
    let (client, mut server) = PlayedServer::connect_modern(client, server, capabilities).await;
    for (own, expected) in [(None, "warning"), (Some(LoggingLevel::Debug), "debug")] {
        let mut call = client.call_tool("t", json!({}));
        if let Some(level) = own {
            call = call.log_level(level);
        }
        let (called, ()) = tokio::join!(call.into_future(), async {
            let request = server.request("tools/call").await;
            assert_eq!(PlayedServer::params(&request)["_meta"][LEVEL], expected);
            server.answer(&request, json!({"content": []}));
        });
        called.unwrap();
    }
    let _watch = client.changes();
    let listen = server.request("subscriptions/listen").await;
    assert!(PlayedServer::params(&listen)["_meta"].get(LEVEL).is_none());
}

// covers: log-level
#[tokio::test]
async fn a_legacy_server_is_told_once_if_it_logs_at_all() {
    for (capabilities, logs) in [(json!({"logging": {}}), true), (json!({}), false)] {
        let (client, mut server) = PlayedServer::new(EraChoice::Legacy);
        let client = client.log_level(LoggingLevel::Error);
        let client =
            PlayedServer::connect_legacy(client, &mut server, capabilities, async |server| {
                if logs {
                    let set = server.request("logging/setLevel").await;
                    assert_eq!(PlayedServer::params(&set)["level"], "error");
                    // What it says to that does not matter.
                    server.refuse(&set, -32603);
                }
            });
        client.await;
        assert!(server.is_left_alone());
    }
}
