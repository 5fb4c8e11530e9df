//! What a token endpoint gives: an access token and all that belongs to it.

use std::time::{Duration, SystemTime};

use super::dpop::DpopKey;
use crate::Secret;

/// The longest time before its end that a token counts as stale.
const MAX_MARGIN: Duration = Duration::from_secs(60);

/// An access token, for whom it is, and what renews it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenSet {
    /// What requests show.
    pub access_token: Secret,
    /// How they show it.
    pub token_type: TokenType,
    /// What renews it, where the server gave one.
    pub refresh_token: Option<Secret>,
    /// Who the user is, for clients of an identity provider.
    pub id_token: Option<Secret>,
    /// When it was asked for.
    pub obtained_at: SystemTime,
    /// When whoever it is of gave leave for it: another one after each login, and the same for what
    /// renews it. `None` where nobody was asked, or it was kept before this was noted.
    pub granted_at: Option<SystemTime>,
    /// When it ends, where the server said so. Counted from when it was asked for, so never late.
    pub expires_at: Option<SystemTime>,
    /// What was asked for.
    pub scopes_requested: Vec<String>,
    /// What was given; the same where the server does not say (RFC 6749 section 5.1).
    pub scopes_granted: Vec<String>,
    /// The authorization server that issued it. The token goes nowhere that this server does not
    /// speak for.
    pub issuer: String,
    /// The MCP server that it is for (RFC 8707), byte for byte as sent.
    pub resource: String,
    /// The key that it is bound to.
    pub dpop_key: Option<DpopKey>,
}

/// How a token is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenType {
    /// Whoever holds it may use it (RFC 6750).
    Bearer,
    /// Each request proves possession of a key (RFC 9449).
    Dpop,
}

impl TokenSet {
    /// Notes what was asked for where the token request itself did not name it. A server that does
    /// not say what it gave has given that.
    pub(super) fn asked_for(mut self, scopes: &[String]) -> Self {
        self.scopes_requested = scopes.to_vec();
        if self.scopes_granted.is_empty() {
            self.scopes_granted.clone_from(&self.scopes_requested);
        }
        self
    }

    /// Whether it is better to renew it before use: at its end, or shortly before. The margin is a
    /// fifth of its life, at most a minute.
    pub fn is_stale(&self, now: SystemTime) -> bool {
        let Some(expires_at) = self.expires_at else { return false };
        let life = expires_at.duration_since(self.obtained_at).unwrap_or_default();
        now + MAX_MARGIN.min(life / 5) >= expires_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lasting(seconds: Option<u64>) -> TokenSet {
        let obtained_at = SystemTime::UNIX_EPOCH;
        TokenSet {
            access_token: Secret::new("a"),
            token_type: TokenType::Bearer,
            refresh_token: None,
            id_token: None,
            obtained_at,
            granted_at: None,
            expires_at: seconds.map(|seconds| obtained_at + Duration::from_secs(seconds)),
            scopes_requested: Vec::new(),
            scopes_granted: Vec::new(),
            issuer: "https://as.example".to_owned(),
            resource: "https://mcp.example/mcp".to_owned(),
            dpop_key: None,
        }
    }

    #[test]
    fn a_token_is_stale_shortly_before_its_end() {
        let check = |life: Option<u64>, age: u64, stale: bool| {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(age);
            assert_eq!(lasting(life).is_stale(now), stale, "{life:?} after {age}");
        };
        check(Some(3600), 3539, false);
        check(Some(3600), 3540, true);
        check(Some(10), 7, false);
        check(Some(10), 8, true);
        check(Some(0), 0, true);
        check(None, u64::from(u32::MAX), false);
    }

    // covers: auth-secrets-hidden
    #[test]
    fn nothing_secret_is_shown() {
        let shown =
            format!("{:?}", TokenSet { access_token: Secret::new("hunter2"), ..lasting(None) });
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
