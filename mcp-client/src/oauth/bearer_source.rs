//! A bearer token that someone else renews: the agent of a vault, a platform, the user's own code.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use mcp_transport::{
    BoxFuture,
    authorize::{Authorize, Challenge, Target, Verdict},
    error::BoxError,
};
use url::Url;

use super::{
    AssertionError, AssertionSource, OAuthError, StoreEntry, boundary, single_flight::SingleFlight,
};

/// Shows what a source gives, and asks it again when that is refused.
pub(crate) struct BearerSource {
    server: Url,
    source: AssertionSource,
    current: Mutex<Option<HeaderValue>>,
    /// Many refused requests ask the source once.
    flights: SingleFlight<Result<HeaderValue, Arc<AssertionError>>>,
}

impl BearerSource {
    pub(crate) fn new(server: &str, source: AssertionSource) -> Result<Self, OAuthError> {
        let server = boundary::parse(server)?;
        Ok(Self { server, source, current: Mutex::default(), flights: SingleFlight::new() })
    }

    fn current(&self) -> MutexGuard<'_, Option<HeaderValue>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token as it is now, by the source.
    async fn read(&self) -> Result<HeaderValue, BoxError> {
        let source = self.source.clone();
        let job = async move {
            let token = source.get().await?;
            let text = format!("Bearer {}", token.reveal());
            let mut value = HeaderValue::try_from(text)
                .map_err(|_| AssertionError::NotOne { origin: source.name().to_owned() })?;
            value.set_sensitive(true);
            Ok(value)
        };
        let entry = StoreEntry::Issuer { resource: self.server.to_string() };
        let value = self.flights.run(&entry, job).await?;
        *self.current() = Some(value.clone());
        Ok(value)
    }

    /// The token goes to its own server only, wherever that may redirect to.
    fn is_ours(&self, target: Target<'_>) -> bool {
        Url::parse(&target.url.to_string()).is_ok_and(|url| url.origin() == self.server.origin())
    }
}

impl Authorize for BearerSource {
    fn authorize<'a>(
        &'a self,
        target: Target<'a>,
        headers: &'a mut HeaderMap,
    ) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(async move {
            if self.is_ours(target) {
                let known = self.current().clone();
                let value = match known {
                    Some(value) => value,
                    None => self.read().await?,
                };
                headers.insert(header::AUTHORIZATION, value);
            }
            Ok(())
        })
    }

    fn challenged<'a>(
        &'a self,
        target: Target<'a>,
        challenge: Challenge<'a>,
    ) -> BoxFuture<'a, Result<Verdict, BoxError>> {
        Box::pin(async move {
            if challenge.status != StatusCode::UNAUTHORIZED || !self.is_ours(target) {
                return Ok(Verdict::GiveUp);
            }
            let known = self.current().clone();
            let value = match known {
                Some(value) if Some(&value) != challenge.refused => value,
                _ => self.read().await?,
            };
            Ok(if Some(&value) == challenge.refused { Verdict::GiveUp } else { Verdict::Retry })
        })
    }
}

impl fmt::Debug for BearerSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BearerSource").field(&self.source).finish()
    }
}

#[cfg(test)]
mod tests {
    use http::{Method, Uri};

    use super::*;

    async fn shown(bearer: &BearerSource, url: &'static str) -> Option<HeaderValue> {
        let mut headers = HeaderMap::new();
        let url = Uri::from_static(url);
        let target = Target { method: &Method::POST, url: &url };
        bearer.authorize(target, &mut headers).await.unwrap();
        headers.remove(header::AUTHORIZATION)
    }

    async fn refused(bearer: &BearerSource, status: StatusCode, value: &HeaderValue) -> Verdict {
        let (url, headers) = (Uri::from_static("https://mcp.example/mcp"), HeaderMap::new());
        let target = Target { method: &Method::POST, url: &url };
        let challenge = Challenge { status, headers: &headers, refused: Some(value), attempt: 1 };
        bearer.challenged(target, challenge).await.unwrap()
    }

    // covers: auth-static
    #[tokio::test]
    async fn a_token_that_was_replaced_is_used_from_the_refusal_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "one\n").unwrap();
        let server = "https://mcp.example/mcp";
        let bearer = BearerSource::new(server, AssertionSource::file(&file)).unwrap();
        let one = shown(&bearer, server).await.unwrap();
        assert_eq!(one, "Bearer one");
        assert!(one.is_sensitive());
        assert_eq!(refused(&bearer, StatusCode::UNAUTHORIZED, &one).await, Verdict::GiveUp);
        std::fs::write(&file, "two").unwrap();
        assert_eq!(refused(&bearer, StatusCode::FORBIDDEN, &one).await, Verdict::GiveUp);
        assert_eq!(refused(&bearer, StatusCode::UNAUTHORIZED, &one).await, Verdict::Retry);
        assert_eq!(shown(&bearer, server).await.unwrap(), "Bearer two");
        // Another request had the old one under way.
        assert_eq!(refused(&bearer, StatusCode::UNAUTHORIZED, &one).await, Verdict::Retry);
    }

    // covers: auth-tokens-bound, auth-static
    #[tokio::test]
    async fn no_other_server_sees_it() {
        let source = AssertionSource::callback(|| async { Ok(crate::Secret::new("one")) });
        let bearer = BearerSource::new("https://mcp.example/mcp", source).unwrap();
        for url in
            ["https://other.example/mcp", "http://mcp.example/mcp", "https://mcp.example:8443/"]
        {
            assert_eq!(shown(&bearer, url).await, None, "{url}");
        }
        assert!(shown(&bearer, "https://mcp.example:443/other").await.is_some());
    }
}
