//! Proof of possession (RFC 9449): tokens that are worthless without the key that they were
//! issued to.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use http::{HeaderMap, HeaderValue, Method, Uri, header};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use serde_json::{Map, Value};

use super::jwt::{JwtError, PublicJwk, SigningAlgorithm, SigningKey, sha256, unique_id};
use crate::Secret;

/// The header of a proof.
pub(super) const DPOP: &str = "dpop";
/// The header with the value that the next proof must repeat.
pub(super) const DPOP_NONCE: &str = "dpop-nonce";

/// Origins remembered at most: the authorization server, the MCP server and a few to spare.
const MAX_ORIGINS: usize = 16;
/// A `Date` header is cut to seconds and has travelled; a smaller difference is no skew.
const SKEW_THRESHOLD_SECONDS: i64 = 5;

/// A key that tokens are bound to, and what is known of the servers that check its proofs.
///
/// Clones share both. The key leaves memory only within a sealed token store.
#[derive(Clone)]
pub struct DpopKey(Arc<Inner>);

struct Inner {
    key: SigningKey,
    jwk: PublicJwk,
    /// For the store.
    pkcs8: Vec<u8>,
    servers: Mutex<HashMap<String, Seen>>,
}

/// What the answers of one origin told.
#[derive(Clone, Debug, Default)]
struct Seen {
    nonce: Option<String>,
    /// How far its clock is ahead of ours.
    skew_seconds: i64,
}

impl DpopKey {
    /// Makes a key for the algorithms that the authorization server lists
    /// (`dpop_signing_alg_values_supported`): Ed25519 where only that is listed, P-256 otherwise.
    ///
    /// # Errors
    /// The system gave no random numbers.
    pub fn generate(listed: &[String]) -> Result<Self, JwtError> {
        let lists =
            |algorithm: SigningAlgorithm| listed.iter().any(|name| name == algorithm.name());
        let random = SystemRandom::new();
        let document = if lists(SigningAlgorithm::EdDsa) && !lists(SigningAlgorithm::Es256) {
            Ed25519KeyPair::generate_pkcs8(&random)
        } else {
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
        };
        Self::from_pkcs8(document.map_err(|_| JwtError::Signing)?.as_ref())
    }

    /// A key that was kept.
    pub(super) fn from_pkcs8(der: &[u8]) -> Result<Self, JwtError> {
        let key = SigningKey::from_pkcs8(der)?;
        let jwk = key.public_jwk().ok_or(JwtError::UnusableKey)?;
        Ok(Self(Arc::new(Inner { key, jwk, pkcs8: der.to_vec(), servers: Mutex::default() })))
    }

    pub(super) fn pkcs8(&self) -> &[u8] {
        &self.0.pkcs8
    }

    /// The name of the key (RFC 7638), which is no secret.
    pub fn thumbprint(&self) -> String {
        self.0.jwk.thumbprint()
    }

    /// How it signs.
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.0.key.algorithm()
    }

    /// A proof for one request: the value of its `DPoP` header. `access_token` is the token that
    /// the request shows, none at a token endpoint.
    ///
    /// # Errors
    /// Signing failed.
    pub fn proof(
        &self,
        method: &Method,
        url: &Uri,
        access_token: Option<&Secret>,
    ) -> Result<HeaderValue, JwtError> {
        let header = Map::from_iter([
            ("typ".to_owned(), "dpop+jwt".into()),
            ("jwk".to_owned(), self.0.jwk.to_json()),
        ]);
        let Seen { nonce, skew_seconds } =
            self.servers().get(&origin(url)).cloned().unwrap_or_default();
        let mut claims = Map::from_iter([
            ("jti".to_owned(), unique_id()?.into()),
            ("htm".to_owned(), method.as_str().into()),
            ("htu".to_owned(), target(url).into()),
            ("iat".to_owned(), (unix_seconds(SystemTime::now()) + skew_seconds).into()),
        ]);
        if let Some(token) = access_token {
            claims.insert("ath".to_owned(), sha256(token.reveal()).into());
        }
        if let Some(nonce) = nonce {
            claims.insert("nonce".to_owned(), Value::String(nonce));
        }
        let proof = self.0.key.sign(header, &claims)?;
        // Base64url and dots.
        HeaderValue::try_from(proof).map_err(|_| JwtError::Signing)
    }

    /// Learns from the headers of any answer: the nonce for the next proof, and the server's
    /// clock. Returns whether there was a nonce.
    pub fn observe(&self, url: &Uri, headers: &HeaderMap) -> bool {
        let nonce = headers.get(DPOP_NONCE).and_then(|value| value.to_str().ok());
        let skew = headers
            .get(header::DATE)
            .and_then(|value| httpdate::parse_http_date(value.to_str().ok()?).ok())
            .map(|date| unix_seconds(date) - unix_seconds(SystemTime::now()));
        if nonce.is_none() && skew.is_none() {
            return false;
        }
        let origin = origin(url);
        let mut servers = self.servers();
        if servers.len() >= MAX_ORIGINS && !servers.contains_key(&origin) {
            servers.clear();
        }
        let seen = servers.entry(origin).or_default();
        if let Some(nonce) = nonce {
            seen.nonce = Some(nonce.to_owned());
        }
        if let Some(skew) = skew {
            seen.skew_seconds = if skew.abs() < SKEW_THRESHOLD_SECONDS { 0 } else { skew };
        }
        nonce.is_some()
    }

    fn servers(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        self.0.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn origin(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or_default();
    let authority = url.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{}", authority.to_ascii_lowercase())
}

/// The URL without query and fragment (RFC 9449 section 4.2), and without user information.
fn target(url: &Uri) -> String {
    format!("{}{}", origin(url), url.path())
}

/// Seconds since 1970, negative before.
pub(super) fn unix_seconds(time: SystemTime) -> i64 {
    let seconds =
        |duration: std::time::Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => seconds(after),
        Err(before) => -seconds(before.duration()),
    }
}

impl fmt::Debug for DpopKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DpopKey").field(&self.thumbprint()).finish()
    }
}

impl PartialEq for DpopKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.jwk == other.0.jwk
    }
}

impl Eq for DpopKey {}

#[cfg(test)]
mod tests;
