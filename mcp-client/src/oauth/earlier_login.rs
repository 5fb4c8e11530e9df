//! Access that somebody has given before, by another program or another part of this one.

use mcp_transport::BoxFuture;

use super::{Discovered, Grant, OAuthError, TokenSet};

/// Shows the tokens of the store and renews them, and asks nobody for others. Where there are none,
/// or none for enough, the error is [`OAuthError::NotLoggedIn`]; a login by another [`OAuth`] with
/// the same store is taken over.
///
/// [`OAuth`]: super::OAuth
#[derive(Clone, Copy, Debug, Default)]
pub struct EarlierLogin;

impl Grant for EarlierLogin {
    fn acquire<'a>(
        &'a self,
        at: &'a Discovered<'a>,
    ) -> BoxFuture<'a, Result<TokenSet, OAuthError>> {
        let scopes = at.scopes().to_vec();
        Box::pin(async { Err(OAuthError::NotLoggedIn { scopes, for_more: false }) })
    }

    fn refreshes(&self) -> bool {
        true
    }

    fn only_takes_over(&self) -> bool {
        true
    }
}
