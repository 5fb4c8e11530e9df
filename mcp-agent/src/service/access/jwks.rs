//! The keys that an issuer signs with: fetched, kept, and fetched again when it changes them.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_core::future::BoxFuture;
use futures_util::{FutureExt as _, future::Shared};
use http::{Request, StatusCode};
use jsonwebtoken::jwk::Jwk;
use mcp_transport::{
    DeliveryError,
    http::{HttpClient, PlainLimits},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::{jwt::check_url, settings::InvalidAccess};

/// How long keys are used before they are fetched again.
const FRESH: Duration = Duration::from_secs(600);
/// How long they are used while they cannot be fetched.
const LAST_RESORT: Duration = Duration::from_secs(24 * 3600);
/// How often a key that is not known makes them be fetched, whoever shows it.
const UNKNOWN: Duration = Duration::from_secs(30);
/// How long nobody asks again after it failed.
const PAUSE: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 256 << 10;
const LIMITS: PlainLimits = PlainLimits {
    connect: Some(Duration::from_secs(5)),
    first_byte: Some(Duration::from_secs(5)),
    idle: Some(Duration::from_secs(5)),
};

/// Why keys could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error(transparent)]
    Url(#[from] InvalidAccess),
    #[error("{url} cannot be reached")]
    Unreachable {
        url: String,
        #[source]
        source: DeliveryError,
    },
    #[error("{url} answers with {status}")]
    Status { url: String, status: StatusCode },
    #[error("{url} is not what it should be: {reason}")]
    Document { url: String, reason: String },
}

type Fetched = Result<Arc<[Jwk]>, Arc<FetchError>>;

/// The keys of one issuer.
pub(super) struct KeySource(Arc<Inner>);

struct Inner {
    client: HttpClient,
    issuer: String,
    /// Where the keys are, when the issuer's metadata need not be asked.
    url: Option<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Option<(Arc<[Jwk]>, Instant)>,
    failed: Option<(Arc<FetchError>, Instant)>,
    /// When a key that was not known last made them be fetched.
    missed: Option<Instant>,
    /// One for all who wait.
    fetching: Option<Shared<BoxFuture<'static, Fetched>>>,
}

impl KeySource {
    pub(super) fn new(issuer: &str, url: Option<&str>) -> Self {
        Self(Arc::new(Inner {
            client: HttpClient::new(),
            issuer: issuer.to_owned(),
            url: url.map(str::to_owned),
            state: Mutex::default(),
        }))
    }

    /// The keys, new enough to have one that is wanted if there is one.
    ///
    /// # Cancel safety
    /// What is being fetched is fetched on by the next one who asks.
    pub(super) async fn keys(&self, has_wanted: impl Fn(&[Jwk]) -> bool) -> Fetched {
        let fetching = {
            let mut state = self.0.state();
            let now = Instant::now();
            match &state.known {
                Some((keys, at)) if now - *at < FRESH && has_wanted(keys) => {
                    return Ok(Arc::clone(keys));
                }
                // Who shows keys that do not exist must not make others be asked each time.
                Some((keys, at)) if now - *at < FRESH => {
                    if state.missed.is_some_and(|missed| now - missed < UNKNOWN) {
                        return Ok(Arc::clone(keys));
                    }
                    state.missed = Some(now);
                }
                _ => {}
            }
            if let Some((error, at)) = &state.failed
                && now - *at < PAUSE
            {
                return state.last_resort(now).ok_or_else(|| Arc::clone(error));
            }
            let inner = &self.0;
            state.fetching.get_or_insert_with(|| fetch(Arc::clone(inner)).boxed().shared()).clone()
        };
        fetching.await
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(&self) -> Result<Arc<[Jwk]>, FetchError> {
        #[derive(Deserialize)]
        struct Keys {
            keys: Vec<Value>,
        }
        let url = match &self.url {
            Some(url) => url.clone(),
            None => self.discover().await?,
        };
        let Keys { keys } = self.document(&url).await?;
        // Those of kinds that are not known here are for others.
        Ok(keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect())
    }

    /// Asks the issuer where its keys are, in the way of `OpenID` Connect and of RFC 8414.
    async fn discover(&self) -> Result<String, FetchError> {
        #[derive(Deserialize)]
        struct Metadata {
            issuer: String,
            jwks_uri: String,
        }
        let mut last = None;
        for url in metadata_urls(&self.issuer) {
            match self.document::<Metadata>(&url).await {
                Ok(metadata) if metadata.issuer == self.issuer => return Ok(metadata.jwks_uri),
                Ok(metadata) => {
                    let reason = format!("it is of the issuer `{}`", metadata.issuer);
                    last = Some(FetchError::Document { url, reason });
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| InvalidAccess::Url { url: self.issuer.clone() }.into()))
    }

    async fn document<T: DeserializeOwned>(&self, url: &str) -> Result<T, FetchError> {
        check_url(url)?;
        let wrong = |reason: String| FetchError::Document { url: url.to_owned(), reason };
        let request =
            Request::get(url).body(Bytes::new()).map_err(|error| wrong(error.to_string()))?;
        let lost = |source| FetchError::Unreachable { url: url.to_owned(), source };
        let mut answer = self.client.send(request, LIMITS).await.map_err(lost)?;
        if answer.status != StatusCode::OK {
            return Err(FetchError::Status { url: url.to_owned(), status: answer.status });
        }
        let body = answer.bytes(MAX_BYTES).await.map_err(lost)?;
        serde_json::from_slice(&body).map_err(|error| wrong(error.to_string()))
    }
}

async fn fetch(source: Arc<Inner>) -> Fetched {
    let fetched = source.fetch().await.map_err(Arc::new);
    let now = Instant::now();
    let mut state = source.state();
    state.fetching = None;
    match fetched {
        Ok(keys) => {
            state.failed = None;
            state.known = Some((Arc::clone(&keys), now));
            Ok(keys)
        }
        Err(error) => {
            tracing::warn!(issuer = source.issuer, %error, "the issuer's keys cannot be fetched");
            state.failed = Some((Arc::clone(&error), now));
            state.last_resort(now).ok_or(error)
        }
    }
}

impl State {
    /// Keys that are better than none.
    fn last_resort(&self, now: Instant) -> Option<Arc<[Jwk]>> {
        let (keys, at) = self.known.as_ref()?;
        (now - *at < LAST_RESORT).then(|| Arc::clone(keys))
    }
}

fn metadata_urls(issuer: &str) -> Vec<String> {
    let issuer = issuer.trim_end_matches('/');
    let mut urls = vec![format!("{issuer}/.well-known/openid-configuration")];
    if let Ok(mut url) = Url::parse(issuer) {
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
        urls.push(url.to_string());
    }
    urls
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySource").field("issuer", &self.0.issuer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_looked_for_in_two_places() {
        assert_eq!(
            metadata_urls("https://id.example/realms/a"),
            [
                "https://id.example/realms/a/.well-known/openid-configuration",
                "https://id.example/.well-known/oauth-authorization-server/realms/a",
            ]
        );
    }
}
