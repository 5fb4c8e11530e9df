//! The device grant: a person consents on another device, by a short code (RFC 8628).

use std::{fmt, future::Future, sync::Arc, time::Duration};

use mcp_transport::{BoxFuture, error::BoxError};
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use super::{
    Discovered, Grant, OAuthError, TokenError, TokenErrorCode, TokenSet, boundary, readable,
};

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Where the server names no interval (RFC 8628 section 3.2), and what `slow_down` adds.
const FIVE_SECONDS: Duration = Duration::from_secs(5);
/// The shortest and the longest wait between two questions, whatever the server says.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
const MAX_INTERVAL: Duration = Duration::from_secs(60);
/// The longest life of a code that is believed.
const MAX_LIFE: Duration = Duration::from_secs(3600);

type Show = Arc<dyn Fn(DeviceCode) -> BoxFuture<'static, Result<(), BoxError>> + Send + Sync>;

/// Access for a program without a browser: it shows a URL and a short code, and waits.
///
/// ```no_run
/// use mcp_client::oauth::{Device, OAuth};
///
/// let auth = OAuth::with(Device::new(|code| async move {
///     println!("Open {} and enter {}", code.verification_uri, code.user_code);
///     Ok(())
/// }));
/// ```
#[derive(Clone)]
pub struct Device {
    show: Show,
}

/// What to show to the person.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceCode {
    /// What to type in.
    pub user_code: String,
    /// Where.
    pub verification_uri: Url,
    /// The same with the code in it, such as for a QR code.
    pub verification_uri_complete: Option<Url>,
    /// How long the code is good.
    pub expires_in: Duration,
}

#[derive(Deserialize)]
struct DeviceResponse {
    device_code: String,
    user_code: String,
    /// Some servers still use the name of an early draft.
    #[serde(alias = "verification_url")]
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u64,
    interval: Option<u64>,
}

impl Device {
    /// Shows codes in this way. The grant waits for the person, not for `show`, which should
    /// return once the code is on the screen.
    pub fn new<F, Fut>(show: F) -> Self
    where
        F: Fn(DeviceCode) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        Self { show: Arc::new(move |code| Box::pin(show(code))) }
    }

    async fn ask(&self, at: &Discovered<'_>) -> Result<TokenSet, OAuthError> {
        let metadata = at.metadata();
        let endpoint = metadata.device_authorization_endpoint.as_deref().ok_or_else(|| {
            let issuer = readable(&metadata.issuer);
            OAuthError::NotOffered { issuer, what: "device authorization endpoint" }
        })?;
        at.http(endpoint)?;
        let client = at.client(None, &[DEVICE_CODE, "refresh_token"]).await?;
        let tokens = at.token_endpoint(&client)?;
        let scope = at.scope();
        let form: Vec<_> = scope.as_deref().map(|scope| ("scope", scope)).into_iter().collect();
        let asked_at = Instant::now();
        let response: DeviceResponse = tokens.ask_at(endpoint, &form).await?;

        let life = Duration::from_secs(response.expires_in).min(MAX_LIFE);
        let code = DeviceCode {
            user_code: readable(&response.user_code),
            verification_uri: page(&response.verification_uri)?,
            verification_uri_complete: match &response.verification_uri_complete {
                Some(url) => Some(page(url)?),
                None => None,
            },
            expires_in: life,
        };
        (self.show)(code).await.map_err(OAuthError::UserAgent)?;

        let deadline = asked_at + life;
        let form = [("grant_type", DEVICE_CODE), ("device_code", &*response.device_code)];
        let mut interval = response.interval.map_or(FIVE_SECONDS, Duration::from_secs);
        let late = || OAuthError::TimedOut { after: life };
        loop {
            interval = interval.clamp(MIN_INTERVAL, MAX_INTERVAL);
            if Instant::now() + interval >= deadline {
                return Err(late());
            }
            sleep(interval).await;
            let outcome = timeout_at(deadline, tokens.request(&form)).await.map_err(|_| late())?;
            match outcome {
                // The token request names no scopes; the device request did.
                Ok(tokens) => return Ok(tokens.asked_for(at.scopes())),
                Err(TokenError::Refused(refusal)) => match refusal.code {
                    TokenErrorCode::AuthorizationPending => {}
                    TokenErrorCode::SlowDown => interval += FIVE_SECONDS,
                    TokenErrorCode::ExpiredToken => return Err(late()),
                    _ => return Err(TokenError::Refused(refusal).into()),
                },
                // RFC 8628 section 3.5: back off when the network fails.
                Err(TokenError::Delivery { endpoint, source }) => {
                    tracing::debug!(%endpoint, %source, "asking for the outcome failed");
                    interval *= 2;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A page that a person may be sent to.
fn page(url: &str) -> Result<Url, OAuthError> {
    let url = boundary::parse(url)?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if boundary::is_loopback(&url) => Ok(url),
        _ => Err(boundary::forbidden(&url, "it is not https")),
    }
}

impl Grant for Device {
    fn acquire<'a>(
        &'a self,
        at: &'a Discovered<'a>,
    ) -> BoxFuture<'a, Result<TokenSet, OAuthError>> {
        Box::pin(self.ask(at))
    }

    fn is_interactive(&self) -> bool {
        true
    }

    fn refreshes(&self) -> bool {
        true
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Device")
    }
}

#[cfg(test)]
mod tests;
