//! Proof Key for Code Exchange (RFC 7636), S256 only.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom as _, SystemRandom},
};

use super::OAuthError;
use crate::Secret;

/// The proof that the program that redeems a code is the one that asked for it.
#[derive(Debug)]
pub(super) struct Pkce {
    /// Kept until the code is redeemed.
    pub(super) verifier: Secret,
    /// Sent with the authorization request.
    pub(super) challenge: String,
}

impl Pkce {
    pub(super) fn new() -> Result<Self, OAuthError> {
        Ok(Self::of(unguessable()?))
    }

    fn of(verifier: String) -> Self {
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        Self { verifier: Secret::new(verifier), challenge }
    }
}

/// 256 random bits as text that needs no escaping in a URL.
pub(super) fn unguessable() -> Result<String, OAuthError> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| OAuthError::NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers: auth-pkce
    #[test]
    fn the_example_of_the_rfc() {
        // RFC 7636 appendix B.
        let pkce = Pkce::of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned());
        assert_eq!(pkce.challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn no_two_are_alike() {
        let (one, other) = (Pkce::new().unwrap(), Pkce::new().unwrap());
        assert_eq!(one.verifier.reveal().len(), 43);
        assert_ne!(one.verifier, other.verifier);
    }
}
