//! Who may ask: the defence against web pages that reach for servers on the visitor's machine.

use http::{
    HeaderMap, Uri,
    header::{HOST, ORIGIN},
};

/// Which values of `Host` and `Origin` are accepted. By default those of this machine only.
///
/// A page of another site that was made to resolve to this machine (DNS rebinding) still sends its own
/// name in `Host`, and browsers send `Origin` with every POST.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Guard {
    /// Names without ports, beside those of this machine.
    pub(super) hosts: Vec<String>,
    /// Whole origins, such as `https://example.com`.
    pub(super) origins: Vec<String>,
    /// Whether any `Host` is accepted, since something before this server checks it.
    pub(super) any_host: bool,
}

impl Guard {
    /// Also accepts requests for this host, a name or number without port.
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// Accepts requests for any host. Only right where something before this server checks it.
    pub fn allow_any_host(mut self) -> Self {
        self.any_host = true;
        self
    }

    /// Also accepts requests that web pages of this origin make, such as `https://example.com`.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Refuses a request from elsewhere.
    ///
    /// # Errors
    /// The reason, for the body of a 403.
    pub fn check(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), &'static str> {
        let host = match headers.get(HOST) {
            Some(value) => value.to_str().ok(),
            None => uri.authority().map(http::uri::Authority::as_str),
        };
        if !self.any_host && !host.is_some_and(|host| self.is_own(host)) {
            return Err("this server does not answer for that host");
        }
        // Two headers would be two opinions.
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next().map(|value| value.to_str()), origins.next()) {
            (None, _) => Ok(()),
            (Some(Ok(origin)), None) if self.allows_origin(origin) => Ok(()),
            _ => Err("requests of that origin are not answered"),
        }
    }

    fn is_own(&self, host: &str) -> bool {
        // As nearly all say it: a name that is known, and perhaps a port.
        let port = host.bytes().rev().take_while(u8::is_ascii_digit).count();
        let name = host[..host.len() - port].strip_suffix(':').unwrap_or(host);
        if self.is_known(name) {
            return true;
        }
        let Ok(authority) = host.parse::<http::uri::Authority>() else { return false };
        if authority.as_str().contains('@') {
            return false;
        }
        self.is_known(authority.host())
    }

    fn is_known(&self, name: &str) -> bool {
        ["localhost", "127.0.0.1", "[::1]"]
            .into_iter()
            .chain(self.hosts.iter().map(String::as_str))
            .any(|own| own.eq_ignore_ascii_case(name))
    }

    fn allows_origin(&self, origin: &str) -> bool {
        if self.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) {
            return true;
        }
        let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        own.is_some_and(|host| self.is_own(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_table() {
        let guard = Guard {
            hosts: vec!["mcp.example".to_owned()],
            origins: vec!["https://app.example".to_owned()],
            any_host: false,
        };
        for (host, origin, passes) in [
            ("localhost:80", None, true),
            ("127.0.0.1", None, true),
            ("[::1]:9", None, true),
            ("MCP.example:1", None, true),
            ("evil.example", None, false),
            ("localhost.evil.example", None, false),
            ("localhost@evil.example", None, false),
            ("", None, false),
            ("localhost:80", Some("http://localhost:80"), true),
            ("localhost:80", Some("https://app.example"), true),
            ("localhost:80", Some("http://evil.example"), false),
            ("localhost:80", Some("null"), false),
            ("localhost:80", Some(""), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(ORIGIN, origin.parse().unwrap());
            }
            let found = guard.check(&headers, &Uri::from_static("/mcp")).is_ok();
            assert_eq!(found, passes, "{host} {origin:?}");
        }
        let open = Guard { any_host: true, ..Guard::default() };
        let mut headers = HeaderMap::new();
        headers.insert(HOST, "anything".parse().unwrap());
        assert!(open.check(&headers, &Uri::from_static("/")).is_ok());
    }
}
