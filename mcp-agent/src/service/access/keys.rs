//! API keys: shown once, kept as digests.

use std::{collections::HashMap, fmt, io};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mcp_client::Secret;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{
    principal::{Principal, Role},
    random_token,
    rules::AccessRules,
};

/// How keys begin, so that those who search files for secrets find them.
const PREFIX: &str = "mcp_";

/// What a service knows of an API key: enough to know it again, not to make it.
///
/// ```
/// use mcp_agent::service::{AccessRules, ApiKey, Role};
///
/// # fn main() -> std::io::Result<()> {
/// let (key, secret) = ApiKey::new("ci", Role::User, AccessRules::default().allow("notes"))?;
/// // The secret is for its user, and is kept nowhere else.
/// assert!(secret.reveal().starts_with("mcp_"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Whose it is.
    pub name: String,
    /// What its user may do.
    pub role: Role,
    /// The SHA-256 digest of the key. Keys are as random as digests are long, so nothing slower is needed.
    pub digest: KeyDigest,
    /// Patterns of what is there for its user; everything when empty. See [`AccessRules`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// Patterns of what is not there, whatever allows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
}

impl ApiKey {
    /// A new key, and the secret that stands for it: 32 random bytes.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn new(
        name: impl Into<String>,
        role: Role,
        rules: AccessRules,
    ) -> io::Result<(Self, Secret)> {
        let secret = Secret::new(format!("{PREFIX}{}", random_token()?.reveal()));
        let digest = KeyDigest::of(secret.reveal());
        let AccessRules { allow, deny } = rules;
        Ok((Self { name: name.into(), role, digest, allow, deny }, secret))
    }

    fn principal(&self) -> Principal {
        let rules = AccessRules { allow: self.allow.clone(), deny: self.deny.clone() };
        Principal::new(format!("key:{}", self.name), self.role, rules)
    }
}

/// The SHA-256 digest of a key, written as `sha256:` and base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// The digest of a key.
    pub fn of(secret: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
        Self(bytes)
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix("sha256:")?).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for KeyDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| D::Error::custom("a digest is `sha256:` and 43 characters of base64url"))
    }
}

/// Keys, by what is known of them.
#[derive(Debug, Default)]
pub(super) struct KeyRing(HashMap<KeyDigest, Principal>);

impl KeyRing {
    pub(super) fn new(keys: &[ApiKey]) -> Self {
        Self(keys.iter().map(|key| (key.digest, key.principal())).collect())
    }

    pub(super) fn add(&mut self, secret: &Secret, principal: Principal) {
        self.0.insert(KeyDigest::of(secret.reveal()), principal);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose key it is. How long looking takes tells of digests only, which tell nothing of keys.
    pub(super) fn find(&self, secret: &str) -> Option<&Principal> {
        self.0.get(&KeyDigest::of(secret))
    }

    pub(super) fn has(&self, principal: &Principal) -> bool {
        self.0.values().any(|known| known == principal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_again_and_not_told() {
        let (key, secret) = ApiKey::new("ci", Role::User, AccessRules::default()).unwrap();
        let (other, _) = ApiKey::new("ci", Role::User, AccessRules::default()).unwrap();
        assert_ne!(key.digest, other.digest);
        let text = serde_json::to_string(&key).unwrap();
        assert!(!text.contains(secret.reveal().strip_prefix(PREFIX).unwrap()), "{text}");
        let read: ApiKey = serde_json::from_str(&text).unwrap();
        assert_eq!(read, key);
        let ring = KeyRing::new(&[read]);
        assert_eq!(ring.find(secret.reveal()).unwrap().id(), "key:ci");
        assert!(ring.find("mcp_other").is_none() && ring.find("").is_none());
        // Neither is the digest itself a key.
        assert!(ring.find(&key.digest.to_string()).is_none());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let digest = "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let good = serde_json::json!({"name": "x", "role": "viewer", "digest": digest});
        serde_json::from_value::<ApiKey>(good.clone()).unwrap();
        for (field, value) in [("digest", "sha256:AA"), ("role", "root"), ("roles", "admin")] {
            let mut bad = good.clone();
            bad[field] = value.into();
            serde_json::from_value::<ApiKey>(bad).unwrap_err();
        }
    }
}
