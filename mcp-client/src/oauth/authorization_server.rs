//! What an authorization server says of itself: RFC 8414 and OpenID Connect Discovery.

use serde::Deserialize;
use url::Url;

/// The metadata document of an authorization server.
///
/// Unknown members are ignored. A list that is absent is `None`, since absent and empty differ for
/// some of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct AuthorizationServerMetadata {
    /// The server's identifier, which is compared as text and never normalized.
    pub issuer: String,
    /// Where a person grants access.
    pub authorization_endpoint: Option<String>,
    /// Where grants become tokens.
    pub token_endpoint: Option<String>,
    /// Where clients register themselves (RFC 7591).
    pub registration_endpoint: Option<String>,
    /// Where a device asks for its codes (RFC 8628).
    pub device_authorization_endpoint: Option<String>,
    /// Where tokens are revoked (RFC 7009).
    pub revocation_endpoint: Option<String>,
    /// Scopes that can be asked for.
    pub scopes_supported: Option<Vec<String>>,
    /// Kinds of authorization responses; `code` is the one that matters here.
    pub response_types_supported: Option<Vec<String>>,
    /// Grants that the token endpoint takes.
    pub grant_types_supported: Option<Vec<String>>,
    /// How clients may authenticate at the token endpoint. Absent means `client_secret_basic`.
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// Signature algorithms of client assertions.
    pub token_endpoint_auth_signing_alg_values_supported: Option<Vec<String>>,
    /// PKCE methods (RFC 7636). Absent means that the server does not support PKCE.
    pub code_challenge_methods_supported: Option<Vec<String>>,
    /// Signature algorithms of DPoP proofs (RFC 9449). Absent means that it knows no DPoP.
    pub dpop_signing_alg_values_supported: Option<Vec<String>>,
    /// Whether the URL of a client's own metadata document may serve as its id.
    #[serde(default)]
    pub client_id_metadata_document_supported: bool,
    /// Whether authorization responses say who issued them (RFC 9207).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

impl AuthorizationServerMetadata {
    /// Metadata with an issuer and nothing else, for servers that publish none.
    pub fn new(issuer: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), ..Self::default() }
    }

    /// The endpoints that a server of revision 2025-03-26 has when it publishes no metadata.
    pub(super) fn assumed(origin: &str) -> Self {
        let at = |path: &str| Some(format!("{origin}{path}"));
        Self {
            authorization_endpoint: at("/authorize"),
            token_endpoint: at("/token"),
            registration_endpoint: at("/register"),
            ..Self::new(origin)
        }
    }

    /// Whether codes can be protected by PKCE with S256. A server that does not list it is refused.
    pub(super) fn supports_pkce(&self) -> bool {
        let methods = self.code_challenge_methods_supported.as_deref().unwrap_or_default();
        methods.iter().any(|method| method == "S256")
    }
}

/// Where the metadata of an issuer may be, in the order of trying (RFC 8414 section 3.1, and
/// section 4 of OpenID Connect Discovery). With a path, the documents at the root are another
/// issuer's.
pub(super) fn well_known(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/');
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url.set_query(None);
        url.set_fragment(None);
        url
    };
    let mut found = vec![
        at(format!("/.well-known/oauth-authorization-server{path}")),
        at(format!("/.well-known/openid-configuration{path}")),
    ];
    if !path.is_empty() {
        found.push(at(format!("{path}/.well-known/openid-configuration")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers: auth-as-order
    #[test]
    fn three_places_for_an_issuer_with_a_path_and_two_for_one_without() {
        let places = |issuer: &str| {
            let urls = well_known(&Url::parse(issuer).unwrap());
            urls.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            places("https://a.example/t/u/"),
            [
                "https://a.example/.well-known/oauth-authorization-server/t/u",
                "https://a.example/.well-known/openid-configuration/t/u",
                "https://a.example/t/u/.well-known/openid-configuration",
            ]
        );
        assert_eq!(
            places("https://a.example:8443"),
            [
                "https://a.example:8443/.well-known/oauth-authorization-server",
                "https://a.example:8443/.well-known/openid-configuration",
            ]
        );
    }

    // covers: auth-pkce
    #[test]
    fn pkce_must_be_listed() {
        let with = |methods: Option<&[&str]>| AuthorizationServerMetadata {
            code_challenge_methods_supported: methods
                .map(|methods| methods.iter().map(ToString::to_string).collect()),
            ..AuthorizationServerMetadata::new("https://a.example")
        };
        assert!(with(Some(&["plain", "S256"])).supports_pkce());
        assert!(!with(Some(&["plain"])).supports_pkce());
        assert!(!with(None).supports_pkce());
    }

    #[test]
    fn absent_and_empty_differ() {
        let text = r#"{"issuer":"https://a.example","code_challenge_methods_supported":[],
            "dpop_signing_alg_values_supported":["ES256"],"unknown":{"x":1}}"#;
        let metadata: AuthorizationServerMetadata = serde_json::from_str(text).unwrap();
        assert_eq!(metadata.code_challenge_methods_supported, Some(Vec::new()));
        assert_eq!(metadata.scopes_supported, None);
        assert!(!metadata.client_id_metadata_document_supported);
        assert!(serde_json::from_str::<AuthorizationServerMetadata>("{}").is_err());
    }
}
