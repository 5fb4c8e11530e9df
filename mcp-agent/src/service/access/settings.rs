//! Who is let in, as it is written down.

use serde::{Deserialize, Serialize};

use super::{jwt::JwtIssuer, keys::ApiKey};

/// The keys and issuers that a service trusts. Keys that are not known here are errors when it is
/// read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AccessSettings {
    /// Where clients reach the service, such as `https://tools.example.com`, if that is not what
    /// they write into `Host`. It names the protected resource (RFC 9728).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// API keys.
    #[serde(default, rename = "key", skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<ApiKey>,
    /// Who issues JSON Web Tokens for this service.
    #[serde(default, rename = "jwt", skip_serializing_if = "Vec::is_empty")]
    pub issuers: Vec<JwtIssuer>,
}

/// Settings of access cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAccess {
    /// Two keys of the same name cannot be told apart when one is to be removed.
    #[error("there are two keys named `{name}`")]
    DuplicateKey {
        /// The name.
        name: String,
    },
    /// A URL would let others on the way read or change what is fetched.
    #[error("`{url}` must be an https address (http is for this machine only)")]
    Url {
        /// The URL.
        url: String,
    },
    /// Any token of the issuer would be taken, whoever it was made for.
    #[error("the tokens of `{issuer}` need an `audience` that they are made for")]
    NoAudience {
        /// The issuer.
        issuer: String,
    },
    /// No token of the issuer would be let in.
    #[error("the tokens of `{issuer}` need at least one `grant` that says what they may do")]
    NoGrant {
        /// The issuer.
        issuer: String,
    },
    /// People cannot sign in at an issuer that does not know this service.
    #[error("to sign in at `{issuer}` needs the `client_id` that this service has there")]
    NoClient {
        /// The issuer.
        issuer: String,
    },
    /// The secret of the client is not there.
    #[error("the variable `{variable}`, which `client_secret_env` names, is not set")]
    NoSecret {
        /// Its name.
        variable: String,
    },
}

impl AccessSettings {
    /// Whether nobody is named.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.issuers.is_empty()
    }

    /// Looks for what cannot work.
    ///
    /// # Errors
    /// The first thing found.
    pub fn check(&self) -> Result<(), InvalidAccess> {
        for (at, key) in self.keys.iter().enumerate() {
            if self.keys[..at].iter().any(|other| other.name == key.name) {
                return Err(InvalidAccess::DuplicateKey { name: key.name.clone() });
            }
        }
        if let Some(url) = &self.public_url {
            super::jwt::check_url(url)?;
        }
        self.issuers.iter().try_for_each(JwtIssuer::check)
    }

    /// Looks for secrets that the environment does not have: a program that only reads or changes
    /// the settings does not need them.
    ///
    /// # Errors
    /// The first one that is missing.
    pub fn check_secrets(&self) -> Result<(), InvalidAccess> {
        self.issuers.iter().try_for_each(|issuer| issuer.client().map(drop))
    }
}
