//! Secrets in the keychain of the operating system: Keychain on macOS, Credential Manager on Windows,
//! the Secret Service elsewhere.

use std::thread;

use keyring::{Entry, Error};

/// The service under which entries are kept whose name says none.
const SERVICE: &str = "mcp";

/// The keychain cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeychainError {
    /// There is none, or it is locked.
    #[error("the keychain of this system cannot be used: start or unlock it")]
    Unusable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The entry is no text.
    #[error("the entry `{name}` of the keychain is no text: store it anew")]
    NotText {
        /// As it was asked for.
        name: String,
    },
}

/// The text of an entry, as `${keyring:NAME}` means it: the password of the account NAME of the
/// service `mcp`, or of ACCOUNT in `${keyring:SERVICE/ACCOUNT}`. `None` when there is none. Blocks
/// until the system has answered, which may ask its user.
///
/// # Errors
/// The system has no keychain that works, or the entry is no text.
pub fn keychain_entry(name: &str) -> Result<Option<String>, KeychainError> {
    let (service, account) = name.split_once('/').unwrap_or((SERVICE, name));
    // The store may wait by means of a runtime of its own, which no task of another one may do.
    let read = || Entry::new(service, account).and_then(|entry| entry.get_password());
    let answer = thread::scope(|scope| scope.spawn(read).join());
    match answer {
        Ok(Ok(text)) => Ok(Some(text)),
        Ok(Err(Error::NoEntry)) => Ok(None),
        Ok(Err(Error::BadEncoding(_))) => Err(KeychainError::NotText { name: name.to_owned() }),
        Ok(Err(error)) => Err(unusable(error)),
        Err(_) => Err(KeychainError::Unusable("the keychain's own code broke down".into())),
    }
}

fn unusable(error: Error) -> KeychainError {
    // The reason why there is no store is kept apart.
    match (error, Entry::store_status()) {
        (Error::NoDefaultStore, Err(reason)) => KeychainError::Unusable(reason.to_string().into()),
        (error, _) => KeychainError::Unusable(error.into()),
    }
}
