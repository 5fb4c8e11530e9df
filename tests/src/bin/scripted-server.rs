//! A server made of the test kit alone, over standard streams.

use mcp_client::{protocol::tools::Tool, testing::TestServer};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let echo = Tool::new("echo", json!({"type": "object"}));
    TestServer::new().tool(echo, |arguments| arguments.to_string().into()).stdio().await
}
