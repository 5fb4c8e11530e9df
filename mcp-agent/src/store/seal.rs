//! Sealing: nobody without the key reads what is kept, changes it, or moves it elsewhere.

use std::{
    fmt,
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    path::Path,
};

use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Salt},
    rand::{SecureRandom as _, SystemRandom},
};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
use serde::{Serialize, de::DeserializeOwned};

use super::StoreError;

/// The length of a key, in bytes.
const KEY_BYTES: usize = 32;

/// The key under which a store keeps what was said.
pub struct StoreKey(LessSafeKey);

impl StoreKey {
    /// This key.
    ///
    /// # Errors
    /// The cipher refuses it.
    pub fn new(key: &[u8; KEY_BYTES]) -> Result<Self, StoreError> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).map_err(|_| StoreError::Unsealable)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// The key that every process derives alike from this secret, by HKDF (RFC 5869). The secret
    /// should be 16 random bytes or more.
    ///
    /// # Errors
    /// The cipher refuses it.
    pub fn derive(secret: &[u8]) -> Result<Self, StoreError> {
        let derived = Salt::new(HKDF_SHA256, b"MCP stores").extract(secret);
        let key = derived
            .expand(&[b"ChaCha20-Poly1305"], &CHACHA20_POLY1305)
            .map_err(|_| StoreError::Unsealable)?;
        Ok(Self(LessSafeKey::new(UnboundKey::from(key))))
    }

    /// The key in a file that only its owner can read. Where there is none, one is made.
    ///
    /// # Errors
    /// The file cannot be read or made, or holds something else.
    pub fn of_file(path: &Path) -> Result<Self, StoreError> {
        let failed = |source: std::io::Error| StoreError::Failed {
            place: path.display().to_string(),
            source: source.into(),
        };
        let mut key = [0; KEY_BYTES];
        SystemRandom::new().fill(&mut key).map_err(|_| StoreError::Unsealable)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(path) {
            Ok(mut file) => {
                file.write_all(&key).and_then(|()| file.sync_all()).map_err(failed)?;
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let bytes = fs::read(path).map_err(failed)?;
                key = bytes.try_into().map_err(|_| StoreError::Unsealable)?;
            }
            Err(error) => return Err(failed(error)),
        }
        Self::new(&key)
    }

    /// Seals a value as JSON.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(super) fn seal_value(
        &self,
        place: &str,
        value: &impl Serialize,
    ) -> Result<Vec<u8>, StoreError> {
        let text =
            serde_json::to_vec(value).map_err(|error| StoreError::Unreadable(error.into()))?;
        self.seal(place, &text)
    }

    /// The value, if it was sealed for this place with this key.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(super) fn unseal_value<T: DeserializeOwned>(
        &self,
        place: &str,
        sealed: &[u8],
    ) -> Result<T, StoreError> {
        let text = self.open(place, sealed)?;
        serde_json::from_slice(&text).map_err(|error| StoreError::Unreadable(error.into()))
    }

    /// Seals a text for one place. A nonce at random repeats after some 2^32 texts at the earliest.
    pub(crate) fn seal(&self, place: &str, text: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| StoreError::Unsealable)?;
        let mut sealed = text.to_vec();
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place),
                &mut sealed,
            )
            .map_err(|_| StoreError::Unsealable)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// The text, if it was sealed for this place with this key.
    pub(crate) fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (nonce, text) =
            sealed.split_first_chunk::<NONCE_LEN>().ok_or(StoreError::Unsealable)?;
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.0.open_in_place(nonce, Aad::from(place), &mut text);
        Ok(opened.map_err(|_| StoreError::Unsealable)?.to_vec())
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(***)")
    }
}
