use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::sync::{Notify, oneshot};

use super::*;
use crate::oauth::{FileTokenStore, MemoryTokenStore, TokenType};

fn entry() -> StoreEntry {
    StoreEntry::Tokens {
        issuer: "https://as.example".to_owned(),
        resource: "https://mcp.example/mcp".to_owned(),
        client_id: "me".to_owned(),
    }
}

fn tokens(access: &str, refresh: &str) -> TokenSet {
    let now = SystemTime::now();
    TokenSet {
        access_token: Secret::new(access),
        token_type: TokenType::Bearer,
        refresh_token: Some(Secret::new(refresh)),
        id_token: None,
        obtained_at: now,
        granted_at: None,
        expires_at: Some(now + Duration::from_secs(3600)),
        scopes_requested: Vec::new(),
        scopes_granted: Vec::new(),
        issuer: "https://as.example".to_owned(),
        resource: "https://mcp.example/mcp".to_owned(),
        dpop_key: None,
    }
}

#[tokio::test]
async fn many_callers_one_job() {
    let flights = SingleFlight::new();
    let started = Arc::new(AtomicUsize::new(0));
    let gate = Arc::new(Notify::new());
    let callers = (0..50).map(|_| {
        let (started, gate) = (Arc::clone(&started), Arc::clone(&gate));
        flights.join(&entry(), async move {
            started.fetch_add(1, Ordering::SeqCst);
            gate.notified().await;
            7
        })
    });
    let callers: Vec<_> = callers.collect();
    gate.notify_one();
    assert_eq!(futures_util::future::join_all(callers).await, vec![7; 50]);
    assert_eq!(started.load(Ordering::SeqCst), 1);
    assert_eq!(flights.run(&entry(), async { 8 }).await, 8, "who comes later starts anew");
}

#[tokio::test]
async fn a_job_outlives_who_started_it() {
    let flights = SingleFlight::new();
    let (go, wait) = oneshot::channel::<()>();
    let (tell, told) = oneshot::channel();
    let caller = flights.join(&entry(), async move {
        wait.await.unwrap();
        tell.send("done").unwrap();
    });
    drop(caller);
    go.send(()).unwrap();
    assert_eq!(told.await.unwrap(), "done");
}

#[tokio::test]
async fn what_another_stored_is_used_as_it_is() {
    let store = MemoryTokenStore::new();
    let store: &dyn TokenStore = &store;
    store.save_tokens(&entry(), &tokens("new", "r2")).await.unwrap();
    let fail = |_| async { Err(TokenStoreError::Locked { after: Duration::ZERO }) };
    let found = renewed(store, &entry(), Some(&Secret::new("old")), fail).await.unwrap();
    assert_eq!(found.access_token.reveal(), "new");
    let error = renewed(store, &entry(), Some(&Secret::new("new")), fail).await.unwrap_err();
    assert!(matches!(error, TokenStoreError::Locked { .. }), "this one is the refused one");
}

const FOLDER: &str = "SINGLE_FLIGHT_TEST_FOLDER";
const PROCESSES: usize = 3;

/// One of the processes of the test below; on its own it does nothing.
#[tokio::test]
async fn process() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let store = FileTokenStore::open(folder);
    println!("\nready");
    let renew = |stored: Option<TokenSet>| async move {
        println!("\nrenewing");
        std::io::stdin().read_line(&mut String::new()).unwrap();
        // As a server that rotates: a refresh token works once.
        let used = stored.unwrap().refresh_token.unwrap();
        let spent = folder.join(format!("spent-{}", used.reveal()));
        std::fs::File::create_new(spent).expect("this refresh token was used before");
        Ok::<_, TokenStoreError>(tokens("new", "r2"))
    };
    let stale = Secret::new("old");
    let found = renewed(&store, &entry(), Some(&stale), renew).await.unwrap();
    let refresh = found.refresh_token.unwrap();
    println!("\nhas {} {}", found.access_token.reveal(), refresh.reveal());
}

struct Process {
    child: Child,
    input: ChildStdin,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Process {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "oauth::single_flight::tests::process", "--nocapture"])
            .env(FOLDER, folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, input, lines }
    }

    /// Reads on until a line that begins so.
    fn says(&mut self, beginning: &str) -> Option<String> {
        self.lines.by_ref().map(Result::unwrap).find(|line| line.starts_with(beginning))
    }
}

// covers: auth-refresh-processes
#[tokio::test]
async fn processes_that_share_a_store_refresh_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileTokenStore::open(folder.path());
    let store: &dyn TokenStore = &store;
    store.save_tokens(&entry(), &tokens("old", "r1")).await.unwrap();
    // Nobody gets through while all of them start.
    let lock = store.lock(&entry()).await.unwrap();
    let mut processes: Vec<_> = (0..PROCESSES).map(|_| Process::start(folder.path())).collect();
    for process in &mut processes {
        process.says("ready").expect("the process starts");
        process.input.write_all(b"go\n").unwrap();
    }
    drop(lock);
    let mut renewals = 0;
    for mut process in processes {
        let line = loop {
            match process.lines.next().unwrap().unwrap() {
                line if line.starts_with("renewing") => renewals += 1,
                line if line.starts_with("has ") => break line,
                _ => {}
            }
        };
        assert_eq!(line, "has new r2");
        assert!(process.child.wait().unwrap().success());
    }
    assert_eq!(renewals, 1);
    let kept = store.load_tokens(&entry()).await.unwrap().unwrap();
    assert_eq!(kept.refresh_token.unwrap().reveal(), "r2");
}
