//! The page that a server wants a person to visit.

use mcp_protocol::elicitation::ElicitUrlParams;
use url::{Host, Url};

/// Where a page leads, for showing it to a person before it is opened. Never open it without their
/// consent, and never fetch it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Destination {
    /// The whole address, as it must be shown.
    pub url: Url,
    /// The host, to be shown above all else.
    pub host: String,
    /// Whether the host's name is spelled in other letters than it seems (`xn--…`): warn.
    pub is_punycode: bool,
    /// Whether the way there is encrypted.
    pub is_secure: bool,
}

/// Why an address is not for people to visit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server wants a page visited at an address that {reason}")]
pub struct UnsafeDestination {
    /// To stand after "an address that".
    reason: &'static str,
}

impl Destination {
    /// Reads the address of an elicitation.
    ///
    /// # Errors
    /// It is no address on the web, or carries a user's name or password.
    pub fn of(params: &ElicitUrlParams) -> Result<Self, UnsafeDestination> {
        let refuse = |reason| UnsafeDestination { reason };
        let url = Url::parse(&params.url).map_err(|_| refuse("is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("is not on the web"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("carries a user's name"));
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        let is_punycode = match url.host() {
            Some(Host::Domain(name)) => name.split('.').any(|label| label.starts_with("xn--")),
            _ => false,
        };
        let is_secure = url.scheme() == "https";
        Ok(Self { url, host, is_punycode, is_secure })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Result<Destination, UnsafeDestination> {
        Destination::of(&ElicitUrlParams::new("Please sign in", url))
    }

    // covers: elicitation-url
    #[test]
    fn only_the_web_is_visited() {
        let page = of("https://example.com/sign-in?x=1").unwrap();
        assert_eq!(
            (page.host.as_str(), page.is_secure, page.is_punycode),
            ("example.com", true, false)
        );
        assert!(of("https://аррle.com/").unwrap().is_punycode);
        assert!(!of("http://127.0.0.1:8000/").unwrap().is_secure);
        for bad in
            ["file:///etc/passwd", "javascript:alert(1)", "ssh://host", "/path", "https://a@b.c/"]
        {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
