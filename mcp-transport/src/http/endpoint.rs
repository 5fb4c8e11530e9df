//! The MCP endpoint's URL, taken apart once so that no call has to.

use std::fmt::{self, Write as _};

use http::{HeaderValue, Uri, uri::Scheme};
use url::{Host, Url};

use super::credentials;
use crate::ConnectError;

/// One server's URL in the forms that a request needs.
#[derive(Clone)]
pub(super) struct Endpoint {
    /// Whether the connection is protected by TLS.
    pub(super) https: bool,
    /// The host without brackets.
    pub(super) host: String,
    /// Given, or the scheme's own.
    pub(super) port: u16,
    /// The value of the `Host` header.
    pub(super) authority: HeaderValue,
    /// Path and query, for HTTP/1.1.
    pub(super) origin_form: Uri,
    /// Everything, for HTTP/2 and proxies.
    pub(super) absolute_form: Uri,
    /// `Authorization` from the URL's user information.
    pub(super) credentials: Option<HeaderValue>,
    /// For people, without secrets.
    shown: String,
}

impl Endpoint {
    /// Takes a URL apart.
    pub(super) fn parse(text: &str) -> Result<Self, ConnectError> {
        let url = Url::parse(text).map_err(|e| invalid(format!("it is not a URL ({e})")))?;
        Self::from_url(&url)
    }

    /// Takes a URL apart that was parsed already.
    pub(super) fn from_url(url: &Url) -> Result<Self, ConnectError> {
        let https = match url.scheme() {
            "http" => false,
            "https" => true,
            other => return Err(invalid(format!("its scheme is `{other}`, not http or https"))),
        };
        let host = match url.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => return Err(invalid("it names no host".to_owned())),
        };
        let port = url.port_or_known_default().unwrap_or(if https { 443 } else { 80 });
        let authority = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => host.clone(),
        };
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let bad = |e: http::Error| invalid(e.to_string());
        let origin_form: Uri = path.parse().map_err(|e: http::uri::InvalidUri| bad(e.into()))?;
        let absolute_form = Uri::builder()
            .scheme(if https { Scheme::HTTPS } else { Scheme::HTTP })
            .authority(authority.as_str())
            .path_and_query(path)
            .build()
            .map_err(bad)?;
        Ok(Self {
            https,
            host,
            port,
            credentials: credentials::of_url(url)?,
            shown: shown(url, &authority),
            authority: HeaderValue::try_from(authority).map_err(|e| bad(e.into()))?,
            origin_form,
            absolute_form,
        })
    }

    /// Where a redirect leads, when that is the same scheme, host and port.
    pub(super) fn redirected(&self, location: &HeaderValue) -> Result<Self, String> {
        let location = String::from_utf8_lossy(location.as_bytes());
        let base = Url::parse(&self.absolute_form.to_string()).map_err(|e| e.to_string())?;
        let target = base.join(&location).map_err(|e| format!("{e} in `{location}`"))?;
        let same = target.origin() == base.origin();
        match Self::from_url(&target) {
            Ok(mut target) if same => {
                target.credentials.clone_from(&self.credentials);
                Ok(target)
            }
            Ok(other) => Err(other.shown),
            Err(_) => Err(location.into_owned()),
        }
    }

    /// Whether the host is this machine by name or number.
    pub(super) fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.host.to_ascii_lowercase().ends_with(".localhost")
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Host and port, for errors and proxies.
    pub(super) fn host_and_port(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.shown)
    }
}

/// The URL without user information, and with the values of its query hidden.
fn shown(url: &Url, authority: &str) -> String {
    let mut text = format!("{}://{authority}{}", url.scheme(), url.path());
    for (index, (key, _)) in url.query_pairs().enumerate() {
        let separator = if index == 0 { '?' } else { '&' };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}{key}=***");
    }
    text
}

/// A URL as it may be shown, also when it cannot be used.
pub(crate) fn redact(text: &str) -> String {
    match Url::parse(text).map(|url| Endpoint::from_url(&url)) {
        Ok(Ok(endpoint)) => endpoint.shown,
        _ => "(invalid URL)".to_owned(),
    }
}

fn invalid(reason: String) -> ConnectError {
    ConnectError::InvalidSetting { setting: "url".to_owned(), reason }
}
