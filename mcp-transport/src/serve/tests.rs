//! A service and its client, over lines and in memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf},
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::*;

/// Answers by method.
#[derive(Clone, Default)]
struct Sample {
    dropped: Arc<AtomicUsize>,
    noticed: Arc<AtomicUsize>,
}

/// Counts futures that were dropped before their end.
struct Unfinished(Arc<AtomicUsize>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Service for Sample {
    fn request<'a>(
        &'a self,
        request: Request,
        peer: &'a Peer,
    ) -> BoxFuture<'a, Result<RawJson, ErrorObject>> {
        Box::pin(async move {
            match &*request.method {
                "echo" => Ok(RawJson::parse_bytes(&request.params).unwrap()),
                "progress" => {
                    for number in 0..200 {
                        peer.notify("notifications/progress", &json!({"n": number})).await.unwrap();
                    }
                    Ok(RawJson::from(json!("done")))
                }
                "forever" => {
                    let _unfinished = Unfinished(Arc::clone(&self.dropped));
                    std::future::pending().await
                }
                "ask" => match peer.ask("elicitation/create", &json!({"message": "Who?"})).await {
                    Ok(answer) => Ok(answer),
                    Err(error) => Err(ErrorObject::new(-1, error.to_string())),
                },
                "panic" => panic!("on purpose"),
                "slow" => {
                    sleep(Duration::from_millis(20)).await;
                    Ok(RawJson::from(json!("slow")))
                }
                _ => Err(ErrorObject::new(-32601, "no such method")),
            }
        })
    }

    fn notification(&self, _: NotificationMessage, _: &Peer) {
        self.noticed.fetch_add(1, Ordering::SeqCst);
    }
}

struct Client {
    input: WriteHalf<DuplexStream>,
    output: Lines<BufReader<ReadHalf<DuplexStream>>>,
    server: JoinHandle<std::io::Result<()>>,
}

fn serve(service: Sample) -> Client {
    let (ours, theirs) = tokio::io::duplex(4096);
    let (input, output) = tokio::io::split(theirs);
    let runtime = tokio::runtime::Handle::current();
    let server = runtime.spawn(async move { lines(input, output, service).await });
    let (output, input) = tokio::io::split(ours);
    Client { input, output: BufReader::new(output).lines(), server }
}

impl Client {
    async fn write(&mut self, line: &str) {
        self.input.write_all(line.as_bytes()).await.unwrap();
        self.input.write_all(b"\n").await.unwrap();
    }

    async fn read(&mut self) -> Value {
        let line = timeout(Duration::from_secs(60), self.output.next_line()).await;
        serde_json::from_str(&line.expect("hangs").unwrap().expect("ended")).unwrap()
    }

    /// Ends the input and returns what still came.
    async fn end(mut self) -> Vec<Value> {
        self.input.shutdown().await.unwrap();
        let mut rest = Vec::new();
        while let Some(line) = self.output.next_line().await.unwrap() {
            rest.push(serde_json::from_str(&line).unwrap());
        }
        timeout(Duration::from_secs(60), self.server).await.expect("hangs").unwrap().unwrap();
        rest
    }
}

#[tokio::test]
async fn answers_and_ends_with_its_input() {
    let mut client = serve(Sample::default());
    client.write(r#"{"jsonrpc":"2.0","id":"a","method":"echo","params":{"x":1}}"#).await;
    assert_eq!(client.read().await, json!({"jsonrpc":"2.0","id":"a","result":{"x":1}}));
    client.write(r#"{"jsonrpc":"2.0","id":2,"method":"nothing"}"#).await;
    assert_eq!(client.read().await["error"]["code"], -32601);
    client.write(r#"[{"id":3,"method":"slow"},{"id":4,"method":"echo"}]"#).await;
    assert_eq!(client.read().await["id"], 4);
    assert_eq!(client.read().await["id"], 3);
    assert!(client.end().await.is_empty());
}

#[tokio::test]
async fn what_was_asked_before_the_end_is_answered() {
    let mut client = serve(Sample::default());
    client.write(r#"{"id":1,"method":"slow"}"#).await;
    client.input.write_all(br#"{"id":2,"method":"slow"}"#).await.unwrap();
    assert_eq!(client.end().await.len(), 2);
}

#[tokio::test]
async fn notifications_of_a_request_come_before_its_answer() {
    let mut client = serve(Sample::default());
    client.write(r#"{"id":1,"method":"progress"}"#).await;
    for number in 0..200 {
        assert_eq!(client.read().await["params"]["n"], number);
    }
    assert_eq!(client.read().await["result"], "done");
}

#[tokio::test]
async fn a_cancelled_request_is_dropped_and_not_answered() {
    let service = Sample::default();
    let mut client = serve(service.clone());
    client.write(r#"{"id":1,"method":"forever"}"#).await;
    client.write(r#"{"id":2,"method":"slow"}"#).await;
    assert_eq!(client.read().await["id"], 2);
    client
        .write(r#"{"method":"notifications/cancelled","params":{"requestId":1,"reason":"x"}}"#)
        .await;
    client.write(r#"{"method":"notifications/other"}"#).await;
    client.write(r#"{"id":3,"method":"echo"}"#).await;
    assert_eq!(client.read().await["id"], 3);
    assert_eq!(service.dropped.load(Ordering::SeqCst), 1);
    assert_eq!(service.noticed.load(Ordering::SeqCst), 1);
    assert!(client.end().await.is_empty());
}

#[tokio::test]
async fn a_request_asks_the_client() {
    let mut client = serve(Sample::default());
    client.write(r#"{"id":"a","method":"ask"}"#).await;
    client.write(r#"{"id":"b","method":"ask"}"#).await;
    let (first, second) = (client.read().await, client.read().await);
    assert_eq!(first["method"], "elicitation/create");
    assert_eq!(first["params"]["message"], "Who?");
    client.write(&format!(r#"{{"id":{},"result":{{"name":"b"}}}}"#, second["id"])).await;
    assert_eq!(client.read().await, json!({"jsonrpc":"2.0","id":"b","result":{"name":"b"}}));
    let refusal = r#""error":{"code":-1,"message":"no"}"#;
    client.write(&format!(r#"{{"id":{},{refusal}}}"#, first["id"])).await;
    let answer = client.read().await;
    assert_eq!(answer["id"], "a");
    assert_eq!(answer["error"]["message"], "the client refuses: no (-1)");
}

#[tokio::test]
async fn a_question_of_a_cancelled_request_is_taken_back() {
    let mut client = serve(Sample::default());
    client.write(r#"{"id":"a","method":"ask"}"#).await;
    let question = client.read().await;
    client.write(r#"{"method":"notifications/cancelled","params":{"requestId":"a"}}"#).await;
    let word = client.read().await;
    assert_eq!(word["method"], "notifications/cancelled");
    assert_eq!(word["params"]["requestId"], question["id"]);
    // An answer that comes all the same is nobody's.
    client.write(&format!(r#"{{"id":{},"result":{{}}}}"#, question["id"])).await;
    assert!(client.end().await.is_empty());
}

#[tokio::test]
async fn questions_end_with_the_client() {
    let mut client = serve(Sample::default());
    client.write(r#"{"id":"a","method":"ask"}"#).await;
    client.read().await;
    let rest = client.end().await;
    assert_eq!(rest[0]["error"]["message"], "the client is gone");
}

#[tokio::test]
async fn requests_that_never_end_do_not_keep_it_from_ending() {
    let service = Sample::default();
    let mut client = serve(service.clone());
    client.write(r#"{"id":1,"method":"forever"}"#).await;
    client.write(r#"{"id":2,"method":"echo"}"#).await;
    assert_eq!(client.read().await["id"], 2);
    assert!(client.end().await.is_empty());
    assert_eq!(service.dropped.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn faults_of_a_client_are_answered() {
    let mut client = serve(Sample::default());
    client.write("").await;
    client.write("garbage").await;
    assert_eq!(client.read().await["error"]["code"], -32700);
    client.write(r#"{"id":1}"#).await;
    assert_eq!(client.read().await["error"]["code"], -32600);
    client.write(r#"{"id":1,"result":0}"#).await;
    client.write(r#"{"id":1,"method":"forever"}"#).await;
    client.write(r#"{"id":1,"method":"echo"}"#).await;
    assert_eq!(client.read().await["error"]["code"], -32600);
    client.write(r#"{"id":5,"method":"panic"}"#).await;
    let answer = client.read().await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(5), &json!(-32603)));
}

#[tokio::test]
async fn too_many_requests_are_refused() {
    let mut client = serve(Sample::default());
    for id in 0..=1024 {
        client.write(&format!(r#"{{"id":{id},"method":"forever"}}"#)).await;
    }
    let answer = client.read().await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(1024), &json!(-32603)));
}

#[tokio::test]
async fn serves_in_memory() {
    let (transport, peer) = crate::memory::pair();
    let server =
        tokio::runtime::Handle::current().spawn(in_memory(peer, Arc::new(Sample::default())));
    let request = crate::OutgoingRequest {
        id: 1.into(),
        method: "progress".into(),
        body: Bytes::from_static(br#"{"id":1,"method":"progress"}"#),
        era: mcp_protocol::version::Era::Modern,
        protocol_version: None,
        mirrored: crate::transport::Mirrored::default(),
    };
    let mut exchange = crate::Transport::exchange(&transport, request);
    let answer = exchange.next().await.unwrap().unwrap();
    assert!(matches!(answer, mcp_protocol::jsonrpc::Message::Response(_)));
    crate::Transport::close(&transport).await;
    timeout(Duration::from_secs(60), server).await.expect("hangs").unwrap();
}
