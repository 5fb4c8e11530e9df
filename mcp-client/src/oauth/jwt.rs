//! Signed JSON Web Tokens (RFC 7515, RFC 7519) and the public half of their keys (RFC 7517).
//! Nothing is verified here: the client only presents tokens.

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
    },
};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use serde::Serialize;
use serde_json::{Map, Value};

/// A signature algorithm by its JOSE name (RFC 7518 section 3.1, RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSA, PKCS#1 v1.5 with SHA-256.
    Rs256,
    /// RSA-PSS with SHA-256.
    Ps256,
}

/// A private key that signs, of a registered client. It cannot be read back.
///
/// ```no_run
/// use mcp_client::oauth::{ClientCredentials, SigningKey};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let pem = std::fs::read_to_string("client.pem")?;
/// let client = ClientCredentials::private_key_jwt("my-client", SigningKey::from_pem(&pem)?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<Pair>,
    key_id: Option<String>,
    algorithm: SigningAlgorithm,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

/// A key or a token cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    /// The text is not PEM with a private key.
    #[error("no private key found: expected PEM that begins with `-----BEGIN PRIVATE KEY-----`")]
    NotPem(#[source] rustls_pki_types::pem::Error),
    /// The key is of a kind or size that is not used.
    #[error(
        "the private key cannot be used: expected PKCS#8 with a P-256, Ed25519 or RSA key of at \
         least 2048 bits (`openssl pkcs8 -topk8 -nocrypt` converts older files)"
    )]
    UnusableKey,
    /// The key cannot sign this way.
    #[error("the private key cannot sign with {0}")]
    WrongAlgorithm(SigningAlgorithm),
    /// The system gave no random numbers, or refused to sign.
    #[error("signing failed")]
    Signing,
    /// The claims cannot be written.
    #[error("the claims cannot be written as JSON")]
    Claims(#[source] serde_json::Error),
}

impl SigningAlgorithm {
    /// The JOSE name, such as `ES256`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
        }
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl SigningKey {
    /// Reads a key from PEM: PKCS#8, or PKCS#1 for RSA. An RSA key signs with RS256 unless told
    /// otherwise.
    ///
    /// # Errors
    /// There is no key, or it is not one of the supported kinds.
    pub fn from_pem(pem: &str) -> Result<Self, JwtError> {
        match PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(JwtError::NotPem)? {
            PrivateKeyDer::Pkcs8(der) => Self::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der())
                .map(|pair| Self::new(Pair::Rsa(pair)))
                .map_err(|_| JwtError::UnusableKey),
            _ => Err(JwtError::UnusableKey),
        }
    }

    /// Reads a key from PKCS#8 in DER.
    ///
    /// # Errors
    /// It is not one of the supported kinds.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, JwtError> {
        let random = SystemRandom::new();
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random)
            .map(Pair::Ecdsa)
            .or_else(|_| Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Pair::Ed25519))
            .or_else(|_| RsaKeyPair::from_pkcs8(der).map(Pair::Rsa))
            .map(Self::new)
            .map_err(|_| JwtError::UnusableKey)
    }

    fn new(pair: Pair) -> Self {
        let algorithm = match &pair {
            Pair::Ecdsa(_) => SigningAlgorithm::Es256,
            Pair::Ed25519(_) => SigningAlgorithm::EdDsa,
            Pair::Rsa(_) => SigningAlgorithm::Rs256,
        };
        Self { pair: Arc::new(pair), key_id: None, algorithm }
    }

    /// Names the key (`kid`), for servers that know several of this client.
    #[must_use]
    pub fn key_id(mut self, key_id: impl Into<String>) -> Self {
        self.key_id = Some(key_id.into());
        self
    }

    /// Signs with another algorithm: the choice between `RS256` and `PS256`.
    ///
    /// # Errors
    /// The key cannot.
    pub fn with_algorithm(mut self, algorithm: SigningAlgorithm) -> Result<Self, JwtError> {
        if !self.pair.algorithms().contains(&algorithm) {
            return Err(JwtError::WrongAlgorithm(algorithm));
        }
        self.algorithm = algorithm;
        Ok(self)
    }

    /// How it signs.
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// The same key with an algorithm that the other side lists, when the key can sign with one.
    /// A side that lists nothing gets the key's own choice.
    pub(super) fn accepted_by(&self, listed: &[String]) -> Self {
        let is_listed =
            |algorithm: &SigningAlgorithm| listed.iter().any(|name| name == algorithm.name());
        let mut key = self.clone();
        if !listed.is_empty() && !is_listed(&self.algorithm) {
            let able = self.pair.algorithms().iter().copied().find(is_listed);
            key.algorithm = able.unwrap_or(self.algorithm);
        }
        key
    }

    /// The compact form of a token with these claims. `header` adds to `alg` and `kid`.
    pub(super) fn sign(
        &self,
        mut header: Map<String, Value>,
        claims: &impl Serialize,
    ) -> Result<String, JwtError> {
        header.insert("alg".to_owned(), self.algorithm.name().into());
        if let Some(key_id) = &self.key_id {
            header.insert("kid".to_owned(), key_id.as_str().into());
        }
        let header = serde_json::to_vec(&header).map_err(JwtError::Claims)?;
        let claims = serde_json::to_vec(claims).map_err(JwtError::Claims)?;
        let mut token = URL_SAFE_NO_PAD.encode(header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, JwtError> {
        let random = SystemRandom::new();
        let signed = match &*self.pair {
            Pair::Ecdsa(pair) => pair.sign(&random, message).map(|done| done.as_ref().to_vec()),
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let padding: &dyn ring::signature::RsaEncoding = match self.algorithm {
                    SigningAlgorithm::Ps256 => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &random, message, &mut signature).map(|()| signature)
            }
        };
        signed.map_err(|_| JwtError::Signing)
    }

    /// The public half as a key of a set (RFC 7517), for keys on curves.
    pub(super) fn jwk(&self) -> Option<Value> {
        let mut jwk = self.public_jwk()?.to_json();
        jwk["alg"] = self.algorithm.name().into();
        jwk["use"] = "sig".into();
        if let Some(key_id) = &self.key_id {
            jwk["kid"] = key_id.as_str().into();
        }
        Some(jwk)
    }

    /// The public half, for keys on curves.
    pub(super) fn public_jwk(&self) -> Option<PublicJwk> {
        match &*self.pair {
            Pair::Ecdsa(pair) => {
                // SEC 1: 0x04, then both coordinates of 32 bytes.
                let (x, y) = pair.public_key().as_ref().get(1..)?.split_at_checked(32)?;
                Some(PublicJwk::Ec { x: URL_SAFE_NO_PAD.encode(x), y: URL_SAFE_NO_PAD.encode(y) })
            }
            Pair::Ed25519(pair) => {
                Some(PublicJwk::Okp { x: URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()) })
            }
            Pair::Rsa(_) => None,
        }
    }
}

impl Pair {
    fn algorithms(&self) -> &'static [SigningAlgorithm] {
        match self {
            Self::Ecdsa(_) => &[SigningAlgorithm::Es256],
            Self::Ed25519(_) => &[SigningAlgorithm::EdDsa],
            Self::Rsa(_) => &[SigningAlgorithm::Rs256, SigningAlgorithm::Ps256],
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// A public key as JSON (RFC 7517), its coordinates in base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PublicJwk {
    /// P-256.
    Ec { x: String, y: String },
    /// Ed25519.
    Okp { x: String },
}

impl PublicJwk {
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Ec { x, y } => serde_json::json!({"kty": "EC", "crv": "P-256", "x": x, "y": y}),
            Self::Okp { x } => serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": x}),
        }
    }

    /// The SHA-256 of the required members in alphabetical order (RFC 7638).
    pub(super) fn thumbprint(&self) -> String {
        let canonical = match self {
            Self::Ec { x, y } => format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Self::Okp { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
        };
        sha256(&canonical)
    }
}

/// The SHA-256 of a text in base64url, as RFC 7638 and RFC 9449 (`ath`) want it.
pub(super) fn sha256(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

/// A name that nobody used before: 128 random bits.
pub(super) fn unique_id() -> Result<String, JwtError> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| JwtError::Signing)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests;
