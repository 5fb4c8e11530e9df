//! The name of a run.

use std::fmt;

use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};

/// The name of a run: 128 random bits, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// A name that no other run has.
    pub(crate) fn random() -> Self {
        let mut bytes = [0; 16];
        if SystemRandom::new().fill(&mut bytes).is_err() {
            // A machine without random numbers; the hasher's own are not secret, but differ.
            use std::hash::{BuildHasher as _, RandomState};
            let half = |salt: u8| RandomState::new().hash_one(salt).to_be_bytes();
            bytes = (u128::from(u64::from_be_bytes(half(0))) << 64
                | u128::from(u64::from_be_bytes(half(1))))
            .to_be_bytes();
        }
        Self(format!("{:032x}", u128::from_be_bytes(bytes)))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Enough of the name for a person.
    pub fn short(&self) -> &str {
        self.0.get(..8).unwrap_or(&self.0)
    }
}

impl From<String> for RunId {
    fn from(name: String) -> Self {
        Self(name)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
