//! Requests that carry no MCP, over the same connections: to language models, authorization
//! servers, registries.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::Full;

use super::{
    body::Body,
    connection::OutRequest,
    content_coding,
    dial::Dialer,
    endpoint::Endpoint,
    events::Events,
    pool::{Lane, Pool},
    proxy::{Proxy, Route},
    reach::Reach,
    round_trip::Manner,
    tasks::Tasks,
    tls::TlsConfig,
};
use crate::{
    ConnectError, DeliveryError,
    error::{DeliveryErrorKind, HttpFailure},
};

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
/// let body = answer.bytes(1 << 20).await?;
/// println!("{}: {} bytes", answer.status, body.len());
/// # Ok(())
/// # }
/// ```
pub struct HttpClient {
    pools: Mutex<Pools>,
    tasks: Arc<Tasks>,
    tls: TlsConfig,
    proxy: Proxy,
    reach: Reach,
}

/// By whether it is https, host and port.
type Pools = HashMap<(bool, String, u16), Arc<Pool>>;

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
        Self {
            pools: Mutex::default(),
            tasks: Arc::default(),
            tls: TlsConfig::new(),
            proxy: Proxy::default(),
            reach: Reach::default(),
        }
    }

    /// Trusts and shows other certificates.
    #[must_use]
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.tls = tls;
        self
    }

    /// Goes through another proxy than the environment says.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self
    }

    /// Connects only to these addresses. Checked when names are resolved, for every connection;
    /// behind a proxy, which resolves names itself, only the host in the URL is checked.
    #[must_use]
    pub fn reach(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
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
        let pool = self.pool(&endpoint, limits).await.map_err(unusable)?;
        let manner =
            Manner { lane: Lane::Request, first_byte: limits.first_byte, idle: limits.idle };
        let request = prepare(request, &endpoint, pool.credentials());
        let answer = pool.send(&endpoint, request, manner, &mut false).await?;
        Ok(PlainAnswer { status: answer.status, headers: answer.headers, body: answer.body })
    }

    async fn pool(
        &self,
        endpoint: &Endpoint,
        limits: PlainLimits,
    ) -> Result<Arc<Pool>, ConnectError> {
        let origin = (endpoint.https, endpoint.host.clone(), endpoint.port);
        if let Some(pool) = self.pools().get(&origin) {
            return Ok(Arc::clone(pool));
        }
        let route = Route::choose(&self.proxy, endpoint, |name| std::env::var(name).ok())?;
        let tls = if endpoint.https { Some(self.tls.clone().prepare_aside().await?) } else { None };
        let dialer =
            Dialer::new(Arc::new(endpoint.clone()), route, tls, limits.connect).within(self.reach);
        let pool = Pool::new(dialer, MAX_CONNECTIONS, Arc::clone(&self.tasks));
        Ok(Arc::clone(self.pools().entry(origin).or_insert(pool)))
    }

    fn pools(&self) -> MutexGuard<'_, Pools> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn prepare(
    request: Request<Bytes>,
    endpoint: &Endpoint,
    proxy_credentials: Option<HeaderValue>,
) -> OutRequest {
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
    if let Some(credentials) = proxy_credentials {
        headers.insert(header::PROXY_AUTHORIZATION, credentials);
    }
    Request::from_parts(head, Full::new(body))
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

    // covers: auth-ssrf
    #[tokio::test]
    async fn strangers_do_not_lead_to_this_machine() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = HttpClient::new().reach(Reach::Public);
        for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"] {
            let get = Request::get(format!("http://{host}:{port}/")).body(Bytes::new()).unwrap();
            let error = client.send(get, PlainLimits::default()).await.unwrap_err();
            let DeliveryErrorKind::Unreachable { source, .. } = error.kind else {
                panic!("{error:?}")
            };
            assert!(source.to_string().contains("public internet"), "{source}");
            assert!(source.source().is_none());
        }
    }
}
