//! Requests that carry no MCP, over the same connections: to language models, authorization
//! servers, registries.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::Full;

use super::{
    body::Body,
    connection::{Connection, OutRequest, SendFailure},
    content_coding::{self, Coding},
    dial::Dialer,
    endpoint::Endpoint,
    events::Events,
    pool::{Lane, Pool},
    proxy::Route,
    tasks::Tasks,
};
use crate::{
    ConnectError, DeliveryError,
    error::{DeliveryErrorKind, HttpFailure},
};

/// How often a connection may turn out to be closed just when a request is to be sent.
const MAX_STALE: u32 = 5;
/// Connections to one origin; more requests wait.
const MAX_CONNECTIONS: usize = 64;

/// Sends requests to any server, and keeps connections for the next. It follows no redirect and
/// stores no cookie.
///
/// ```no_run
/// use bytes::Bytes;
/// use mcp_transport::http::{HttpClient, PlainLimits};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = HttpClient::new();
/// let request = http::Request::get("http://127.0.0.1:8080/v1/models").body(Bytes::new())?;
/// let mut answer = client.send(request, PlainLimits::default()).await?;
/// println!("{}: {} bytes", answer.status, answer.bytes(1 << 20).await?.len());
/// # Ok(())
/// # }
/// ```
pub struct HttpClient {
    /// By scheme, host and port.
    pools: Mutex<HashMap<(bool, String, u16), Arc<Pool>>>,
    tasks: Arc<Tasks>,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub struct PlainLimits {
    /// For a connection, with all of names, proxy and TLS.
    pub connect: Option<Duration>,
    /// From the end of the request to the head of the answer.
    pub first_byte: Option<Duration>,
    /// Between two chunks of the answer.
    pub idle: Option<Duration>,
}

impl Default for PlainLimits {
    fn default() -> Self {
        Self {
            connect: Some(Duration::from_secs(10)),
            first_byte: Some(Duration::from_secs(60)),
            idle: Some(Duration::from_secs(60)),
        }
    }
}

/// The answer to a request, of whatever status.
pub struct PlainAnswer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    body: Body,
}

impl HttpClient {
    /// A client without connections.
    pub fn new() -> Self {
        Self { pools: Mutex::default(), tasks: Arc::default() }
    }

    /// Sends a request to its absolute URI; `Host`, `Content-Length` and `Accept-Encoding` are
    /// added.
    ///
    /// # Errors
    /// No answer came. An answer of any status is no error.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection that was in use; the server may have seen the
    /// request.
    pub async fn send(
        &self,
        request: Request<Bytes>,
        limits: PlainLimits,
    ) -> Result<PlainAnswer, DeliveryError> {
        let endpoint = Endpoint::parse(&request.uri().to_string()).map_err(unusable)?;
        let pool = self.pool(&endpoint, limits);
        let mut request = prepare(request, &endpoint);
        let mut stale = 0;
        loop {
            let mut lease = pool.lease(Lane::Request).await?;
            address(&mut request, &endpoint, &lease.connection, pool.wants_absolute_form());
            match lease.connection.send(request, limits.first_byte).await {
                Ok(response) => {
                    let (head, incoming) = response.into_parts();
                    let coding = Coding::of(&head.headers);
                    let body = Body::new(incoming, lease, limits.idle, coding);
                    return Ok(PlainAnswer { status: head.status, headers: head.headers, body });
                }
                Err(SendFailure::NotSent(back, error)) => {
                    stale += 1;
                    if stale > MAX_STALE {
                        let kind = DeliveryErrorKind::Broken(error.into());
                        return Err(DeliveryError::not_sent(kind));
                    }
                    request = *back;
                }
                Err(SendFailure::Broken(error)) => {
                    return Err(DeliveryError::maybe_sent(DeliveryErrorKind::Broken(error.into())));
                }
                Err(SendFailure::TimedOut(after)) => {
                    let kind = DeliveryErrorKind::TimedOut { phase: "first byte", after };
                    return Err(DeliveryError::maybe_sent(kind));
                }
            }
        }
    }

    fn pool(&self, endpoint: &Endpoint, limits: PlainLimits) -> Arc<Pool> {
        let origin = (endpoint.https, endpoint.host.clone(), endpoint.port);
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = pools.entry(origin).or_insert_with(|| {
            let endpoint = Arc::new(endpoint.clone());
            let dialer = Dialer::new(endpoint, Route::Direct, None, limits.connect);
            Pool::new(dialer, MAX_CONNECTIONS, Arc::clone(&self.tasks))
        });
        Arc::clone(pool)
    }
}

fn prepare(request: Request<Bytes>, endpoint: &Endpoint) -> OutRequest {
    let (mut head, body) = request.into_parts();
    let headers = &mut head.headers;
    headers.insert(header::HOST, endpoint.authority.clone());
    if !body.is_empty() {
        headers.insert(header::CONTENT_LENGTH, body.len().into());
    }
    headers
        .entry(header::ACCEPT_ENCODING)
        .or_insert(HeaderValue::from_static(content_coding::ACCEPTED));
    if let Some(credentials) = &endpoint.credentials {
        headers.entry(header::AUTHORIZATION).or_insert_with(|| credentials.clone());
    }
    Request::from_parts(head, Full::new(body))
}

fn address(request: &mut OutRequest, endpoint: &Endpoint, connection: &Connection, proxied: bool) {
    let http2 = matches!(connection, Connection::Http2(_));
    if http2 {
        // HTTP/2 has `:authority` in its place.
        request.headers_mut().remove(header::HOST);
    }
    *request.uri_mut() = if http2 || proxied {
        endpoint.absolute_form.clone()
    } else {
        endpoint.origin_form.clone()
    };
}

fn unusable(error: ConnectError) -> DeliveryError {
    DeliveryError::not_sent(DeliveryErrorKind::Broken(error.into()))
}

impl PlainAnswer {
    /// Whether the body is a stream of server-sent events.
    pub fn is_events(&self) -> bool {
        let kind = self.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        kind.is_some_and(|kind| {
            kind.get(..17).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/event-stream"))
        })
    }

    /// The whole body, decompressed.
    ///
    /// # Errors
    /// It broke off, or is larger than `limit_bytes`.
    pub async fn bytes(&mut self, limit_bytes: usize) -> Result<Bytes, DeliveryError> {
        Ok(self.body.whole(limit_bytes).await?)
    }

    /// The body as server-sent events of at most `limit_bytes` each.
    pub fn into_events(self, limit_bytes: usize) -> PlainEvents {
        PlainEvents(Events::new(self.body, limit_bytes))
    }

    /// The answer as an error, with the start of its body.
    pub async fn into_failure(self) -> HttpFailure {
        let Self { status, headers, body } = self;
        super::answer::Answer { status, headers, body }.into_failure().await
    }
}

/// The server-sent events of an answer. Dropping it closes the stream.
pub struct PlainEvents(Events);

impl PlainEvents {
    /// The data of the next event; `None` at the end.
    ///
    /// # Errors
    /// The stream broke off, or an event is too large; nothing follows.
    ///
    /// # Cancel safety
    /// No event is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<Bytes>, DeliveryError> {
        Ok(self.0.next().await?.map(|event| event.data))
    }
}

impl Drop for HttpClient {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

impl fmt::Debug for PlainAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainAnswer").field("status", &self.status).finish_non_exhaustive()
    }
}

impl fmt::Debug for PlainEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainEvents").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn two_requests_share_a_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = String::new();
            for answer in [
                "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno",
                "HTTP/1.1 200 OK\r\ncontent-type: Text/Event-Stream; x\r\n\
                 transfer-encoding: chunked\r\n\r\n11\r\ndata: 1\n\ndata: 2\n\r\n1\r\n\n\r\n0\r\n\r\n",
            ] {
                let mut buffer = [0; 2048];
                let count = stream.read(&mut buffer).await.unwrap();
                seen.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            seen
        };
        let client = async {
            let client = HttpClient::new();
            let url = format!("http://{address}/v1?a=b");
            let get = Request::get(&url).body(Bytes::new()).unwrap();
            let mut answer = client.send(get, PlainLimits::default()).await.unwrap();
            assert_eq!(answer.status, StatusCode::NOT_FOUND);
            assert_eq!(answer.bytes(100).await.unwrap(), "no");
            let post = Request::post(&url).body(Bytes::from_static(b"{}")).unwrap();
            let answer = client.send(post, PlainLimits::default()).await.unwrap();
            assert!(answer.is_events());
            let mut events = answer.into_events(100);
            assert_eq!(events.next().await.unwrap().unwrap(), "1");
            assert_eq!(events.next().await.unwrap().unwrap(), "2");
            assert!(events.next().await.unwrap().is_none());
        };
        let (seen, ()) = tokio::join!(server, client);
        assert!(
            seen.starts_with(&format!("GET /v1?a=b HTTP/1.1\r\nhost: {address}\r\n")),
            "{seen}"
        );
        assert!(seen.contains("POST /v1?a=b HTTP/1.1"), "{seen}");
        assert!(seen.ends_with("\r\n\r\n{}"), "{seen}");
    }
}
