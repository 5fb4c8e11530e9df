//! Why no authorization could be had.

use http::StatusCode;
use mcp_transport::{DeliveryError, error::BoxError};

use super::{
    AssertionError, JwtError, TokenError, TokenStoreError, readable, redirect::ResponseError,
};

/// No access could be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OAuthError {
    /// A URL that must not be followed, from a server or from the settings.
    #[error("the URL {url} cannot be used for authorization: {reason}")]
    ForbiddenUrl {
        /// Without credentials and query.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A server did not answer.
    #[error("{url} does not answer")]
    Delivery {
        /// Without query.
        url: String,
        /// The cause.
        #[source]
        source: DeliveryError,
    },
    /// A server answers with a status that says nothing about its metadata.
    #[error("{url} answers HTTP {status}")]
    Status {
        /// Without query.
        url: String,
        /// Such as 503.
        status: StatusCode,
    },
    /// A metadata document cannot be read.
    #[error("the metadata at {url} cannot be used: {reason}")]
    Document {
        /// Without query.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The metadata that the server points to is about another server.
    #[error("{server} points to the metadata of another server, {resource}")]
    ResourceMismatch {
        /// The MCP server.
        server: String,
        /// What the document is about.
        resource: String,
    },
    /// The server wants authorization and does not say whose.
    #[error("{server} names no authorization server")]
    NoAuthorizationServer {
        /// The MCP server.
        server: String,
    },
    /// An authorization server publishes no metadata.
    #[error("the authorization server {issuer} publishes no metadata")]
    NoMetadata {
        /// As the MCP server names it.
        issuer: String,
    },
    /// The metadata of an authorization server is about another one.
    #[error("the metadata of the authorization server {expected} is that of another, {found}")]
    IssuerMismatch {
        /// Whose metadata was asked for.
        expected: String,
        /// Whose came.
        found: String,
    },
    /// The authorization server does not say that it protects codes with PKCE and S256.
    #[error(
        "the authorization server {issuer} does not support PKCE with S256, which MCP requires"
    )]
    NoPkce {
        /// Which server.
        issuer: String,
    },
    /// The authorization server lacks something that the flow needs.
    #[error("the authorization server {issuer} has no {what}")]
    NotOffered {
        /// Which server.
        issuer: String,
        /// Such as `authorization endpoint`.
        what: &'static str,
    },
    /// The authorization server gave back the token that was to be exchanged, which the MCP server
    /// must not see.
    #[error(
        "the authorization server {issuer} has not exchanged the token but given it back; let it \
         issue one for the MCP server, by `audience` or `resource`"
    )]
    NotExchanged {
        /// Which server.
        issuer: String,
    },
    /// There is no way to get a client id.
    #[error(
        "the authorization server {issuer} does not register clients by itself; register one there \
         and give its id"
    )]
    NoClient {
        /// Which server.
        issuer: String,
    },
    /// The given client is registered elsewhere.
    #[error("the given client is registered at {registered}, but the server now uses {issuer}")]
    ForeignClient {
        /// The server that is used.
        issuer: String,
        /// The servers that know the client.
        registered: String,
    },
    /// The authorization server does not register this client (RFC 7591 section 3.2.2).
    #[error("the authorization server {issuer} refuses to register this client: {reason}")]
    RegistrationRefused {
        /// Which server.
        issuer: String,
        /// Its own words, or the status.
        reason: String,
    },
    /// Nobody has logged in, or not for enough, and nobody is asked
    /// ([`EarlierLogin`](super::EarlierLogin)).
    #[error("nobody has logged in{}", for_what(scopes))]
    NotLoggedIn {
        /// What a login has to give; may be empty.
        scopes: Vec<String>,
        /// Whether somebody has logged in, and the server wants more for this.
        for_more: bool,
    },
    /// The person could not be asked.
    #[error("nobody could be asked for consent")]
    UserAgent(#[source] BoxError),
    /// The person did not answer.
    #[error("no consent was given within {after:?}")]
    TimedOut {
        /// The limit.
        after: std::time::Duration,
    },
    /// The answer of the authorization server, brought by the user's browser, is no consent.
    #[error("the authorization server gave no consent")]
    Response(#[from] ResponseError),
    /// No token came.
    #[error("no access token could be had")]
    Token(#[from] TokenError),
    /// The server asks for more and more, or for the same again.
    #[error("the server still refuses after authorization for `{scopes}` was given {times} times")]
    StillRefused {
        /// What it asks for; may be empty.
        scopes: String,
        /// How often it was given.
        times: u32,
    },
    /// There is no statement of an identity provider or a platform.
    #[error("there is nothing to get an access token for")]
    Assertion(#[from] AssertionError),
    /// The token store failed.
    #[error("the token store failed")]
    Store(#[from] TokenStoreError),
    /// The access token has characters that a header cannot carry.
    #[error("the authorization server issued a token that no header can carry")]
    UnusableToken,
    /// Possession of a key could not be proved.
    #[error("cannot prove possession of the key that the token is bound to")]
    Proof(#[source] JwtError),
    /// The system gave no random numbers.
    #[error("the system gave no random numbers")]
    NoRandomness,
    /// A grant of the user's own failed.
    #[error("the grant failed")]
    Grant(#[source] BoxError),
}

impl OAuthError {
    /// Whether the same may go well later without anybody doing anything: a server was not reached
    /// or is overloaded.
    pub fn is_transient(&self) -> bool {
        let passing = |status: StatusCode| {
            status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
        };
        match self {
            Self::Delivery { .. }
            | Self::Token(TokenError::Delivery { .. })
            | Self::Store(TokenStoreError::Locked { .. } | TokenStoreError::Failed(_)) => true,
            Self::Status { status, .. } | Self::Token(TokenError::Unexpected { status, .. }) => {
                passing(*status)
            }
            _ => false,
        }
    }

    pub(super) fn proof(source: JwtError) -> Self {
        Self::Proof(source)
    }
}

fn for_what(scopes: &[String]) -> String {
    if scopes.is_empty() {
        String::new()
    } else {
        format!(" for `{}`", readable(&scopes.join(" ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overloaded_server_passes_and_a_refusal_stays() {
        let status = |status| OAuthError::Status { url: "https://a.example/x".into(), status };
        assert!(status(StatusCode::SERVICE_UNAVAILABLE).is_transient());
        assert!(status(StatusCode::TOO_MANY_REQUESTS).is_transient());
        assert!(!status(StatusCode::NO_CONTENT).is_transient());
        assert!(!OAuthError::from(ResponseError::NoCode).is_transient());
    }
}
