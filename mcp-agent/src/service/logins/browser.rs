//! The cookie by which the browser that comes back is known to be the one that began the login.
//!
//! Its value is sealed for the `state` of the login and the time, so that any replica can tell without
//! having begun it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, HeaderValue, header};
use mcp_transport::serve::{SessionKeyError, SessionKeys};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::flows::PATIENCE;

const PURPOSE: &str = "login browser";

/// What a browser keeps once its login is over.
const OVER: &str = "login over";

/// What came of a login that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Over {
    pub(super) server: String,
    pub(super) logged_in: bool,
}

/// Where cookies are for https alone, no other host of the same domain can set this one.
fn name(state: &str, is_secure: bool) -> String {
    let hash = digest(&SHA256, state.as_bytes());
    let start = hash.as_ref().first_chunk().map_or(0, |start| u64::from_be_bytes(*start));
    // Each login has its own, so that two in one browser do not meet.
    let prefix = if is_secure { "__Host-" } else { "" };
    format!("{prefix}mcp-login-{start:016x}")
}

/// Has a browser remember that it began the login.
pub(super) fn remember(
    keys: &SessionKeys,
    state: &str,
    is_secure: bool,
) -> Result<Option<HeaderValue>, SessionKeyError> {
    let value = keys.seal_text(PURPOSE, &format!("{} {state}", now().as_secs()))?;
    Ok(cookie(state, &value, PATIENCE.as_secs(), is_secure))
}

/// Has it remember what came of it instead: people reload pages, at any replica.
pub(super) fn is_over(
    keys: &SessionKeys,
    state: &str,
    over: &Over,
    is_secure: bool,
) -> Option<HeaderValue> {
    let text = format!("{} {state} {}", now().as_secs(), serde_json::json!(over));
    // Without it a reload is told less.
    let value = keys.seal_text(OVER, &text).ok()?;
    cookie(state, &value, PATIENCE.as_secs(), is_secure)
}

/// Has it forget that.
pub(super) fn forget(state: &str, is_secure: bool) -> Option<HeaderValue> {
    cookie(state, "", 0, is_secure)
}

/// `Lax` lets it come along when the authorization server sends the browser back, and with no
/// request that other pages make.
fn cookie(state: &str, value: &str, seconds: u64, is_secure: bool) -> Option<HeaderValue> {
    let name = name(state, is_secure);
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(text).ok()
}

/// Whether a browser is the one that began the login with this `state`.
pub(super) fn began(keys: &SessionKeys, headers: &HeaderMap, state: &str, is_secure: bool) -> bool {
    kept(headers, state, is_secure).any(|value| {
        keys.open_text(PURPOSE, value).is_some_and(|text| good(&text, state).is_some())
    })
}

/// What came of the login with this `state`, as far as this browser has seen it.
pub(super) fn saw_over(
    keys: &SessionKeys,
    headers: &HeaderMap,
    state: &str,
    is_secure: bool,
) -> Option<Over> {
    kept(headers, state, is_secure).find_map(|value| {
        let text = keys.open_text(OVER, value)?;
        serde_json::from_str(good(&text, state)?).ok()
    })
}

/// The values of the cookies of a login.
fn kept<'a>(
    headers: &'a HeaderMap,
    state: &str,
    is_secure: bool,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let name = name(state, is_secure);
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|one| one.split_once('='));
    pairs.filter(move |(known, _)| known.trim() == name).map(|(_, value)| value.trim())
}

/// What was sealed beside the time and the `state`, if it is for this login, and not too old: a
/// browser may keep a cookie for longer than it was told.
fn good<'a>(text: &'a str, state: &str) -> Option<&'a str> {
    let (since, rest) = text.split_once(' ')?;
    let (of, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let since = since.parse().map(Duration::from_secs).ok()?;
    (of == state && now().saturating_sub(since) <= PATIENCE).then_some(rest)
}

/// Since 1970.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_browser_that_began_is_known() {
        let keys = SessionKeys::derive(b"the secret of all replicas").unwrap();
        for is_secure in [true, false] {
            let set = remember(&keys, "s-1", is_secure).unwrap().unwrap();
            let set = set.to_str().unwrap();
            let mut parts = set.split("; ");
            let pair = parts.next().unwrap();
            let rest: Vec<_> = parts.collect();
            assert_eq!(&rest[..4], ["Path=/", "Max-Age=600", "HttpOnly", "SameSite=Lax"]);
            assert_eq!(rest.get(4).copied(), is_secure.then_some("Secure"));
            assert_eq!(pair.starts_with("__Host-"), is_secure);
            let headers = |cookie: &str| {
                let mut headers = HeaderMap::new();
                headers.insert(header::COOKIE, cookie.parse().unwrap());
                headers
            };
            let ours = headers(&format!("theme=dark; {pair}"));
            assert!(began(&keys, &ours, "s-1", is_secure));
            assert!(!began(&keys, &ours, "s-2", is_secure));
            assert!(!began(&keys, &HeaderMap::new(), "s-1", is_secure));
            let other = SessionKeys::random().unwrap();
            assert!(!began(&other, &ours, "s-1", is_secure));
            // One that a browser has kept for too long.
            let since = now().as_secs() - 601;
            let value = keys.seal_text(PURPOSE, &format!("{since} s-1")).unwrap();
            let late = headers(&format!("{}={value}", name("s-1", is_secure)));
            assert!(!began(&keys, &late, "s-1", is_secure));
            // The value of one login under the name of another.
            let (_, value) = pair.split_once('=').unwrap();
            let moved = headers(&format!("{}={value}", name("s-2", is_secure)));
            assert!(!began(&keys, &moved, "s-2", is_secure));
            assert_eq!(saw_over(&keys, &ours, "s-1", is_secure), None);
        }
    }

    #[test]
    fn what_came_of_a_login_is_known_to_its_browser_and_begins_nothing() {
        let keys = SessionKeys::derive(b"the secret of all replicas").unwrap();
        let over = Over { server: "the mail".to_owned(), logged_in: true };
        for is_secure in [true, false] {
            let set = is_over(&keys, "s-1", &over, is_secure).unwrap();
            let mut headers = HeaderMap::new();
            let pair = set.to_str().unwrap().split("; ").next().unwrap();
            headers.insert(header::COOKIE, pair.parse().unwrap());
            assert_eq!(saw_over(&keys, &headers, "s-1", is_secure), Some(over.clone()));
            assert_eq!(saw_over(&keys, &headers, "s-2", is_secure), None);
            assert!(!began(&keys, &headers, "s-1", is_secure));
        }
    }
}
