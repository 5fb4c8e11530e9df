//! Opening connections: names, addresses, proxies, TLS, and the version of HTTP.

use std::{
    future::{Future, poll_fn},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::{Pin, pin},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::HeaderValue;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, sleep, timeout},
};

use super::{
    connection::Http1,
    endpoint::Endpoint,
    proxy::Route,
    reach::Reach,
    stream::Stream,
    tasks::Tasks,
    tls::{Alpn, Tls},
};
use crate::{
    BoxFuture, DeliveryError,
    error::{BoxError, DeliveryErrorKind},
};

/// How long one address gets before the next is tried beside it (RFC 8305 section 8).
const STAGGER: Duration = Duration::from_millis(250);
/// When a silent peer is asked whether it is still there. Streams may be silent for hours.
const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_EVERY: Duration = Duration::from_secs(15);
/// How often an HTTP/2 connection is asked whether it lives, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_LIMIT: Duration = Duration::from_secs(20);

/// Opens connections to one endpoint.
pub(super) struct Dialer {
    endpoint: Arc<Endpoint>,
    route: Route,
    /// Only for https.
    tls: Option<Tls>,
    limit: Option<Duration>,
    reach: Reach,
    /// The server chose HTTP/1.1 when it could have chosen HTTP/2.
    http1_only: AtomicBool,
}

/// A fresh connection.
pub(super) enum Dialed {
    /// For one exchange at a time.
    Http1(Box<Http1>),
    /// For many; its driver runs.
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Dialer {
    /// A dialer that gives up after `limit`.
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        route: Route,
        tls: Option<Tls>,
        limit: Option<Duration>,
    ) -> Self {
        let http1_only = AtomicBool::new(false);
        Self { endpoint, route, tls, limit, reach: Reach::Anywhere, http1_only }
    }

    /// Connects only to these addresses.
    pub(super) fn within(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    /// Whether the next connection may turn out to be one that is shared.
    pub(super) fn may_share(&self) -> bool {
        self.tls.is_some() && !self.http1_only.load(Ordering::Relaxed)
    }

    /// Whether requests go to a proxy that is to forward them.
    pub(super) fn wants_absolute_form(&self) -> bool {
        self.route.forwards(&self.endpoint)
    }

    /// What a proxy that forwards requests wants to see on them.
    pub(super) fn proxy_credentials(&self) -> Option<HeaderValue> {
        self.route.credentials(&self.endpoint)
    }

    /// Opens a connection.
    pub(super) async fn dial(&self, tasks: &Arc<Tasks>) -> Result<Dialed, DeliveryError> {
        let opening = self.open(tasks);
        let opened = match self.limit {
            None => opening.await,
            Some(limit) => timeout(limit, opening).await.map_err(|_| {
                DeliveryError::not_sent(DeliveryErrorKind::TimedOut {
                    phase: "connection",
                    after: limit,
                })
            })?,
        };
        opened.map_err(|source| {
            DeliveryError::not_sent(DeliveryErrorKind::Unreachable {
                address: self.endpoint.host_and_port(),
                source,
            })
        })
    }

    async fn open(&self, tasks: &Arc<Tasks>) -> Result<Dialed, BoxError> {
        if self.endpoint.https != self.tls.is_some() {
            return Err("TLS is prepared for https, and only for https".into());
        }
        let stream = self.route.open(&self.endpoint, self.reach).await?;
        let Some(tls) = &self.tls else {
            return Ok(Dialed::Http1(Http1::open(stream).await?));
        };
        let (stream, alpn) = tls.wrap(&self.endpoint.host, stream).await?;
        match alpn {
            Alpn::Http2 => Ok(Dialed::Http2(share(stream, tasks).await?)),
            Alpn::Http1 => {
                self.http1_only.store(true, Ordering::Relaxed);
                Ok(Dialed::Http1(Http1::open(stream).await?))
            }
        }
    }
}

async fn share(
    stream: Stream,
    tasks: &Arc<Tasks>,
) -> hyper::Result<http2::SendRequest<Full<Bytes>>> {
    let (sender, driver) = http2::Builder::new(Owned(Arc::downgrade(tasks)))
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_LIMIT)
        .adaptive_window(true)
        .handshake(TokioIo::new(stream))
        .await?;
    tasks.spawn_lasting(async move {
        if let Err(error) = driver.await {
            tracing::debug!(%error, "HTTP/2 connection ended");
        }
    });
    Ok(sender)
}

/// Runs hyper's HTTP/2 tasks as the transport's own.
#[derive(Clone)]
struct Owned(Weak<Tasks>);

impl<F> hyper::rt::Executor<F> for Owned
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, work: F) {
        if let Some(tasks) = self.0.upgrade() {
            tasks.spawn_lasting(async move {
                work.await;
            });
        }
    }
}

/// Opens a TCP connection to a name or number, at addresses within reach.
pub(crate) async fn connect(host: &str, port: u16, reach: Reach) -> io::Result<TcpStream> {
    let mut addresses = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => resolve(host, port).await?,
    };
    addresses.retain(|address| reach.allows(address.ip()));
    if addresses.is_empty() {
        return Err(out_of_reach(host));
    }
    let stream = first_to_answer(addresses).await?;
    stream.set_nodelay(true)?;
    let probes = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_EVERY);
    SockRef::from(&stream).set_tcp_keepalive(&probes)?;
    Ok(stream)
}

/// The error for a host that may not be connected to.
pub(super) fn out_of_reach(host: &str) -> io::Error {
    let text = format!("{host} is not on the public internet, and its URL is not the user's own");
    io::Error::new(io::ErrorKind::PermissionDenied, text)
}

async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    // RFC 6761 section 6.3. The name is so common here that a look-up's thread is worth saving.
    if host.eq_ignore_ascii_case("localhost") {
        let loopbacks = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
        return Ok(loopbacks.map(|address| SocketAddr::new(address, port)).into());
    }
    let found: Vec<_> = lookup_host((host, port)).await?.collect();
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    Ok(alternate(found))
}

/// Orders addresses so that the two families take turns, beginning with the resolver's choice.
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut ordered = Vec::with_capacity(preferred.len() + other.len());
    let (mut preferred, mut other) = (preferred.into_iter(), other.into_iter());
    loop {
        let before = ordered.len();
        ordered.extend(preferred.next());
        ordered.extend(other.next());
        if ordered.len() == before {
            return ordered;
        }
    }
}

/// Tries addresses in order, each with a head start over the next.
async fn first_to_answer(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut attempts: Vec<BoxFuture<'static, io::Result<TcpStream>>> = Vec::new();
    let mut head_start = pin!(sleep(Duration::ZERO));
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    poll_fn(|cx| {
        loop {
            let mut index = 0;
            while let Some(attempt) = attempts.get_mut(index) {
                match Pin::new(attempt).poll(cx) {
                    Poll::Ready(Ok(stream)) => return Poll::Ready(Ok(stream)),
                    Poll::Ready(Err(error)) => {
                        failure = error;
                        drop(attempts.swap_remove(index));
                    }
                    Poll::Pending => index += 1,
                }
            }
            if !attempts.is_empty() && head_start.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            match waiting.next() {
                Some(address) => {
                    attempts.push(Box::pin(TcpStream::connect(address)));
                    head_start.as_mut().reset(Instant::now() + STAGGER);
                }
                None if attempts.is_empty() => {
                    let none = io::Error::from(io::ErrorKind::NotFound);
                    return Poll::Ready(Err(std::mem::replace(&mut failure, none)));
                }
                None => return Poll::Pending,
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let parse = |text: &str| text.parse::<SocketAddr>().unwrap();
        let given = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"].map(parse);
        let expected = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"].map(parse);
        assert_eq!(alternate(given.into()), expected);
    }

    #[tokio::test]
    async fn a_refused_address_gives_way_at_once() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bad = closed.local_addr().unwrap();
        drop(closed);
        let before = Instant::now();
        let stream = first_to_answer(vec![bad, good]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        assert!(before.elapsed() < STAGGER);
        assert!(first_to_answer(vec![bad]).await.is_err());
    }
}
