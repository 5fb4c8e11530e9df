//! The sealing key in the keychain of the operating system: Keychain on macOS, Credential Manager
//! on Windows, the Secret Service elsewhere.
//!
//! Only the key is kept there: keychains limit the size of a secret (2560 bytes on Windows) and
//! cannot lock one, and tokens need both.

use keyring::{Entry, Error};

use super::{
    TokenStoreError,
    seal::{KEY_BYTES, SealingKey},
};

const USER: &str = "token store key";

/// The key under this name; made when there is none.
pub(super) fn sealing_key(service: &str) -> Result<[u8; KEY_BYTES], TokenStoreError> {
    let entry = Entry::new(service, USER).map_err(unusable)?;
    match entry.get_secret() {
        Ok(bytes) => bytes
            .try_into()
            .map_err(|_| TokenStoreError::ForeignKey { service: service.to_owned() }),
        Err(Error::NoEntry) => {
            let key = SealingKey::random()?;
            entry.set_secret(&key).map_err(unusable)?;
            Ok(key)
        }
        Err(error) => Err(unusable(error)),
    }
}

fn unusable(error: Error) -> TokenStoreError {
    // The reason why there is no store is kept apart.
    match (error, Entry::store_status()) {
        (Error::NoDefaultStore, Err(reason)) => {
            TokenStoreError::Keychain(reason.to_string().into())
        }
        (error, _) => TokenStoreError::Keychain(error.into()),
    }
}
