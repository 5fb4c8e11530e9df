//! Who finds the results of whom when clients share a cache.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use mcp_client::{Cache, Client, ClientOptions, EraChoice};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// A modern server whose one tool has the name of the caller's token.
struct Server {
    url: String,
    lists: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start(scope: &'static str) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/mcp", listener.local_addr()?);
        let lists = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lists);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let counted = Arc::clone(&counted);
                // A client that goes away ends its connection.
                connections.spawn(async move { drop(serve(stream, scope, &counted).await) });
            }
        });
        Ok(Self { url, lists, _tasks: tasks })
    }

    async fn connect(&self, token: &str, tenant: &str, cache: &Cache) -> Client {
        let mut options = ClientOptions::default();
        options.era = EraChoice::Modern;
        options.cache = cache.clone();
        let client = Client::http(&self.url).bearer(token).header("x-tenant", tenant);
        client.options(options).connect().await.expect("the server is there")
    }

    fn lists(&self) -> usize {
        self.lists.load(Ordering::SeqCst)
    }
}

async fn serve(stream: TcpStream, scope: &str, lists: &AtomicUsize) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut length, mut token) = (0, String::new());
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            match line.to_ascii_lowercase().split_once(": ") {
                Some(("content-length", value)) => length = value.parse().unwrap_or(0),
                Some(("authorization", value)) => token = value.replace("bearer ", ""),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let request: Value = serde_json::from_slice(&body)?;
        let mut result = json!({"resultType": "complete", "ttlMs": 60_000, "cacheScope": scope});
        if request["method"] == "tools/list" {
            lists.fetch_add(1, Ordering::SeqCst);
            result["tools"] = json!([{"name": token, "inputSchema": {"type": "object"}}]);
        } else {
            result["supportedVersions"] = json!(["2026-07-28"]);
            result["capabilities"] = json!({"tools": {}});
        }
        let answer = json!({"jsonrpc": "2.0", "id": request["id"], "result": result}).to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        stream.write_all((head + &answer).as_bytes()).await?;
        stream.flush().await?;
    }
}

async fn tool(client: &Client) -> String {
    let listing = client.list_tools().await.expect("the list is given");
    listing.items[0].name.clone()
}

#[tokio::test]
async fn what_is_private_never_reaches_another_token() {
    let server = Server::start("private").await.unwrap();
    let cache = Cache::default();
    let ann = server.connect("ann", "1", &cache).await;
    let bob = server.connect("bob", "1", &cache).await;
    for _ in 0..2 {
        assert_eq!(tool(&ann).await, "ann");
        assert_eq!(tool(&bob).await, "bob");
    }
    assert_eq!(server.lists(), 2);
}

#[tokio::test]
async fn what_is_public_is_found_by_all_who_ask_in_the_same_way() {
    let server = Server::start("public").await.unwrap();
    let cache = Cache::default();
    let ann = server.connect("ann", "1", &cache).await;
    assert_eq!(tool(&ann).await, "ann");
    let bob = server.connect("bob", "1", &cache).await;
    assert_eq!(tool(&bob).await, "ann");
    assert_eq!(server.lists(), 1);
    // A header that may choose what is shown makes it another way.
    let other = server.connect("cay", "2", &cache).await;
    assert_eq!(tool(&other).await, "cay");
    assert_eq!(server.lists(), 2);
    let alone = server.connect("dan", "1", &Cache::default()).await;
    assert_eq!(tool(&alone).await, "dan");
}
