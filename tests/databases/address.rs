//! A web service through `mcp-server-fetch`.

use mcp_agent::resources::Profile;
use serde::Deserialize;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    task::JoinSet,
};

use super::{folder, python};

#[derive(Debug, PartialEq, Deserialize)]
struct Weather {
    asked: String,
    degrees: f64,
}

#[tokio::test]
async fn an_address_gives_typed_json() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut request = String::new();
            while stream.read_line(&mut request).await.unwrap() > 2 {}
            let path = request.split(' ').nth(1).unwrap_or_default();
            let (status, body) = match path {
                "/robots.txt" => ("404 Not Found", String::new()),
                path => ("200 OK", json!({"asked": path, "degrees": 7.5}).to_string()),
            };
            let reply = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
    });
    let profile = Profile::fetch().base_url(base);
    let api =
        python(folder("MCP_INTEROP_DIR"), "mcp-server-fetch", &["--allow-private-ips"], profile)
            .await;
    let weather: Weather = api.http_get("/current", json!({"city": "London"})).await.unwrap();
    assert_eq!(weather, Weather { asked: "/v1/current?city=London".to_owned(), degrees: 7.5 });
}
