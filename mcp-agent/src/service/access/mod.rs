//! Who may ask the service, and for what.
//!
//! Credentials become a [`Principal`], once, before anything else looks at a request; its role
//! decides which paths are open (`requirement`), its rules which servers and tools are there.

pub(super) mod challenge;
mod ending;
mod jwks;
mod jwt;
mod keys;
mod principal;
mod requirement;
mod rules;
mod settings;

use std::{
    io,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::{
    extract::Request,
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mcp_client::Secret;
use mcp_transport::serve::{Guard, SessionKeys};
use ring::rand::{SecureRandom as _, SystemRandom};
use url::Url;

pub(super) use self::jwt::{Shown, until};
pub use self::{
    jwt::{Grant, JwtAlgorithm, JwtIssuer},
    keys::{ApiKey, KeyDigest},
    principal::{Principal, Role},
    rules::{AccessRules, Ruling},
    settings::{AccessSettings, InvalidAccess},
};
use self::{
    jwt::{Refused, Verifier},
    keys::KeyRing,
};
use super::{
    dashboard, logins,
    problem::{self, Problem, ProblemCode},
    scope::Scope,
};

/// How soon a token may be shown again that could not be checked.
const KEYS_AGAIN: Duration = Duration::from_secs(5);

/// Also answers where the service is reached, and the pages that browsers got from there: behind a
/// proxy that is another host.
pub(super) fn known_publicly(guard: Guard, settings: &AccessSettings) -> Guard {
    let url = settings.public_url.as_deref().and_then(|url| Url::parse(url).ok());
    match url.as_ref().and_then(|url| Some((url.host_str()?, url.origin()))) {
        Some((host, origin)) => guard.allow_host(host).allow_origin(origin.ascii_serialization()),
        None => guard,
    }
}

/// What a request must show.
#[derive(Debug)]
pub(super) struct Access {
    guard: Guard,
    /// Seal what browsers keep that have signed in.
    seal: Option<SessionKeys>,
    /// The one token of a service that has its owner only.
    token: Option<Secret>,
    trusted: RwLock<Arc<Authority>>,
}

/// Who is let in now.
#[derive(Debug)]
pub(super) struct Authority {
    /// Nobody need show anything.
    is_open: bool,
    keys: KeyRing,
    verifiers: Vec<Verifier>,
    public_url: Option<String>,
}

impl Access {
    pub(super) fn new(
        guard: Guard,
        token: Option<Secret>,
        settings: &AccessSettings,
        seal: Option<SessionKeys>,
    ) -> Self {
        let trusted = RwLock::new(Arc::new(Authority::new(token.as_ref(), settings)));
        Self { guard, seal, token, trusted }
    }

    pub(super) fn trusted(&self) -> Arc<Authority> {
        Arc::clone(&self.trusted.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether everybody shows who they are.
    pub(super) fn tells_apart(&self) -> bool {
        !self.trusted().is_open
    }

    /// Who a browser has shown to be by signing in at an issuer, for the login that it asks for.
    fn who_signed_in(&self, parts: &Parts, trusted: &Authority) -> Option<Principal> {
        let is_secure = trusted.public_url().is_some_and(|url| url.starts_with("https://"));
        let seal = self.seal.as_ref()?;
        let principal = logins::signed_in(seal, parts.uri.path(), &parts.headers, is_secure)?;
        trusted.still_knows(&principal).then_some(principal)
    }

    /// Lets others in from now on.
    pub(super) fn replace(&self, settings: &AccessSettings) {
        let authority = Arc::new(Authority::new(self.token.as_ref(), settings));
        *self.trusted.write().unwrap_or_else(PoisonError::into_inner) = authority;
    }
}

impl Authority {
    fn new(token: Option<&Secret>, settings: &AccessSettings) -> Self {
        let mut keys = KeyRing::new(&settings.keys);
        if let Some(token) = token {
            keys.add(token, Principal::owner());
        }
        let verifiers: Vec<_> = settings.issuers.iter().map(Verifier::new).collect();
        let is_open = keys.is_empty() && verifiers.is_empty();
        Self { is_open, keys, verifiers, public_url: settings.public_url.clone() }
    }

    pub(super) fn has_issuers(&self) -> bool {
        !self.verifiers.is_empty()
    }

    pub(super) fn issuers(&self) -> impl Iterator<Item = &JwtIssuer> {
        self.verifiers.iter().map(Verifier::issuer)
    }

    pub(super) fn public_url(&self) -> Option<&str> {
        self.public_url.as_deref()
    }

    /// The issuer, if people sign in there.
    pub(super) fn signs_in_at(&self, issuer: &str) -> Option<&JwtIssuer> {
        self.issuers().find(|known| known.issuer == issuer && known.client_id.is_some())
    }

    /// Whether somebody who was let in once still is, as far as that can be told without a token.
    pub(super) fn still_knows(&self, principal: &Principal) -> bool {
        let owner = self.is_open && *principal == Principal::owner();
        let issuer = |verifier: &Verifier| {
            let issued = principal.id().strip_prefix("jwt:");
            issued.is_some_and(|id| id.starts_with(&format!("{}#", verifier.issuer().issuer)))
        };
        owner || self.keys.has(principal) || self.verifiers.iter().any(issuer)
    }

    /// Who asks, and with which token of an issuer, if it is one.
    async fn identify(
        &self,
        headers: &HeaderMap,
    ) -> Result<(Principal, Option<Arc<Shown>>), Refusal> {
        if self.is_open {
            return Ok((Principal::owner(), None));
        }
        let shown = match bearer(headers) {
            Ok(Some(shown)) => shown,
            Ok(None) => return Err(Refusal::Nothing),
            Err(reason) => return Err(Refusal::Invalid(reason)),
        };
        if let Some(principal) = self.keys.find(shown) {
            return Ok((principal.clone(), None));
        }
        let (issuer, judged) = self.judge(shown).await?;
        let jwt::Judged { principal, ends, kind } = judged;
        let shown = Shown {
            issuer: issuer.issuer.clone(),
            is_of_the_only_issuer: self.verifiers.len() == 1,
            token: Secret::new(shown),
            kind,
            ends,
        };
        Ok((principal, Some(Arc::new(shown))))
    }

    /// What a token of an issuer is good for, and which issuer that is.
    async fn judge(&self, token: &str) -> Result<(&JwtIssuer, jwt::Judged), Refusal> {
        let issuer = if self.verifiers.is_empty() { None } else { jwt::said_issuer(token) };
        let verifier = issuer.and_then(|issuer| {
            self.verifiers.iter().find(|verifier| verifier.issuer().issuer == issuer)
        });
        let verifier = verifier.ok_or(Refusal::Invalid("the token is not known here"))?;
        let judged = verifier.verify(token).await.map_err(|refused| match refused {
            Refused::Invalid(reason) => Refusal::Invalid(reason),
            Refused::NoGrant => Refusal::NoGrant,
            Refused::NoKeys(error) => Refusal::NoKeys(problem::chain(&*error)),
        })?;
        Ok((verifier.issuer(), judged))
    }

    /// Whose token it is that an issuer has given in this moment: judged as one that a request
    /// shows, and it has to be of that issuer.
    pub(super) async fn signed_in(
        &self,
        issuer: &str,
        token: &Secret,
    ) -> Result<Principal, Refusal> {
        match jwt::said_issuer(token.reveal()) {
            None => return Err(Refusal::Invalid("it is no JSON Web Token")),
            Some(said) if said != issuer => {
                return Err(Refusal::Invalid("the token is of another issuer"));
            }
            Some(_) => {}
        }
        Ok(self.judge(token.reveal()).await?.1.principal)
    }
}

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("no token was shown")]
    Nothing,
    #[error("{0}")]
    Invalid(&'static str),
    #[error("the token is good, but nothing here is granted for it")]
    NoGrant,
    #[error("{0}")]
    NoKeys(String),
}

/// A new token, of 32 random bytes.
///
/// # Errors
/// The system has no randomness to give.
pub fn random_token() -> io::Result<Secret> {
    let mut bytes = [0_u8; 32];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| io::Error::other("the system has no randomness to give"))?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

/// Refuses requests for foreign hosts, of foreign pages, and of whoever is not let in or not for
/// this. Whoever is becomes the [`Principal`] of the request.
pub(super) async fn check<F>(
    access: &Access,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    if let Err(reason) = access.guard.check(request.headers(), request.uri()) {
        return Problem::new(ProblemCode::Refused, reason).into_response();
    }
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path();
    if is_open(&parts.method, path) {
        return next(Request::from_parts(parts, body)).await;
    }
    let trusted = access.trusted();
    let refuse =
        |problem, error| challenge::refuse(problem, error, &trusted, &parts.headers, &parts.uri);
    let (principal, shown) = match trusted.identify(&parts.headers).await {
        Ok(identified) => identified,
        Err(Refusal::Nothing) => match access.who_signed_in(&parts, &trusted) {
            Some(principal) => (principal, None),
            None => return refuse(Problem::unauthorized(), None),
        },
        Err(Refusal::Invalid(reason)) => {
            let problem = Problem::new(ProblemCode::Refused, reason);
            return refuse(problem.with_status(StatusCode::UNAUTHORIZED), Some("invalid_token"));
        }
        Err(refusal @ Refusal::NoGrant) => {
            let problem = Problem::new(ProblemCode::Refused, refusal.to_string());
            return refuse(problem, Some("insufficient_scope"));
        }
        Err(Refusal::NoKeys(reason)) => {
            let problem = Problem::new(ProblemCode::Unreachable, reason);
            return problem.again_in(KEYS_AGAIN).into_response();
        }
    };
    let needed = requirement::role(&parts.method, path);
    if let Err(problem) = principal.must_be(needed) {
        return refuse(problem, Some("insufficient_scope"));
    }
    // Calls that were let in go on to their end; what is only listened to does not.
    let listens = shown.clone().filter(|_| parts.method == Method::GET);
    if let Some(request) = Scope::current().request() {
        request.is_of(&principal, shown);
    }
    parts.extensions.insert(principal);
    let response = next(Request::from_parts(parts, body)).await;
    match listens {
        Some(shown) if is_stream(&response) => response.map(|body| ending::with(body, shown)),
        _ => response,
    }
}

fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/event-stream"))
}

/// What everybody may ask for.
fn is_open(method: &Method, path: &str) -> bool {
    let is_login = |rest: &str| match rest.split_once('/') {
        None => *method == Method::GET,
        Some((_, rest)) => *method == Method::POST && rest == "sign-in",
    };
    matches!(path, "/healthz" | "/readyz")
        || path.strip_prefix("/connect/").is_some_and(is_login)
        || dashboard::is_part(path)
        || path.starts_with(challenge::METADATA)
}

/// The one credential that is shown, if any. It is taken from nowhere but the header: addresses end
/// up in logs.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, &'static str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let Some(shown) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err("there are two `Authorization` headers");
    }
    let shown = shown.to_str().map_err(|_| "the token cannot be read")?;
    match shown.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("Bearer") => Ok(Some(token)),
        _ => Err("credentials other than `Bearer` are not taken"),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;

    use super::*;

    #[test]
    fn pages_that_came_through_a_proxy_are_answered() {
        let mut settings = AccessSettings::default();
        let passes = |settings: &AccessSettings, host: &str, origin: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("host", host.parse().unwrap());
            headers.insert("origin", origin.parse().unwrap());
            let guard = known_publicly(Guard::default(), settings);
            guard.check(&headers, &Uri::from_static("/connect/id")).is_ok()
        };
        assert!(!passes(&settings, "127.0.0.1:8000", "https://tools.example"));
        settings.public_url = Some("https://tools.example/".to_owned());
        assert!(passes(&settings, "127.0.0.1:8000", "https://tools.example"));
        assert!(passes(&settings, "tools.example", "https://tools.example"));
        assert!(!passes(&settings, "127.0.0.1:8000", "http://tools.example.evil.example"));
    }

    #[tokio::test]
    async fn only_the_token_itself_is_taken() {
        let token = Secret::new("s3cret");
        let authority = Authority::new(Some(&token), &AccessSettings::default());
        for (shown, passes) in [
            (&["Bearer s3cret"][..], true),
            (&["bearer s3cret"], true),
            (&["Bearer s3cre"], false),
            (&["Bearer  s3cret"], false),
            (&["Basic s3cret"], false),
            (&["s3cret"], false),
            (&["Bearer "], false),
            (&["Bearer s3cret", "Bearer s3cret"], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in shown {
                headers.append("authorization", value.parse().unwrap());
            }
            assert_eq!(authority.identify(&headers).await.is_ok(), passes, "{shown:?}");
        }
    }
}
