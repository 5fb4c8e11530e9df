//! Why no tokens came from an authorization server.

use std::fmt;

use http::StatusCode;
use mcp_transport::DeliveryError;

use super::jwt::JwtError;

/// The most of a server's own words that an error keeps, in characters.
const MAX_WORDS: usize = 300;

/// No tokens came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The authorization server names no token endpoint, or one that is no URL.
    #[error("the authorization server {issuer} has no usable token endpoint")]
    NoEndpoint {
        /// Which server.
        issuer: String,
    },
    /// The request or its answer was lost.
    #[error("the token endpoint {endpoint} does not answer")]
    Delivery {
        /// Its URL.
        endpoint: String,
        /// The cause.
        #[source]
        source: DeliveryError,
    },
    /// The server refused, with a reason (RFC 6749 section 5.2).
    #[error("the authorization server refused: {0}")]
    Refused(TokenRefusal),
    /// The server answered with something else than tokens or a reason.
    #[error("the token endpoint {endpoint} answered HTTP {status} without tokens{}", after_colon(.beginning))]
    Unexpected {
        /// Its URL.
        endpoint: String,
        /// The status.
        status: StatusCode,
        /// Of the body.
        beginning: String,
    },
    /// The answer is no token response.
    #[error(
        "the token endpoint {endpoint} sent no JSON of a token response (line {line}, column {column})"
    )]
    Undecodable {
        /// Its URL.
        endpoint: String,
        /// Where the answer goes wrong; what stands there may be a secret.
        line: usize,
        /// In bytes.
        column: usize,
    },
    /// A kind of token that this client cannot show. It was thrown away.
    #[error("the authorization server issued a token of the unknown type `{0}`")]
    UnknownTokenType(String),
    /// A signature could not be made.
    #[error("the token request cannot be signed")]
    Signing(#[from] JwtError),
}

/// Why an authorization server refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}{}", self.explanation())]
#[non_exhaustive]
pub struct TokenRefusal {
    /// Which of the standard reasons.
    pub code: TokenErrorCode,
    /// The server's own words, without control characters, cut.
    pub description: Option<String>,
    /// The status of the answer.
    pub status: StatusCode,
}

/// A reason of RFC 6749 section 5.2 or of an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenErrorCode {
    /// A parameter is missing, unknown or repeated.
    InvalidRequest,
    /// The client is unknown, or its proof is wrong.
    InvalidClient,
    /// The grant (a code, a refresh token, an assertion) is wrong, used up or expired.
    InvalidGrant,
    /// This client may not use this grant.
    UnauthorizedClient,
    /// The server does not know this grant.
    UnsupportedGrantType,
    /// A scope is unknown, or more than may be asked for.
    InvalidScope,
    /// The server issues no tokens for this MCP server (RFC 8707).
    InvalidTarget,
    /// The proof of possession is wrong (RFC 9449).
    InvalidDpopProof,
    /// The proof of possession must repeat a value (RFC 9449).
    UseDpopNonce,
    /// The person has not answered yet (RFC 8628).
    AuthorizationPending,
    /// The same, and the client asks too often (RFC 8628).
    SlowDown,
    /// The person said no.
    AccessDenied,
    /// The person did not answer in time (RFC 8628).
    ExpiredToken,
    /// Another one.
    Other(String),
}

impl TokenErrorCode {
    pub(super) fn of(text: &str) -> Self {
        match text {
            "invalid_request" => Self::InvalidRequest,
            "invalid_client" => Self::InvalidClient,
            "invalid_grant" => Self::InvalidGrant,
            "unauthorized_client" => Self::UnauthorizedClient,
            "unsupported_grant_type" => Self::UnsupportedGrantType,
            "invalid_scope" => Self::InvalidScope,
            "invalid_target" => Self::InvalidTarget,
            "invalid_dpop_proof" => Self::InvalidDpopProof,
            "use_dpop_nonce" => Self::UseDpopNonce,
            "authorization_pending" => Self::AuthorizationPending,
            "slow_down" => Self::SlowDown,
            "access_denied" => Self::AccessDenied,
            "expired_token" => Self::ExpiredToken,
            other => Self::Other(readable(other)),
        }
    }

    /// The code as the server sent it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::AccessDenied => "access_denied",
            Self::ExpiredToken => "expired_token",
            Self::Other(code) => code,
        }
    }
}

impl fmt::Display for TokenErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TokenRefusal {
    fn explanation(&self) -> String {
        self.description.as_deref().map(|words| format!(" ({words})")).unwrap_or_default()
    }
}

impl TokenError {
    /// The server's reason, where it gave one.
    pub fn refusal(&self) -> Option<&TokenRefusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

fn after_colon(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": {words}") }
}

/// A server's words for a screen or a log: no control characters, not too many.
pub(super) fn readable(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(MAX_WORDS).collect()
}
