//! The way to a server: straight, or through a proxy.

use std::fmt;

use http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use url::Url;

use super::{
    dial,
    endpoint::Endpoint,
    no_proxy,
    reach::Reach,
    stream::Stream,
    tls::{Tls, TlsConfig},
};
use crate::{ConnectError, error::BoxError};

/// The longest answer of a proxy to `CONNECT`.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// Which proxy to use.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proxy {
    /// What `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say, in small letters first.
    /// Servers on this machine are reached without a proxy.
    #[default]
    FromEnvironment,
    /// No proxy.
    None,
    /// This one, for every server: `http://` or `https://`, with name and password if it wants
    /// them.
    Url(String),
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FromEnvironment => f.write_str("FromEnvironment"),
            Self::None => f.write_str("None"),
            Self::Url(url) => write!(f, "Url({})", super::endpoint::redact(url)),
        }
    }
}

/// How an endpoint is reached.
#[derive(Debug)]
pub(super) enum Route {
    /// Without a proxy.
    Direct,
    /// Through a proxy.
    Proxy(Box<ProxyServer>),
}

/// A proxy.
#[derive(Debug)]
pub(super) struct ProxyServer {
    endpoint: Endpoint,
    /// Only for https proxies.
    tls: Option<Tls>,
}

/// Why a proxy does not let a connection through.
#[derive(Debug, thiserror::Error)]
enum ProxyError {
    #[error("the proxy {proxy} cannot be reached")]
    Unreachable {
        proxy: String,
        #[source]
        source: BoxError,
    },
    #[error("the proxy {proxy} refused: {answer}")]
    Refused { proxy: String, answer: String },
}

impl Route {
    /// Chooses the way to an endpoint.
    pub(super) fn choose(
        proxy: &Proxy,
        endpoint: &Endpoint,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConnectError> {
        let (setting, url) = match proxy {
            Proxy::None => return Ok(Self::Direct),
            Proxy::Url(url) => ("proxy".to_owned(), url.clone()),
            Proxy::FromEnvironment => match from_environment(endpoint, environment) {
                Some(found) => found,
                None => return Ok(Self::Direct),
            },
        };
        let wrong = |reason: &str| ConnectError::InvalidSetting {
            setting: setting.clone(),
            reason: reason.to_owned(),
        };
        let url = if url.contains("://") { url } else { format!("http://{url}") };
        let url = Url::parse(&url).map_err(|e| wrong(&format!("it is not a URL ({e})")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("only http:// and https:// proxies can be used"));
        }
        let endpoint = Endpoint::from_url(&url).map_err(|e| wrong(&e.to_string()))?;
        let tls =
            if endpoint.https { Some(TlsConfig::new().prepare()?.http1_only()) } else { None };
        Ok(Self::Proxy(Box::new(ProxyServer { endpoint, tls })))
    }

    /// `Proxy-Authorization` for requests that the proxy reads itself.
    pub(super) fn credentials(&self, endpoint: &Endpoint) -> Option<HeaderValue> {
        match self {
            Self::Proxy(proxy) if !endpoint.https => proxy.endpoint.credentials.clone(),
            _ => None,
        }
    }

    /// Whether the proxy forwards requests, rather than bytes.
    pub(super) fn forwards(&self, endpoint: &Endpoint) -> bool {
        matches!(self, Self::Proxy(_)) && !endpoint.https
    }

    /// Opens the bytes under HTTP (or under TLS, for https).
    pub(super) async fn open(&self, endpoint: &Endpoint, reach: Reach) -> Result<Stream, BoxError> {
        self.open_through(endpoint, reach, endpoint.https).await
    }

    /// Opens bytes that lead to the server itself, also without TLS: what is said on them after an
    /// upgrade is nothing that a proxy could forward.
    #[cfg(feature = "websocket")]
    pub(super) async fn open_to_the_end(
        &self,
        endpoint: &Endpoint,
        reach: Reach,
    ) -> Result<Stream, BoxError> {
        self.open_through(endpoint, reach, true).await
    }

    async fn open_through(
        &self,
        endpoint: &Endpoint,
        reach: Reach,
        tunnelled: bool,
    ) -> Result<Stream, BoxError> {
        if !reach.allows_host(&endpoint.host) {
            return Err(dial::out_of_reach(&endpoint.host).into());
        }
        match self {
            Self::Direct => {
                let stream = dial::connect(&endpoint.host, endpoint.port, reach).await?;
                Ok(Stream::Plain(stream))
            }
            Self::Proxy(proxy) => {
                let unreachable = |source: BoxError| ProxyError::Unreachable {
                    proxy: proxy.endpoint.host_and_port(),
                    source,
                };
                let mut stream = proxy.connect().await.map_err(unreachable)?;
                if tunnelled {
                    proxy.tunnel(&mut stream, endpoint).await?;
                }
                Ok(stream)
            }
        }
    }
}

impl ProxyServer {
    async fn connect(&self) -> Result<Stream, BoxError> {
        let Endpoint { host, port, .. } = &self.endpoint;
        let stream = Stream::Plain(dial::connect(host, *port, Reach::Anywhere).await?);
        match &self.tls {
            None => Ok(stream),
            Some(tls) => Ok(tls.wrap(&self.endpoint.host, stream).await?.0),
        }
    }

    /// Asks for a way through (RFC 9110 section 9.3.6).
    async fn tunnel(&self, stream: &mut Stream, endpoint: &Endpoint) -> Result<(), BoxError> {
        let target = endpoint.host_and_port();
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
        if let Some(credentials) = &self.endpoint.credentials {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(credentials.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        stream.write_all(&request).await?;
        stream.flush().await?;
        let mut answer = Vec::new();
        let refused = |answer: &str| ProxyError::Refused {
            proxy: self.endpoint.host_and_port(),
            answer: answer.to_owned(),
        };
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() == MAX_ANSWER_BYTES {
                return Err(refused("its answer has no end").into());
            }
            // A byte at a time, since what follows belongs to the tunnel. Rare enough not to hurt.
            match stream.read_u8().await {
                Ok(byte) => answer.push(byte),
                Err(error) => return Err(refused(&format!("it hung up ({error})")).into()),
            }
        }
        let first = answer.split(|&byte| byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(first);
        let status = line.split(' ').nth(1).unwrap_or_default();
        if status.len() == 3 && status.starts_with('2') {
            Ok(())
        } else {
            Err(refused(&line).into())
        }
    }
}

/// The proxy that the environment names for an endpoint: the variable, and its value.
fn from_environment(
    endpoint: &Endpoint,
    environment: impl Fn(&str) -> Option<String>,
) -> Option<(String, String)> {
    let read = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
    let either = |name: &str| read(&name.to_ascii_lowercase()).or_else(|| read(name));
    if endpoint.is_loopback()
        || either("NO_PROXY")
            .is_some_and(|list| no_proxy::covers(&list, &endpoint.host, endpoint.port))
    {
        return None;
    }
    let names: &[&str] = if endpoint.https {
        &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    } else if read("REQUEST_METHOD").is_some() {
        // In a CGI program a caller can set HTTP_PROXY with a `Proxy` header.
        &["http_proxy", "all_proxy", "ALL_PROXY"]
    } else {
        &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
    };
    names.iter().find_map(|name| Some(((*name).to_owned(), read(name)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(variables: &[(&str, &str)], url: &str) -> Option<String> {
        let find = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        let endpoint = Endpoint::parse(url).unwrap();
        match Route::choose(&Proxy::FromEnvironment, &endpoint, find).unwrap() {
            Route::Direct => None,
            Route::Proxy(proxy) => Some(proxy.endpoint.host_and_port()),
        }
    }

    #[test]
    fn reads_the_environment() {
        let secure = "https://example.com/mcp";
        let plain = "http://example.com/mcp";
        for (variables, url, expected) in [
            (&[][..], secure, None),
            (&[("HTTPS_PROXY", "http://p:1")], secure, Some("p:1")),
            (&[("HTTPS_PROXY", "http://p:1")], plain, None),
            (&[("HTTP_PROXY", "p:1")], plain, Some("p:1")),
            (&[("HTTP_PROXY", "p:1"), ("http_proxy", "q:1")], plain, Some("q:1")),
            (&[("ALL_PROXY", "http://p:1")], secure, Some("p:1")),
            (&[("HTTPS_PROXY", " ")], secure, None),
            (&[("HTTPS_PROXY", "http://p:1"), ("NO_PROXY", "example.com")], secure, None),
            (&[("HTTPS_PROXY", "http://p:1"), ("no_proxy", "other.com")], secure, Some("p:1")),
            (&[("HTTPS_PROXY", "http://p:1")], "https://127.0.0.1:8/", None),
            (&[("HTTP_PROXY", "http://p:1"), ("REQUEST_METHOD", "GET")], plain, None),
        ] {
            assert_eq!(route(variables, url).as_deref(), expected, "{variables:?} {url}");
        }
    }

    #[test]
    fn says_which_proxies_it_cannot_use() {
        let endpoint = Endpoint::parse("https://example.com").unwrap();
        let proxy = Proxy::Url("socks5://127.0.0.1:1".to_owned());
        let error = Route::choose(&proxy, &endpoint, |_| None).unwrap_err();
        assert!(error.to_string().contains("only http:// and https://"), "{error}");
        assert!(!format!("{:?}", Proxy::Url("http://me:secret@p".to_owned())).contains("secret"));
    }
}
