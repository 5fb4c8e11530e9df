//! What an authorization server says of itself: RFC 8414 and OpenID Connect Discovery.

use serde::Deserialize;

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
}

#[cfg(test)]
mod tests {
    use super::*;

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
