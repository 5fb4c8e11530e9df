//! Client ID Metadata Documents: a client whose id is the URL of a document about it.

use serde::Serialize;
use serde_json::{Value, json};
use url::Url;

use super::{OAuthError, SigningKey, client_authentication::PRIVATE_KEY_JWT};

/// The document to publish at the URL that serves as client id.
///
/// ```
/// use mcp_client::oauth::ClientIdMetadata;
///
/// let document = ClientIdMetadata::new("https://app.example/client.json", "My app");
/// println!("{}", serde_json::to_string_pretty(&document)?);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ClientIdMetadata {
    /// The URL of this document, byte for byte.
    pub client_id: String,
    /// For people.
    pub client_name: String,
    /// Where codes may be sent. The listener takes any free port, which authorization servers must
    /// allow for loopback addresses (RFC 8252 section 7.3).
    pub redirect_uris: Vec<String>,
    /// The grants that it uses.
    pub grant_types: Vec<String>,
    /// The answers that it takes.
    pub response_types: Vec<String>,
    /// How it authenticates.
    pub token_endpoint_auth_method: String,
    /// The public keys of a client that signs ([`signed_by`](Self::signed_by)), RFC 7517. A document
    /// may name their place, `jwks_uri`, instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
}

impl ClientIdMetadata {
    /// The document of a public client that asks through the browser.
    pub fn new(client_id: impl Into<String>, client_name: impl Into<String>) -> Self {
        let list = |items: &[&str]| items.iter().map(ToString::to_string).collect();
        Self {
            client_id: client_id.into(),
            client_name: client_name.into(),
            redirect_uris: list(&["http://127.0.0.1/callback", "http://localhost/callback"]),
            grant_types: list(&["authorization_code", "refresh_token"]),
            response_types: list(&["code"]),
            token_endpoint_auth_method: "none".to_owned(),
            jwks: None,
        }
    }

    /// The document of a client that signs with this key, for
    /// [`OAuth::client_id_metadata_signed`](super::OAuth::client_id_metadata_signed). The public
    /// half of an RSA key is left out: add it to `jwks` yourself.
    #[must_use]
    pub fn signed_by(mut self, key: &SigningKey) -> Self {
        PRIVATE_KEY_JWT.clone_into(&mut self.token_endpoint_auth_method);
        self.jwks = key.jwk().map(|key| json!({"keys": [key]}));
        self
    }
}

/// Checks that a URL can serve as client id: https, and with a path.
pub(super) fn check(client_id: &str) -> Result<(), OAuthError> {
    let refuse = |reason: &str| {
        Err(OAuthError::ForbiddenUrl { url: client_id.to_owned(), reason: reason.to_owned() })
    };
    match Url::parse(client_id) {
        Ok(url) if url.scheme() != "https" => refuse("a client id that is a URL must be https"),
        Ok(url) if url.path() == "/" => refuse("a client id that is a URL must have a path"),
        Ok(url) if url.fragment().is_some() || !url.username().is_empty() => {
            refuse("a client id that is a URL has no fragment and no credentials")
        }
        Ok(_) => Ok(()),
        Err(_) => refuse("it is not a URL"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_an_https_url_with_a_path() {
        assert!(check("https://app.example/client.json").is_ok());
        for bad in ["http://app.example/c", "https://app.example", "https://a@b.example/c", "c"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
