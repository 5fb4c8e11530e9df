//! Puts tokens on the requests to one MCP server, and gets better ones when they are refused.

mod acquisition;
mod renewal;
mod revocation;
mod turns;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderValue, header};
use mcp_transport::{
    BoxFuture,
    authorize::{Authorize, Challenge, Target, Verdict},
    error::BoxError,
};
use tokio::time::Instant;
use url::Url;

use self::acquisition::Acquired;
pub(super) use self::acquisition::LastUsed;
pub use self::revocation::Revocation;
use self::turns::Turns;
use super::{
    ClientCredentials, OAuthError, TokenSet, TokenType,
    boundary::{self, Boundary},
    challenge::AuthenticateChallenge,
    discovery::Found,
    dpop::DPOP,
    fetch::Web,
    settings::Settings,
    single_flight::SingleFlight,
};

/// How often one request is sent with new credentials before its refusal is final.
const MAX_ATTEMPTS: u32 = 4;
/// How often access is given for the same scopes to a server that then still refuses. Together
/// with the first time that makes three authorization requests.
const MAX_STEP_UPS: u32 = 2;
/// How long it is remembered that access did not help.
const MEMORY: Duration = Duration::from_secs(600);

/// The authorization of one client at one MCP server.
///
/// Made by [`OAuth::at`](super::OAuth::at); a client uses one through
/// [`ClientBuilder::auth`](crate::ClientBuilder::auth). All requests share it: whatever number of
/// them is refused, one of them renews the token and the others wait.
pub struct Authorizer(Arc<Core>);

/// What requests share, also with the job that refreshes.
struct Core {
    /// The MCP server as the user wrote it.
    server: Url,
    settings: Settings,
    web: Web,
    state: Mutex<State>,
    turns: Turns,
    /// How many flows wait for a person.
    asking: AtomicUsize,
    refreshes: SingleFlight<Result<(), Arc<OAuthError>>>,
}

#[derive(Default)]
struct State {
    /// Whether the store was looked at.
    loaded: bool,
    credential: Option<Arc<Credential>>,
    /// What was discovered last.
    found: Option<Arc<Found>>,
    /// How often access was given for which scopes to a server that had refused, and when first.
    step_ups: HashMap<String, (u32, Instant)>,
    /// After a refresh that failed; until then the old token is shown.
    no_refresh_before: Option<Instant>,
}

impl State {
    /// How often access was given for these scopes lately.
    fn step_ups(&self, scopes: &str) -> u32 {
        let recent = self.step_ups.get(scopes).filter(|(_, since)| since.elapsed() < MEMORY);
        recent.map_or(0, |(count, _)| *count)
    }

    fn stepped_up(&mut self, scopes: &str) {
        self.step_ups.retain(|_, (_, since)| since.elapsed() < MEMORY);
        self.step_ups.entry(scopes.to_owned()).or_insert((0, Instant::now())).0 += 1;
    }
}

/// Tokens, ready to be shown.
struct Credential {
    tokens: TokenSet,
    /// Who got them; `None` when that client is not known any more.
    client: Option<ClientCredentials>,
    header: HeaderValue,
}

impl Credential {
    fn new(tokens: TokenSet, client: Option<ClientCredentials>) -> Result<Self, OAuthError> {
        let scheme = match tokens.token_type {
            TokenType::Bearer => "Bearer",
            TokenType::Dpop => "DPoP",
        };
        let text = format!("{scheme} {}", tokens.access_token.reveal());
        let mut header = HeaderValue::try_from(text).map_err(|_| OAuthError::UnusableToken)?;
        header.set_sensitive(true);
        Ok(Self { tokens, client, header })
    }

    fn can_refresh(&self) -> bool {
        self.tokens.refresh_token.is_some() && self.client.is_some()
    }
}

impl Authorizer {
    pub(super) fn new(server: &str, mut settings: Settings) -> Result<Self, OAuthError> {
        settings.store = settings.own_store();
        let server = boundary::parse(server)?;
        let boundary = Boundary::new(plain(&server)?, settings.private_addresses)
            .server_within(settings.server_reach);
        let web = Web::new(boundary, &settings);
        Ok(Self(Arc::new(Core {
            server,
            settings,
            web,
            state: Mutex::default(),
            turns: Turns::default(),
            asking: AtomicUsize::new(0),
            refreshes: SingleFlight::new(),
        })))
    }

    /// The tokens in use; looks into the store first. `None` when there are none yet.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn tokens(&self) -> Result<Option<TokenSet>, OAuthError> {
        self.0.load().await?;
        Ok(self.0.state().credential.as_ref().map(|credential| credential.tokens.clone()))
    }

    /// Gets tokens now, whether or not there are some, rather than when the server asks for them.
    /// Those of another account or client that they replace are taken back where the authorization
    /// server does that (RFC 7009).
    ///
    /// # Errors
    /// No tokens can be had.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the flow, or leaves what was replaced good at the server.
    pub async fn login(&self) -> Result<TokenSet, OAuthError> {
        let core = &self.0;
        core.load().await?;
        let turn = core.turns.take().await;
        core.state().step_ups.clear();
        let challenges = core.web.knock().await?;
        let Acquired { credential, replaced } = core.acquire(&challenges).await?;
        drop(turn);
        if let Some(replaced) = replaced {
            core.revoke_replaced(&replaced, &credential).await;
        }
        Ok(credential.tokens.clone())
    }

    /// Forgets the tokens, here and in the store, and has the authorization server take them back
    /// where it does (RFC 7009). The client that was registered there is forgotten with the last
    /// tokens that it got. That it could not be told is no error; see [`Revocation`].
    ///
    /// # Errors
    /// The store cannot be read or changed.
    ///
    /// # Cancel safety
    /// The tokens are forgotten first: dropping the future then leaves them good at the server.
    pub async fn logout(&self) -> Result<Revocation, OAuthError> {
        self.0.load().await?;
        let turn = self.0.turns.take().await;
        let revocation = match self.0.forget().await? {
            Some(credential) => self.0.revoke(&credential).await,
            None => Revocation::NoTokens,
        };
        drop(turn);
        Ok(revocation)
    }
}

impl Core {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> Option<Arc<Credential>> {
        self.state().credential.clone()
    }

    /// Whether a request goes to the server that the tokens are for.
    fn is_ours(&self, target: Target<'_>) -> bool {
        let url = target.url;
        url.scheme_str() == Some(self.server.scheme())
            && url.host().is_some_and(|host| {
                self.server.host_str().is_some_and(|own| own.eq_ignore_ascii_case(host))
            })
            && url.port_u16().or(default_port(url.scheme_str()))
                == self.server.port_or_known_default()
    }

    async fn authorize(
        self: &Arc<Self>,
        target: Target<'_>,
        headers: &mut HeaderMap,
    ) -> Result<(), Arc<OAuthError>> {
        if !self.is_ours(target) {
            return Ok(());
        }
        // What is rare is in boxes, since it would make what is done for every request large.
        if !self.state().loaded {
            Box::pin(self.load()).await?;
        }
        let Some(mut credential) = self.current() else { return Ok(()) };
        if credential.tokens.is_stale(SystemTime::now()) {
            Box::pin(self.renew_early(&credential)).await;
            // Somebody may have logged out elsewhere.
            let Some(current) = self.current() else { return Ok(()) };
            credential = current;
        }
        headers.insert(header::AUTHORIZATION, credential.header.clone());
        if let Some(key) = &credential.tokens.dpop_key {
            let token = Some(&credential.tokens.access_token);
            let proof = key.proof(target.method, target.url, token).map_err(OAuthError::proof)?;
            headers.insert(DPOP, proof);
        }
        Ok(())
    }

    async fn challenged(
        self: &Arc<Self>,
        target: Target<'_>,
        refusal: Challenge<'_>,
    ) -> Result<Verdict, Arc<OAuthError>> {
        if !self.is_ours(target) {
            return Ok(Verdict::GiveUp);
        }
        let challenges = AuthenticateChallenge::all(refusal.headers);
        let said = |code: &str| challenges.iter().any(|one| one.param("error") == Some(code));
        let nonce = self.learn(target, refusal.headers);
        if nonce && said("use_dpop_nonce") && refusal.attempt <= MAX_ATTEMPTS {
            return Ok(Verdict::Retry);
        }
        let lacks_scope = said("insufficient_scope");
        if refusal.status == http::StatusCode::FORBIDDEN && !lacks_scope {
            return Ok(Verdict::GiveUp);
        }
        // A server that wants something else, such as Basic, will not take a token.
        if !challenges.is_empty() && !challenges.iter().any(AuthenticateChallenge::is_oauth) {
            return Ok(Verdict::GiveUp);
        }

        let ticket = self.turns.ticket();
        let turn = self.turns.take().await;
        if let Some(outcome) = turn.missed(ticket) {
            return outcome.map(|()| Verdict::Retry);
        }
        // Someone had a better token before this request was even refused.
        if let Some(current) = self.current()
            && Some(&current.header) != refusal.refused
            && refusal.attempt <= MAX_ATTEMPTS
        {
            return Ok(Verdict::Retry);
        }
        let outcome = self.improve(&challenges, lacks_scope, refusal.attempt).await;
        turn.end(outcome).map(|()| Verdict::Retry)
    }

    /// Learns nonces and clocks from an answer. Whether there was a nonce.
    fn learn(&self, target: Target<'_>, headers: &HeaderMap) -> bool {
        let credential = self.current();
        let key = credential.as_ref().and_then(|credential| credential.tokens.dpop_key.as_ref());
        key.is_some_and(|key| key.observe(target.url, headers))
    }
}

/// The URL of an MCP server without the credentials that may be in it.
pub(super) fn plain(server: &Url) -> Result<Url, OAuthError> {
    if !matches!(server.scheme(), "http" | "https") || server.host().is_none() {
        return Err(boundary::forbidden(server, "it is neither https nor http"));
    }
    let mut plain = server.clone();
    // Neither can fail where there is a host.
    let _ = plain.set_username("");
    let _ = plain.set_password(None);
    Ok(plain)
}

fn default_port(scheme: Option<&str>) -> Option<u16> {
    match scheme {
        Some("https") => Some(443),
        Some("http") => Some(80),
        _ => None,
    }
}

impl Authorize for Authorizer {
    fn authorize<'a>(
        &'a self,
        target: Target<'a>,
        headers: &'a mut HeaderMap,
    ) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(async move { self.0.authorize(target, headers).await.map_err(BoxError::from) })
    }

    fn challenged<'a>(
        &'a self,
        target: Target<'a>,
        challenge: Challenge<'a>,
    ) -> BoxFuture<'a, Result<Verdict, BoxError>> {
        Box::pin(async move { self.0.challenged(target, challenge).await.map_err(BoxError::from) })
    }

    fn answered(&self, target: Target<'_>, headers: &HeaderMap) {
        if self.0.is_ours(target) {
            self.0.learn(target, headers);
        }
    }

    fn is_asking(&self) -> bool {
        self.0.asking.load(Ordering::Relaxed) > 0
    }
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorizer")
            .field("server", &boundary::shown(&self.0.server))
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}
