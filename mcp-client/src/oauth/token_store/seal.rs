//! Sealing: nobody without the key reads a file, changes it or moves it to another name.

use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom, SystemRandom},
};

use super::TokenStoreError;
use crate::{Secret, oauth::jwt::JwtError};

pub(super) const KEY_BYTES: usize = 32;

/// What a sealed file begins with, so that a later format can be told apart.
const MAGIC: &[u8] = b"mcp-sealed-1\n";

pub(super) struct SealingKey(LessSafeKey);

impl SealingKey {
    pub(super) fn new(key: &[u8; KEY_BYTES]) -> Result<Self, TokenStoreError> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key)
            .map_err(|_| TokenStoreError::Failed(JwtError::UnusableKey.into()))?;
        Ok(Self(LessSafeKey::new(key)))
    }

    pub(super) fn random() -> Result<[u8; KEY_BYTES], TokenStoreError> {
        let mut key = [0; KEY_BYTES];
        SystemRandom::new().fill(&mut key).map_err(|_| no_random_numbers())?;
        Ok(key)
    }

    /// Seals a value under a name. A nonce at random repeats after some 2^32 values at the
    /// earliest, and a token is renewed once an hour.
    pub(super) fn seal(&self, name: &str, value: &Secret) -> Result<Vec<u8>, TokenStoreError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| no_random_numbers())?;
        let mut text = value.reveal().as_bytes().to_vec();
        let place = Nonce::assume_unique_for_key(nonce);
        self.0
            .seal_in_place_append_tag(place, Aad::from(name), &mut text)
            .map_err(|_| no_random_numbers())?;
        Ok([MAGIC, &nonce, &text].concat())
    }

    /// The value, if it was sealed under this name with this key and nobody changed it.
    pub(super) fn open(&self, name: &str, sealed: &[u8]) -> Option<Secret> {
        let (nonce, text) = sealed.strip_prefix(MAGIC)?.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let text = self.0.open_in_place(nonce, Aad::from(name), &mut text).ok()?;
        Some(Secret::new(std::str::from_utf8(text).ok()?))
    }
}

fn no_random_numbers() -> TokenStoreError {
    TokenStoreError::Failed(JwtError::Signing.into())
}
