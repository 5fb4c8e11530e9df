//! A legacy server over HTTP that is restarted, and so forgets its sessions.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mcp_client::{
    Change, Client, EraChoice,
    protocol::{
        error_code,
        jsonrpc::{ErrorObject, Request},
        raw::RawJson,
    },
};
use mcp_transport::{
    BoxFuture,
    serve::{self, HttpServeConfig, Peer, Service},
};
use serde_json::json;
use tokio::{net::TcpListener, sync::oneshot, task::JoinSet, time::timeout};

/// Counts what matters across restarts.
#[derive(Default)]
struct Counts {
    openings: AtomicUsize,
    calls: AtomicUsize,
    subscriptions: AtomicUsize,
}

struct Legacy(Arc<Counts>);

impl Service for Legacy {
    fn request<'a>(
        &'a self,
        request: Request,
        _peer: &'a Peer,
    ) -> BoxFuture<'a, Result<RawJson, ErrorObject>> {
        Box::pin(async move {
            match &*request.method {
                "initialize" => {
                    self.0.openings.fetch_add(1, Ordering::SeqCst);
                    Ok(json!({
                        "protocolVersion": "2025-06-18",
                        "capabilities": {"tools": {}, "resources": {"subscribe": true}},
                        "serverInfo": {"name": "forgetful", "version": "1"},
                    })
                    .into())
                }
                "tools/call" => {
                    let count = self.0.calls.fetch_add(1, Ordering::SeqCst) + 1;
                    let text = count.to_string();
                    Ok(json!({"content": [{"type": "text", "text": text}]}).into())
                }
                "resources/subscribe" => {
                    self.0.subscriptions.fetch_add(1, Ordering::SeqCst);
                    Ok(json!({}).into())
                }
                other => Err(ErrorObject::new(error_code::METHOD_NOT_FOUND, other)),
            }
        })
    }
}

/// A server that runs until this is dropped or ended.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    tasks: JoinSet<std::io::Result<()>>,
}

async fn start(address: &str, counts: &Arc<Counts>) -> Running {
    let listener = TcpListener::bind(address).await.expect("the port is free");
    let address = listener.local_addr().expect("it is bound");
    let (stop, stopped) = oneshot::channel::<()>();
    let service = Arc::new(Legacy(Arc::clone(counts)));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let stop = async { drop(stopped.await) };
        serve::http(listener, service, HttpServeConfig::new(), stop).await
    });
    Running { address, stop, tasks }
}

impl Running {
    async fn restart(self, counts: &Arc<Counts>) -> Self {
        drop(self.stop);
        self.tasks.join_all().await;
        start(&self.address.to_string(), counts).await
    }
}

async fn connect(server: &Running) -> Client {
    let url = format!("http://{}/mcp", server.address);
    let client = Client::http(url).era(EraChoice::Legacy).connect();
    timeout(Duration::from_secs(20), client).await.expect("hangs").expect("connects")
}

// covers: session-lost
#[tokio::test]
async fn a_forgotten_session_is_opened_again_once_for_all_callers() {
    let counts = Arc::new(Counts::default());
    let server = start("127.0.0.1:0", &counts).await;
    let client = connect(&server).await;
    client.call_tool("count", json!({})).await.unwrap();
    let server = server.restart(&counts).await;
    let calls = (0..20).map(|_| async {
        let result = client.call_tool("count", json!({})).await;
        result.map(|result| result.content[0].as_text().map(str::to_owned))
    });
    for result in futures_util::future::join_all(calls).await {
        assert!(result.is_ok(), "{result:?}");
    }
    assert_eq!(counts.openings.load(Ordering::SeqCst), 2, "one new session");
    assert_eq!(counts.calls.load(Ordering::SeqCst), 21, "each call ran once");
    drop(server);
}

#[tokio::test]
async fn subscriptions_are_made_again_in_the_new_session() {
    let counts = Arc::new(Counts::default());
    let server = start("127.0.0.1:0", &counts).await;
    let client = connect(&server).await;
    let mut watch = client.watch_resource("test://one");
    watch.ready().await;
    assert_eq!(counts.subscriptions.load(Ordering::SeqCst), 1);
    let server = server.restart(&counts).await;
    client.call_tool("count", json!({})).await.unwrap();
    let change = timeout(Duration::from_secs(20), watch.next()).await.expect("hangs");
    assert!(matches!(change, Some(Change::Gap)), "{change:?}");
    while counts.subscriptions.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    drop(server);
}
