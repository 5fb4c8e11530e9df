//! How a client shows who it is at a token endpoint (RFC 6749 section 2.3, RFC 7523).

use std::time::{Duration, SystemTime};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Map, json};
use url::form_urlencoded::byte_serialize;

use super::{
    authorization_server::AuthorizationServerMetadata,
    dpop::unix_seconds,
    jwt::{JwtError, SigningKey, unique_id},
    token_error::TokenError,
};
use crate::Secret;

/// How long an assertion may be used; it is used at once.
const ASSERTION_LIFE: Duration = Duration::from_secs(60);
/// Its name in metadata.
pub(super) const PRIVATE_KEY_JWT: &str = "private_key_jwt";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Who the client is to one authorization server.
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// The public name.
    pub client_id: String,
    /// The proof of it.
    pub authentication: ClientAuthentication,
}

/// The proof that a client is who it says.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// None: a public client, such as a program on a person's machine.
    None,
    /// A shared secret, sent in whichever way the server lists; in a header when it lists nothing.
    Secret(Secret),
    /// A shared secret in the `Authorization` header: `client_secret_basic`.
    SecretBasic(Secret),
    /// A shared secret in the body: `client_secret_post`.
    SecretPost(Secret),
    /// A signed statement: `private_key_jwt`. The secret never leaves the client.
    PrivateKeyJwt(SigningKey),
}

impl ClientCredentials {
    /// A client without a secret.
    pub fn public(client_id: impl Into<String>) -> Self {
        Self { client_id: client_id.into(), authentication: ClientAuthentication::None }
    }

    /// A client with a shared secret, sent in whichever way the server lists.
    pub fn secret(client_id: impl Into<String>, secret: impl Into<String>) -> Self {
        let authentication = ClientAuthentication::Secret(Secret::new(secret));
        Self { client_id: client_id.into(), authentication }
    }

    /// A client with a private key whose public half the server knows.
    pub fn private_key_jwt(client_id: impl Into<String>, key: SigningKey) -> Self {
        let authentication = ClientAuthentication::PrivateKeyJwt(key);
        Self { client_id: client_id.into(), authentication }
    }
}

impl ClientAuthentication {
    /// What a registration came to (RFC 7591 section 3.2.1): the method that the server chose, and
    /// the secret that it gave.
    pub fn of_registration(method: Option<&str>, secret: Option<Secret>) -> Self {
        match (method, secret) {
            (Some("none"), _) | (_, None) => Self::None,
            (Some("client_secret_basic"), Some(secret)) => Self::SecretBasic(secret),
            (Some("client_secret_post"), Some(secret)) => Self::SecretPost(secret),
            (_, Some(secret)) => Self::Secret(secret),
        }
    }

    /// Whether the server says that it takes such a proof. Of a public client there is none to take.
    pub(super) fn is_taken_by(&self, server: &AuthorizationServerMetadata) -> bool {
        let Self::PrivateKeyJwt(_) = self else { return true };
        let listed = server.token_endpoint_auth_methods_supported.as_deref().unwrap_or_default();
        listed.iter().any(|method| method == PRIVATE_KEY_JWT)
    }

    /// Adds the proof to a token request. What goes into the body is added to `form`.
    pub(super) fn apply(
        &self,
        client_id: &str,
        server: &AuthorizationServerMetadata,
        headers: &mut HeaderMap,
        form: &mut Vec<(String, String)>,
    ) -> Result<(), TokenError> {
        let mut body = |name: &str, value: &str| form.push((name.to_owned(), value.to_owned()));
        match self {
            Self::None => body("client_id", client_id),
            Self::Secret(secret) if prefers_body(server) => {
                body("client_id", client_id);
                body("client_secret", secret.reveal());
            }
            Self::Secret(secret) | Self::SecretBasic(secret) => {
                headers.insert(header::AUTHORIZATION, basic(client_id, secret)?);
            }
            Self::SecretPost(secret) => {
                body("client_id", client_id);
                body("client_secret", secret.reveal());
            }
            Self::PrivateKeyJwt(key) => {
                let listed = server.token_endpoint_auth_signing_alg_values_supported.as_deref();
                let key = key.accepted_by(listed.unwrap_or_default());
                body("client_assertion_type", JWT_BEARER);
                body("client_assertion", &assertion(&key, client_id, &server.issuer)?);
            }
        }
        Ok(())
    }
}

/// A server that lists nothing means `client_secret_basic` (RFC 8414 section 2).
fn prefers_body(server: &AuthorizationServerMetadata) -> bool {
    let listed = server.token_endpoint_auth_methods_supported.as_deref().unwrap_or_default();
    let lists = |method: &str| listed.iter().any(|listed| listed == method);
    lists("client_secret_post") && !lists("client_secret_basic")
}

/// Name and secret are form-encoded before they become Basic (RFC 6749 section 2.3.1).
fn basic(client_id: &str, secret: &Secret) -> Result<HeaderValue, TokenError> {
    let mut pair: String = byte_serialize(client_id.as_bytes()).collect();
    pair.push(':');
    pair.extend(byte_serialize(secret.reveal().as_bytes()));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
        .map_err(|_| TokenError::Signing(JwtError::Signing))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The audience is the issuer alone, so that no other server can use the assertion.
fn assertion(key: &SigningKey, client_id: &str, issuer: &str) -> Result<String, JwtError> {
    let now = SystemTime::now();
    let header = Map::from_iter([("typ".to_owned(), "JWT".into())]);
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": issuer,
        "iat": unix_seconds(now),
        "exp": unix_seconds(now + ASSERTION_LIFE),
        "jti": unique_id()?,
    });
    key.sign(header, &claims)
}

#[cfg(test)]
mod tests;
