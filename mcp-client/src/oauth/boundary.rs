//! Which URLs a server may send the client to. Metadata is written by strangers.

use std::net::IpAddr;

use mcp_transport::http::Reach;
use url::{Host, Url};

use super::OAuthError;

/// What the user's own choice of a server permits.
#[derive(Clone, Debug)]
pub(super) struct Boundary {
    server: Url,
    /// The user said that authorization servers in private networks are fine.
    private: bool,
    /// Which addresses the server itself may be at: not all, when the user did not write its URL.
    reach: Reach,
}

impl Boundary {
    pub(super) fn new(server: Url, private: bool) -> Self {
        Self { server, private, reach: Reach::Anywhere }
    }

    pub(super) fn server_within(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    /// Which addresses the MCP server may be at.
    pub(super) fn reach(&self) -> Reach {
        self.reach
    }

    pub(super) fn server(&self) -> &Url {
        &self.server
    }

    /// A URL of metadata: as an endpoint, or at the MCP server's own origin, which the user chose.
    pub(super) fn metadata(&self, url: &Url) -> Result<Reach, OAuthError> {
        if url.origin() == self.server.origin() {
            return without_credentials(url).map(|()| self.reach);
        }
        self.endpoint(url)
    }

    /// A URL of an authorization server: https, and on the public internet. When the MCP server is
    /// on this machine, its authorization server may be too, but no more for that in the network
    /// around it.
    pub(super) fn endpoint(&self, url: &Url) -> Result<Reach, OAuthError> {
        without_credentials(url)?;
        let beside = is_loopback(&self.server) && is_loopback(url);
        match url.scheme() {
            "https" => {}
            "http" if beside => {}
            "http" => return Err(forbidden(url, "it is not https")),
            _ => return Err(forbidden(url, "it is neither https nor http")),
        }
        let chosen = beside || self.private || url.origin() == self.server.origin();
        // What only the server chose reaches no farther than the server.
        Ok(if chosen { self.reach } else { Reach::Public })
    }
}

fn without_credentials(url: &Url) -> Result<(), OAuthError> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(());
    }
    Err(forbidden(url, "it has credentials in it"))
}

/// Parses a URL that a server sent.
pub(super) fn parse(text: &str) -> Result<Url, OAuthError> {
    Url::parse(text).map_err(|error| OAuthError::ForbiddenUrl {
        url: super::readable(text),
        reason: format!("it is not a URL ({error})"),
    })
}

pub(super) fn forbidden(url: &Url, reason: &str) -> OAuthError {
    OAuthError::ForbiddenUrl { url: shown(url), reason: reason.to_owned() }
}

/// A URL without credentials, query and fragment.
pub(crate) fn shown(url: &Url) -> String {
    let origin = url.origin();
    if origin.is_tuple() {
        format!("{}{}", origin.ascii_serialization(), url.path())
    } else {
        format!("{}:…", url.scheme())
    }
}

/// Whether a URL leads to this machine by name or number.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).to_canonical().is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(server: &str, url: &str, expected: Option<Reach>) {
        let boundary = Boundary::new(Url::parse(server).unwrap(), false);
        let found = boundary.endpoint(&Url::parse(url).unwrap()).ok();
        assert_eq!(found, expected, "{server} {url}");
    }

    // covers: auth-https, auth-redirect, auth-ssrf
    #[test]
    fn endpoints_are_https_and_public() {
        check("https://a.example/mcp", "https://b.example/token", Some(Reach::Public));
        check("https://a.example/mcp", "https://a.example/token", Some(Reach::Anywhere));
        check("https://a.example/mcp", "http://b.example/token", None);
        check("https://a.example/mcp", "http://localhost/token", None);
        check("http://a.example/mcp", "http://a.example/token", None);
        check("https://a.example/mcp", "https://me:pw@b.example/token", None);
        for url in ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "ftp://b/"] {
            check("https://a.example/mcp", url, None);
            check("http://localhost:3000/mcp", url, None);
        }
    }

    // covers: auth-https
    #[test]
    fn a_server_on_this_machine_may_have_its_authorization_server_there() {
        let server = "http://localhost:3000/mcp";
        check(server, "http://localhost:4000/token", Some(Reach::Anywhere));
        check(server, "http://[::1]:4000/token", Some(Reach::Anywhere));
        check(server, "https://localhost:4000/token", Some(Reach::Anywhere));
        check(server, "https://b.example/token", Some(Reach::Public));
        check(server, "https://10.0.0.1/token", Some(Reach::Public));
        check(server, "http://b.example/token", None);
        check(server, "http://169.254.169.254/token", None);
        check(server, "http://localhost.b.example/token", None);
    }

    // covers: auth-ssrf
    #[test]
    fn private_networks_are_the_users_word() {
        let boundary = Boundary::new(Url::parse("https://mcp.corp.example/mcp").unwrap(), true);
        let inside = Url::parse("https://login.corp.example/token").unwrap();
        assert_eq!(boundary.endpoint(&inside).unwrap(), Reach::Anywhere);
        assert!(boundary.endpoint(&Url::parse("http://10.0.0.1/token").unwrap()).is_err());
        // Yet a URL that a stranger chose stays within what is said of the server itself.
        let narrowed = boundary.server_within(Reach::Public);
        assert_eq!(narrowed.endpoint(&inside).unwrap(), Reach::Public);
    }

    #[test]
    fn metadata_of_the_server_itself_may_be_where_the_server_is() {
        let boundary = Boundary::new(Url::parse("http://10.0.0.1:3000/mcp").unwrap(), false);
        let own = Url::parse("http://10.0.0.1:3000/.well-known/x").unwrap();
        assert_eq!(boundary.metadata(&own).unwrap(), Reach::Anywhere);
        let other = Url::parse("http://10.0.0.1:3001/.well-known/x").unwrap();
        assert!(boundary.metadata(&other).is_err());
    }

    // covers: auth-ssrf
    #[test]
    fn a_server_of_a_stranger_leads_nowhere_private_by_its_own_name() {
        let boundary = Boundary::new(Url::parse("https://a.example/mcp").unwrap(), false)
            .server_within(Reach::Public);
        let own = Url::parse("https://a.example/.well-known/x").unwrap();
        assert_eq!(boundary.metadata(&own).unwrap(), Reach::Public);
        assert_eq!(boundary.endpoint(&own).unwrap(), Reach::Public);
    }

    #[test]
    fn a_refused_url_shows_nothing_secret() {
        let url = Url::parse("http://me:pw@b.example/x?token=1#2").unwrap();
        assert_eq!(shown(&url), "http://b.example/x");
        assert_eq!(shown(&Url::parse("javascript:x").unwrap()), "javascript:…");
    }
}
