//! Finding out the era of servers that take a probe badly.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mcp_client::{
    Client, ClientOptions,
    protocol::version::Era,
    testing::{Answer, Heard, TestServer, legacy_opening, modern_opening},
    transport::{
        BoxFuture, Connect, ConnectError, Transport, memory::MemoryConnect, transport::Binding,
    },
};
use serde_json::{Value, json};

/// A server in memory that passes for a child process.
#[derive(Debug)]
struct Child {
    inside: MemoryConnect,
    started: Arc<AtomicUsize>,
}

impl Connect for Child {
    fn connect(&self) -> BoxFuture<'_, Result<Arc<dyn Transport>, ConnectError>> {
        self.started.fetch_add(1, Ordering::Relaxed);
        self.inside.connect()
    }

    fn endpoint(&self) -> String {
        "child".to_owned()
    }

    fn binding(&self) -> Binding {
        Binding::Stdio
    }
}

fn child(
    script: impl FnMut(&str, &Value) -> Answer + Send + 'static,
) -> (Child, Heard, Arc<AtomicUsize>) {
    let (inside, seen) = TestServer::scripted(script).parts();
    let started = Arc::<AtomicUsize>::default();
    (Child { inside, started: Arc::clone(&started) }, seen, started)
}

fn initialized(method: &str) -> Answer {
    legacy_opening(method, "2024-11-05", &json!({})).unwrap_or(Answer::Silence)
}

// covers: era-verdict-cached
#[tokio::test(start_paused = true)]
async fn a_server_that_dies_of_a_probe_is_started_again_and_remembered() {
    let script = |method: &str, _: &Value| match method {
        "server/discover" => Answer::End,
        other => initialized(other),
    };
    let options = ClientOptions::default();
    let (recipe, seen, started) = child(script);
    let client = Client::connect_with(recipe).options(options.clone()).connect().await.unwrap();
    assert_eq!(client.server().era, Era::Legacy);
    assert_eq!(started.load(Ordering::Relaxed), 2);
    assert_eq!(seen.methods()[..2], ["server/discover", "initialize"]);
    assert!(options.verdicts.is_legacy("child"));

    let (recipe, seen, started) = child(script);
    Client::connect_with(recipe).options(options).connect().await.unwrap();
    assert_eq!(started.load(Ordering::Relaxed), 1, "nothing was probed");
    assert_eq!(seen.methods()[0], "initialize");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_a_probe_silences_is_met_by_a_second_process() {
    let mut initializations = 0;
    let (recipe, _, started) = child(move |method, _| match method {
        "server/discover" => Answer::Silence,
        "initialize" => {
            initializations += 1;
            // The process that saw the probe never speaks again.
            if initializations == 1 { Answer::Silence } else { initialized("initialize") }
        }
        other => initialized(other),
    });
    let client = Client::connect_with(recipe).connect().await.unwrap();
    assert_eq!(client.server().era, Era::Legacy);
    assert_eq!(started.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ignores_a_probe_needs_no_second_process() {
    let (recipe, seen, started) = child(|method, _| match method {
        "server/discover" => Answer::Silence,
        other => initialized(other),
    });
    Client::connect_with(recipe).connect().await.unwrap();
    assert_eq!(started.load(Ordering::Relaxed), 1);
    assert_eq!((seen.params("server/discover").len(), seen.params("initialize").len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_modern_server_that_was_slow_to_start_is_still_modern() {
    let mut probes = 0;
    let (recipe, _, _) = child(move |method, _| match method {
        "server/discover" => {
            probes += 1;
            if probes == 1 { Answer::Silence } else { modern() }
        }
        _ => Answer::error_with(-32601, "unknown method", Value::Null),
    });
    let client = Client::connect_with(recipe).connect().await.unwrap();
    assert_eq!(client.server().era, Era::Modern);
}

fn modern() -> Answer {
    modern_opening("server/discover", &json!({})).unwrap_or(Answer::Silence)
}

// covers: era-verdict-cached
#[tokio::test(start_paused = true)]
async fn a_verdict_that_proves_wrong_is_forgotten() {
    let mut options = ClientOptions::default();
    options.probe_timeout = Duration::from_secs(1);
    options.verdicts.remember("child", true);
    let (recipe, seen, _) = child(|method, _| match method {
        "server/discover" => modern(),
        "initialize" => Answer::error_with(-32601, "unknown method", Value::Null),
        _ => Answer::result(json!({})),
    });
    let client = Client::connect_with(recipe).options(options.clone()).connect().await.unwrap();
    assert_eq!(client.server().era, Era::Modern);
    assert_eq!(seen.methods(), ["initialize", "server/discover"]);
    assert!(!options.verdicts.is_legacy("child"));
}
