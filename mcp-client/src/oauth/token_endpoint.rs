//! The token endpoint: a grant goes in, tokens come out (RFC 6749 sections 3.2 and 5).

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use mcp_transport::http::{HttpClient, PlainLimits};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use url::form_urlencoded;

use super::{
    authorization_server::AuthorizationServerMetadata,
    client_authentication::ClientCredentials,
    dpop::{DPOP, DpopKey},
    token::{TokenSet, TokenType},
    token_error::{TokenError, TokenErrorCode, TokenRefusal, readable},
    token_exchange::IssuedToken,
};
use crate::Secret;

/// The largest answer that is read.
const MAX_ANSWER_BYTES: usize = 256 << 10;
/// Attempts at most, as a server may ask for a nonce and then for a newer one.
const MAX_ATTEMPTS: usize = 3;

/// The token endpoint of one authorization server, as one client uses it for one MCP server.
///
/// Public for grants of your own.
#[derive(Clone, Copy, Debug)]
pub struct TokenEndpoint<'a> {
    /// Sends the requests.
    pub http: &'a HttpClient,
    /// Where the endpoint is and what it takes.
    pub metadata: &'a AuthorizationServerMetadata,
    /// Who asks.
    pub client: &'a ClientCredentials,
    /// The key to bind tokens to, where they shall be bound.
    pub dpop: Option<&'a DpopKey>,
    /// The MCP server that the tokens are for, byte for byte as its metadata names it. Sent with
    /// every request (RFC 8707).
    pub resource: &'a str,
}

/// A token response (RFC 6749 section 5.1).
#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    token_type: Option<String>,
    /// What a token exchange gave (RFC 8693 section 2.2.1).
    issued_token_type: Option<String>,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
    refresh_token: Option<String>,
    scope: Option<String>,
    id_token: Option<String>,
}

/// An error response (RFC 6749 section 5.2).
#[derive(Deserialize)]
struct ErrorResponse {
    error: String,
    error_description: Option<String>,
}

/// A number, or text with a number as some servers send it. Anything else is not known.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Whole(u64),
        Fraction(f64),
        Text(String),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::Whole(seconds) => Some(seconds),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast from float saturates"
        )]
        Written::Fraction(seconds) => Some(seconds as u64),
        Written::Text(text) => text.trim().parse().ok(),
        Written::Other(_) => None,
    })
}

impl TokenEndpoint<'_> {
    /// Exchanges a grant, such as `[("grant_type", "refresh_token"), ("refresh_token", …)]`, for
    /// tokens. Client authentication, `resource` and the proof of possession are added.
    ///
    /// # Errors
    /// The endpoint cannot be reached, refuses, or sends no tokens that can be used.
    ///
    /// # Cancel safety
    /// Dropping the future may lose tokens that were issued and use up what the grant contains:
    /// drive it to its end where that matters.
    pub async fn request(&self, grant: &[(&str, &str)]) -> Result<TokenSet, TokenError> {
        let obtained_at = SystemTime::now();
        let response: TokenResponse = self.ask(&self.endpoint()?, grant).await?;
        let token_type = match response.token_type.as_deref() {
            None => TokenType::Bearer,
            Some(name) if name.eq_ignore_ascii_case("bearer") => TokenType::Bearer,
            Some(name) if name.eq_ignore_ascii_case("dpop") && self.dpop.is_some() => {
                TokenType::Dpop
            }
            Some(name) => return Err(TokenError::UnknownTokenType(readable(name))),
        };
        if let Some(kind) = &response.issued_token_type
            && !IssuedToken::is_for_resources(kind)
        {
            return Err(TokenError::UnknownTokenType(readable(kind)));
        }
        let requested = grant.iter().find(|(name, _)| *name == "scope");
        let scopes_requested = requested.map(|(_, scope)| scopes(scope)).unwrap_or_default();
        Ok(TokenSet {
            access_token: Secret::new(response.access_token),
            token_type,
            refresh_token: response.refresh_token.map(Secret::new),
            id_token: response.id_token.map(Secret::new),
            obtained_at,
            granted_at: None,
            expires_at: response
                .expires_in
                .and_then(|seconds| obtained_at.checked_add(Duration::from_secs(seconds))),
            scopes_granted: match response.scope {
                Some(scope) => scopes(&scope),
                None => scopes_requested.clone(),
            },
            scopes_requested,
            issuer: self.metadata.issuer.clone(),
            resource: self.resource.to_owned(),
            dpop_key: self.dpop.filter(|_| token_type == TokenType::Dpop).cloned(),
        })
    }

    /// Exchanges a token for one of another kind that is shown to a third party only (RFC 8693).
    pub(super) async fn exchange(
        &self,
        grant: &[(&str, &str)],
        wanted: &str,
    ) -> Result<Secret, TokenError> {
        let response: TokenResponse = self.ask(&self.endpoint()?, grant).await?;
        match response.issued_token_type {
            Some(other) if other != wanted => Err(TokenError::UnknownTokenType(readable(&other))),
            _ => Ok(Secret::new(response.access_token)),
        }
    }

    /// Asks another endpoint of the same server, in the same way.
    pub(super) async fn ask_at<T: DeserializeOwned>(
        &self,
        endpoint: &str,
        form: &[(&str, &str)],
    ) -> Result<T, TokenError> {
        let endpoint = endpoint.parse().map_err(|_| self.no_endpoint())?;
        self.ask(&endpoint, form).await
    }

    /// Has a token taken back (RFC 7009 section 2). One that the server does not know is no error.
    pub(super) async fn revoke(
        &self,
        endpoint: &str,
        token: &Secret,
        kind: &str,
    ) -> Result<(), TokenError> {
        let endpoint = endpoint.parse().map_err(|_| self.no_endpoint())?;
        let form = [("token", token.reveal()), ("token_type_hint", kind)];
        let (status, body) = self.send(&endpoint, &form).await.0?;
        match refusal(status, &body) {
            Some(refusal) => Err(TokenError::Refused(refusal)),
            // The body says nothing.
            None if status.is_success() => Ok(()),
            None => Err(unexpected(&endpoint, status, &body)),
        }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        endpoint: &Uri,
        form: &[(&str, &str)],
    ) -> Result<T, TokenError> {
        for _ in 1..MAX_ATTEMPTS {
            match self.attempt(endpoint, form).await {
                (Err(TokenError::Refused(refusal)), true)
                    if refusal.code == TokenErrorCode::UseDpopNonce => {}
                (result, _) => return result,
            }
        }
        self.attempt(endpoint, form).await.0
    }

    fn endpoint(&self) -> Result<Uri, TokenError> {
        self.metadata
            .token_endpoint
            .as_deref()
            .and_then(|endpoint| endpoint.parse().ok())
            .ok_or_else(|| self.no_endpoint())
    }

    fn no_endpoint(&self) -> TokenError {
        TokenError::NoEndpoint { issuer: readable(&self.metadata.issuer) }
    }

    /// Sends the form once. Also returns whether a nonce came.
    async fn attempt<T: DeserializeOwned>(
        &self,
        endpoint: &Uri,
        form: &[(&str, &str)],
    ) -> (Result<T, TokenError>, bool) {
        let (answer, nonce) = self.send(endpoint, form).await;
        (answer.and_then(|(status, body)| read(endpoint, status, &body)), nonce)
    }

    /// Sends the form once and gives the answer, whatever it is. Also returns whether a nonce came.
    async fn send(
        &self,
        endpoint: &Uri,
        form: &[(&str, &str)],
    ) -> (Result<(StatusCode, Bytes), TokenError>, bool) {
        let request = match self.prepare(endpoint, form) {
            Ok(request) => request,
            Err(error) => return (Err(error), false),
        };
        let lost = |source| TokenError::Delivery { endpoint: endpoint.to_string(), source };
        let limits =
            PlainLimits { first_byte: Some(Duration::from_secs(30)), ..PlainLimits::default() };
        let mut answer = match self.http.send(request, limits).await {
            Ok(answer) => answer,
            Err(error) => return (Err(lost(error)), false),
        };
        let nonce = self.dpop.is_some_and(|key| key.observe(endpoint, &answer.headers));
        let result = match answer.bytes(MAX_ANSWER_BYTES).await {
            Ok(body) => Ok((answer.status, body)),
            Err(error) => Err(lost(error)),
        };
        (result, nonce)
    }

    fn prepare(
        &self,
        endpoint: &Uri,
        grant: &[(&str, &str)],
    ) -> Result<Request<Bytes>, TokenError> {
        let mut headers = HeaderMap::new();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, form);
        // Without it some servers answer with a form.
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let mut form: Vec<(String, String)> =
            grant.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        if !self.resource.is_empty() && !grant.iter().any(|(name, _)| *name == "resource") {
            form.push(("resource".to_owned(), self.resource.to_owned()));
        }
        let ClientCredentials { client_id, authentication } = self.client;
        authentication.apply(client_id, self.metadata, &mut headers, &mut form)?;
        if let Some(key) = self.dpop {
            headers.insert(DPOP, key.proof(&Method::POST, endpoint, None)?);
        }
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = endpoint.clone();
        *request.headers_mut() = headers;
        Ok(request)
    }
}

fn read<T: DeserializeOwned>(
    endpoint: &Uri,
    status: StatusCode,
    body: &[u8],
) -> Result<T, TokenError> {
    // Some servers refuse with 200.
    if let Some(refusal) = refusal(status, body) {
        return Err(TokenError::Refused(refusal));
    }
    if !status.is_success() {
        return Err(unexpected(endpoint, status, body));
    }
    serde_json::from_slice(body).map_err(|error| TokenError::Undecodable {
        endpoint: endpoint.to_string(),
        line: error.line(),
        column: error.column(),
    })
}

fn refusal(status: StatusCode, body: &[u8]) -> Option<TokenRefusal> {
    let ErrorResponse { error, error_description } = serde_json::from_slice(body).ok()?;
    let description = error_description.as_deref().map(readable);
    Some(TokenRefusal { code: TokenErrorCode::of(&error), description, status })
}

fn unexpected(endpoint: &Uri, status: StatusCode, body: &[u8]) -> TokenError {
    // A body that could have a token in it does not belong in an error.
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
    let body = if is_json { b"" } else { body };
    let beginning = readable(&String::from_utf8_lossy(body));
    TokenError::Unexpected { endpoint: endpoint.to_string(), status, beginning }
}

fn scopes(scope: &str) -> Vec<String> {
    scope.split_ascii_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
