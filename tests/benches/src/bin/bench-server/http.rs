//! Streamable HTTP by hand on one thread: HTTP/1.1 that is kept alive, one write per small reply.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use anyhow::{Context, Result, bail, ensure};
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, LocalSet};

use crate::answers::{Answer, Answers, HEAD, Listed, Revision};

/// A body larger than this is written from where it lies.
const COPIED_BYTES: usize = 64 * 1024;
const MAX_HEADERS: usize = 48;

const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
const NOT_ALLOWED: &[u8] =
    b"HTTP/1.1 405 Method Not Allowed\r\nallow: POST\r\ncontent-length: 0\r\n\r\n";

/// What lies at one path.
struct Endpoint {
    answers: Answers,
    streams: bool,
}

type Endpoints = RefCell<HashMap<String, Rc<Endpoint>>>;

/// Serves until standard input ends.
pub(crate) fn serve() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // Whether it ends or breaks, whoever started this is gone.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = ended.send(());
    });
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        announce(listener.local_addr()?.port());
        let accepting = accept(listener);
        tokio::select! {
            failed = accepting => failed,
            _ = end => Ok(()),
        }
    })
}

#[expect(clippy::print_stdout, reason = "how the port becomes known")]
fn announce(port: u16) {
    println!("{port}");
}

async fn accept(listener: TcpListener) -> Result<()> {
    let endpoints = Rc::new(Endpoints::default());
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let endpoints = Rc::clone(&endpoints);
        connections.spawn_local(async move {
            // A client that goes away in the middle is no event here.
            let _ = converse(stream, &endpoints).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(mut stream: TcpStream, endpoints: &Endpoints) -> Result<()> {
    let mut input = BytesMut::with_capacity(16 * 1024);
    let mut out = Vec::with_capacity(4 * 1024);
    loop {
        let Some((head, length)) = head(&input, endpoints)? else {
            if stream.read_buf(&mut input).await? == 0 {
                return Ok(());
            }
            continue;
        };
        input.advance(head.length);
        while input.len() < length {
            ensure!(stream.read_buf(&mut input).await? > 0, "the body ends early");
        }
        let body = input.split_to(length);
        let endpoint = match &head.target {
            Target::Endpoint(endpoint) => endpoint,
            Target::Refused(refusal) => {
                stream.write_all(refusal).await?;
                continue;
            }
        };
        match endpoint.answers.to(&body) {
            Answer::None => stream.write_all(ACCEPTED).await?,
            Answer::Response { id, key, body } => {
                out.clear();
                let tail = begin(&mut out, endpoint.streams, id, key, body.len())?;
                if body.len() <= COPIED_BYTES {
                    out.extend_from_slice(body);
                    out.extend_from_slice(tail);
                    stream.write_all(&out).await?;
                } else {
                    let mut whole = Buf::chain(&out[..], Buf::chain(body, tail));
                    stream.write_all_buf(&mut whole).await?;
                }
            }
        }
    }
}

/// Writes what precedes the body, and returns what follows it.
fn begin(
    out: &mut Vec<u8>,
    streams: bool,
    id: &[u8],
    key: &str,
    body: usize,
) -> Result<&'static [u8]> {
    use std::io::Write as _;

    let message = HEAD.len() + id.len() + 2 + key.len() + 2 + body + 1;
    let tail: &[u8] = if streams {
        const EVENT: &str = "event: message\ndata: ";
        write!(
            out,
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n\
             transfer-encoding: chunked\r\n\r\n{:x}\r\n{EVENT}",
            EVENT.len() + message + 2
        )?;
        b"}\n\n\r\n0\r\n\r\n"
    } else {
        write!(
            out,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {message}\r\n\r\n"
        )?;
        b"}"
    };
    out.extend_from_slice(HEAD);
    out.extend_from_slice(id);
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
    Ok(tail)
}

struct Head {
    target: Target,
    /// Of the head itself.
    length: usize,
}

enum Target {
    Endpoint(Rc<Endpoint>),
    Refused(&'static [u8]),
}

/// The head and the length of what follows it, once the head is whole.
fn head(input: &[u8], endpoints: &Endpoints) -> Result<Option<(Head, usize)>> {
    if input.is_empty() {
        return Ok(None);
    }
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = request.parse(input)? else { return Ok(None) };
    let mut body = 0;
    for header in request.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            body = std::str::from_utf8(header.value)?.parse()?;
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            bail!("only bodies of known length are read here");
        }
    }
    let path = request.path.context("a whole head has a path")?;
    let target = if request.method == Some("POST") {
        endpoint(path, endpoints).map_or(Target::Refused(NOT_FOUND), Target::Endpoint)
    } else {
        Target::Refused(NOT_ALLOWED)
    };
    Ok(Some((Head { target, length }, body)))
}

fn endpoint(path: &str, endpoints: &Endpoints) -> Option<Rc<Endpoint>> {
    if let Some(known) = endpoints.borrow().get(path) {
        return Some(Rc::clone(known));
    }
    let mut parts = path.strip_prefix('/')?.splitn(3, '/');
    let revision = Revision::named(parts.next()?)?;
    let streams = match parts.next()? {
        "json" => false,
        "sse" => true,
        _ => return None,
    };
    let answers = Answers::new(revision, Listed::named(parts.next()?)?);
    let new = Rc::new(Endpoint { answers, streams });
    endpoints.borrow_mut().insert(path.to_owned(), Rc::clone(&new));
    Some(new)
}
