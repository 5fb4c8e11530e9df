//! The client credentials grant: a program acts for itself (RFC 6749 section 4.4).

use mcp_protocol::extensions::OAUTH_CLIENT_CREDENTIALS;
use mcp_transport::BoxFuture;

use super::{Discovered, Grant, OAuthError, TokenSet};

/// Access for a program without a person. It needs a client that was registered by hand:
///
/// ```no_run
/// use mcp_client::{
///     Client,
///     oauth::{ClientCredentials, ClientCredentialsGrant, OAuth, SigningKey},
/// };
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let key = SigningKey::from_pem(&std::fs::read_to_string("client.pem")?)?;
/// let auth = OAuth::with(ClientCredentialsGrant)
///     .client_at("https://login.example", ClientCredentials::private_key_jwt("nightly", key));
/// let server = Client::http("https://mcp.example/mcp").auth(auth).connect().await?;
/// # Ok(())
/// # }
/// ```
///
/// When a token ends, another is acquired; nothing is refreshed.
#[derive(Clone, Copy, Debug)]
pub struct ClientCredentialsGrant;

impl Grant for ClientCredentialsGrant {
    fn acquire<'a>(
        &'a self,
        at: &'a Discovered<'a>,
    ) -> BoxFuture<'a, Result<TokenSet, OAuthError>> {
        Box::pin(async {
            let client = at.given_client()?;
            let scope = at.scope();
            let mut form = vec![("grant_type", "client_credentials")];
            form.extend(scope.as_deref().map(|scope| ("scope", scope)));
            Ok(at.token_endpoint(&client)?.request(&form).await?)
        })
    }

    fn extension(&self) -> Option<&'static str> {
        Some(OAUTH_CLIENT_CREDENTIALS)
    }
}

#[cfg(test)]
mod tests;
