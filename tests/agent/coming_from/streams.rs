//! What servers say on their own account.

use std::{pin::pin, time::Duration};

use futures_util::StreamExt as _;
use mcp_agent::{
    resources::{Profile, Step, TypedResource, Verb},
    streams::{EventKind, EventOptions, Filter, events},
};
use mcp_client::{protocol::version::Era, testing::TestServer};
use serde_json::json;

use super::{Tried, tool};

fn server() -> TestServer {
    TestServer::new().only(Era::Legacy).capabilities(json!({"logging": {}, "tools": {}}))
}

#[tokio::test]
async fn followed_and_published() -> Tried {
    let server = server().tool(tool("emit", "Tells others.", "topic"), |_| "told".into());
    let source = server.client();
    // guide: stream
    let (sink, mut stream) = events(EventOptions::default().capacity(1000));
    let client = sink.hear("events", source).connect().await?;
    // end
    server.notify("notifications/message", json!({"level": "info", "data": "data_update"}));
    // guide: stream-next
    if let Some(event) = stream.next().await
        && event.kind == EventKind::Log
    {
        println!("{} ({} lost before): {}", event.server, event.lost_before, event.data);
    }
    // end
    // guide: publish
    let step = Step::tool("emit", json!({"topic": "{topic}", "body": "{message}"}));
    let profile = Profile::new("events").verb(Verb::Publish, step);
    let events = TypedResource::of_client("events", client, profile).await?;
    events.publish("user_action", &json!({"user_id": 123, "action": "login"})).await?;
    // end
    assert_eq!(server.heard().params("tools/call").len(), 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn filtered_in_windows() -> Tried {
    let server = server();
    let source = server.client();
    // guide: windows
    let wanted =
        Filter::new().field("/level", ["error", "critical"]).field("/data/service", ["api"]);
    let (sink, stream) = events(EventOptions::default().filter(wanted));
    let client = sink.hear("logs", source).connect().await?;
    let mut windows = pin!(stream.windows(100, Duration::from_secs(60)));
    // end
    for (level, service) in [("error", "api"), ("info", "api"), ("error", "web")] {
        let data = json!({"service": service});
        server.notify("notifications/message", json!({"level": level, "data": data}));
    }
    // guide: windows-next
    if let Some(window) = windows.next().await {
        println!("{} faults in a minute, the first: {}", window.len(), window[0].data);
    }
    // end
    drop((client, sink));
    assert_eq!(windows.next().await, None);
    Ok(())
}
