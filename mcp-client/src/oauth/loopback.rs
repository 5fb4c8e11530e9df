//! A web server for one visit: where the browser brings the authorization server's answer
//! (RFC 8252 section 7.3).

use std::{io, net::Ipv4Addr, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use url::Url;

/// The longest request head that is read.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// How long a connection may take to send its request. Browsers open some just in case.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// Connections at a time.
const MAX_CONNECTIONS: usize = 16;

/// Listens on 127.0.0.1 until the answer to one request has come.
#[derive(Debug)]
pub(super) struct Loopback {
    listener: TcpListener,
    redirect_uri: Url,
}

impl Loopback {
    /// Listens where `redirect_uri` says; port 0 takes a free one.
    pub(super) async fn bind(redirect_uri: &Url) -> io::Result<Self> {
        let port = redirect_uri.port().unwrap_or(80);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let mut redirect_uri = redirect_uri.clone();
        if redirect_uri.set_port(Some(listener.local_addr()?.port())).is_err() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a redirect URI without a host",
            ));
        }
        Ok(Self { listener, redirect_uri })
    }

    /// Where the answer has to go.
    pub(super) fn redirect_uri(&self) -> &Url {
        &self.redirect_uri
    }

    /// Waits for the answer that carries `state`, shows a page, and stops listening. The whole URL
    /// is returned.
    ///
    /// # Cancel safety
    /// Dropping the future stops listening.
    pub(super) async fn answer(self, state: &str) -> io::Result<Url> {
        let mut visits = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if visits.len() < MAX_CONNECTIONS => {
                    let (stream, _) = accepted?;
                    visits.push(timeout(REQUEST_LIMIT, visit(stream, &self.redirect_uri, state)));
                }
                Some(visited) = visits.next() => match visited {
                    Ok(Ok(Some(answer))) => return Ok(answer),
                    Ok(Ok(None)) => {}
                    Ok(Err(error)) => tracing::debug!(%error, "a visit to the redirect URI broke off"),
                    Err(_) => tracing::debug!("a visit to the redirect URI said nothing"),
                },
            }
        }
    }
}

/// Serves one connection. The answer, if this brought it.
async fn visit(mut stream: TcpStream, place: &Url, state: &str) -> io::Result<Option<Url>> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > MAX_HEAD_BYTES || stream.read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
    }
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let answer = target(&String::from_utf8_lossy(line), place);
    let found =
        answer.filter(|url| url.query_pairs().any(|(key, value)| key == "state" && value == state));
    let (status, text) = match &found {
        None => ("404 Not Found", "There is nothing here."),
        Some(url) if url.query_pairs().any(|(key, _)| key == "error") => {
            ("200 OK", "Access was not granted. You can close this window and go back.")
        }
        Some(_) => ("200 OK", "Thank you. You can close this window and go back."),
    };
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>MCP</title>\
         <body style=\"font:1.2em system-ui;margin:20vh auto;max-width:30em;text-align:center\">\
         <p>{text}</p></body></html>"
    );
    let reply = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n{page}",
        page.len()
    );
    // What came counts, whether or not the browser waits for the page.
    if let Err(error) = send(&mut stream, reply.as_bytes()).await {
        tracing::debug!(%error, "the browser did not take the page");
    }
    Ok(found)
}

async fn send(stream: &mut TcpStream, reply: &[u8]) -> io::Result<()> {
    stream.write_all(reply).await?;
    stream.shutdown().await
}

/// The URL that a request line asks for, if it is a GET of exactly our path.
fn target(line: &str, place: &Url) -> Option<Url> {
    let mut words = line.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    if method != "GET" || !target.starts_with('/') {
        return None;
    }
    let (path, query) = target.split_once('?')?;
    if path != place.path() {
        return None;
    }
    let mut url = place.clone();
    url.set_query(Some(query));
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(place: &Url, target: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", place.port().unwrap())).await.unwrap();
        stream
            .write_all(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    // covers: auth-redirect, auth-state
    #[tokio::test]
    async fn one_answer_ends_it_and_nothing_else_does() {
        let place = Url::parse("http://127.0.0.1:0/callback").unwrap();
        let loopback = Loopback::bind(&place).await.unwrap();
        let place = loopback.redirect_uri().clone();
        let browser = async {
            // Opened and left silent, as browsers do.
            let silent = TcpStream::connect(("127.0.0.1", place.port().unwrap())).await.unwrap();
            for target in
                ["/favicon.ico", "/callback", "/callback/?state=s", "/callback?state=other&code=x"]
            {
                let reply = get(&place, target).await;
                assert!(reply.starts_with("HTTP/1.1 404"), "{target}: {reply}");
            }
            let reply = get(&place, "/callback?code=c&state=s").await;
            assert!(reply.starts_with("HTTP/1.1 200") && reply.contains("Thank you"), "{reply}");
            drop(silent);
        };
        let (answer, ()) = tokio::join!(loopback.answer("s"), browser);
        assert_eq!(answer.unwrap().query(), Some("code=c&state=s"));
        assert!(TcpStream::connect(("127.0.0.1", place.port().unwrap())).await.is_err());
    }

    #[tokio::test]
    async fn a_refusal_is_shown_as_one() {
        let place = Url::parse("http://localhost:0/").unwrap();
        let loopback = Loopback::bind(&place).await.unwrap();
        let place = loopback.redirect_uri().clone();
        assert_eq!(place.host_str(), Some("localhost"));
        let (answer, reply) =
            tokio::join!(loopback.answer("s"), get(&place, "/?error=access_denied&state=s"));
        assert!(reply.contains("not granted"), "{reply}");
        assert!(answer.unwrap().as_str().contains("access_denied"));
    }
}
