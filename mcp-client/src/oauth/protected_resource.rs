//! What an MCP server says of its authorization: RFC 9728.

use serde::Deserialize;
use url::Url;

/// The metadata document of a protected resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ProtectedResourceMetadata {
    /// The server's identifier. It goes into every request for a token, byte for byte.
    pub resource: String,
    /// Issuers of the authorization servers that it trusts.
    #[serde(default)]
    pub authorization_servers: Vec<String>,
    /// The scopes that basic use needs.
    pub scopes_supported: Option<Vec<String>>,
    /// Whether it takes only tokens that are bound to a key (RFC 9449).
    #[serde(default)]
    pub dpop_bound_access_tokens_required: bool,
    /// Its name, for people.
    pub resource_name: Option<String>,
}

impl ProtectedResourceMetadata {
    /// Whether the document speaks for the server at this URL (RFC 9728 section 3.3): the same
    /// origin, and the same path or one of its parents.
    pub fn is_for(&self, server: &Url) -> bool {
        let Ok(resource) = Url::parse(&self.resource) else { return false };
        if resource.origin() != server.origin() || resource.fragment().is_some() {
            return false;
        }
        if resource.query().is_some() && resource.query() != server.query() {
            return false;
        }
        let parent = resource.path().trim_end_matches('/');
        match server.path().strip_prefix(parent) {
            Some(below) => below.is_empty() || below.starts_with('/'),
            None => false,
        }
    }
}

/// Where the document is when the server has not said, in the order of trying.
pub(super) fn well_known(server: &Url) -> Vec<Url> {
    let path = server.path().trim_end_matches('/');
    let mut found = Vec::new();
    for path in [path, ""] {
        let mut url = server.clone();
        url.set_path(&format!("/.well-known/oauth-protected-resource{path}"));
        // A query is part of the resource, and of where its document is (RFC 9728 section 3.1).
        url.set_query(server.query().filter(|_| !path.is_empty()));
        url.set_fragment(None);
        if !found.contains(&url) {
            found.push(url);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers: auth-prm-resource
    #[test]
    fn a_document_speaks_for_its_server_and_what_is_below() {
        let check = |resource: &str, server: &str, expected: bool| {
            let metadata =
                ProtectedResourceMetadata { resource: resource.into(), ..Default::default() };
            assert_eq!(
                metadata.is_for(&Url::parse(server).unwrap()),
                expected,
                "{resource} {server}"
            );
        };
        check("https://a.example/mcp", "https://a.example/mcp", true);
        check("https://a.example/mcp/", "https://a.example/mcp", true);
        check("https://a.example", "https://a.example/mcp", true);
        check("https://a.example/", "https://a.example/mcp", true);
        check("https://A.example:443/mcp", "https://a.example/mcp", true);
        check("https://a.example/m", "https://a.example/mcp", false);
        check("https://a.example/mcp/x", "https://a.example/mcp", false);
        check("https://evil.example/mcp", "https://a.example/mcp", false);
        check("http://a.example/mcp", "https://a.example/mcp", false);
        check("https://a.example:8443/mcp", "https://a.example/mcp", false);
        check("https://a.example/mcp#x", "https://a.example/mcp", false);
        check("https://a.example/mcp?t=1", "https://a.example/mcp?t=1", true);
        check("https://a.example/mcp?t=1", "https://a.example/mcp?t=2", false);
        check("urn:mcp", "https://a.example/mcp", false);
    }

    // covers: auth-prm-order
    #[test]
    fn the_path_comes_before_the_root() {
        let places = |server: &str| {
            let urls = well_known(&Url::parse(server).unwrap());
            urls.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            places("https://a.example/team/mcp/?x=1"),
            [
                "https://a.example/.well-known/oauth-protected-resource/team/mcp?x=1",
                "https://a.example/.well-known/oauth-protected-resource"
            ]
        );
        assert_eq!(
            places("https://a.example"),
            ["https://a.example/.well-known/oauth-protected-resource"]
        );
    }
}
