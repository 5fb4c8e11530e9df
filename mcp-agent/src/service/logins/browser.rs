//! The cookies by which a browser is known: to be the one that began a login, and to be that of the
//! person who was asked.
//!
//! Their values are sealed for what they are about and the time, so that any replica can tell without
//! having been there.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mcp_transport::serve::{SessionKeyError, SessionKeys};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::flows::PATIENCE;

/// What a browser keeps a cookie for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It was sent to an authorization server, with a `state`.
    Began,
    /// What came of that, in place of the other: people reload pages, at any replica.
    Over,
    /// Who uses it has signed in as the one who was asked, by the id of the wish.
    SignedIn,
}

/// What came of a login that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Over {
    pub(super) server: String,
    pub(super) logged_in: bool,
}

impl Kept {
    /// What the seal is for.
    fn purpose(self) -> &'static str {
        match self {
            Self::Began => "login browser",
            Self::Over => "login over",
            Self::SignedIn => "login signed in",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Began | Self::Over => "mcp-login",
            Self::SignedIn => "mcp-signed-in",
        }
    }

    /// `Lax` lets it come along when the authorization server sends the browser back, and with no
    /// request that other pages make. Only the page of the login itself needs the other.
    fn same_site(self) -> &'static str {
        match self {
            Self::Began | Self::Over => "Lax",
            Self::SignedIn => "Strict",
        }
    }
}

/// Where cookies are for https alone, no other host of the same domain can set this one.
fn name(kept: Kept, about: &str, is_secure: bool) -> String {
    // Each login has its own, so that two in one browser do not meet.
    let host = if is_secure { "__Host-" } else { "" };
    format!("{host}{}-{:.16}", kept.prefix(), hash(about))
}

/// What stands for a `state` or an id: an id may be longer than the 4096 bytes that browsers keep
/// (RFC 6265 section 6.1).
fn hash(about: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, about.as_bytes()))
}

/// Has a browser remember something about a `state` or an id.
pub(super) fn remember(
    keys: &SessionKeys,
    kept: Kept,
    about: &str,
    is_secure: bool,
) -> Result<Option<HeaderValue>, SessionKeyError> {
    let value = keys.seal_text(kept.purpose(), &format!("{} {}", now().as_secs(), hash(about)))?;
    Ok(cookie(kept, about, &value, PATIENCE.as_secs(), is_secure))
}

/// Has it remember what came of the login with this `state`.
pub(super) fn is_over(
    keys: &SessionKeys,
    state: &str,
    over: &Over,
    is_secure: bool,
) -> Option<HeaderValue> {
    let text = format!("{} {} {}", now().as_secs(), hash(state), serde_json::json!(over));
    // Without it a reload is told less.
    let value = keys.seal_text(Kept::Over.purpose(), &text).ok()?;
    cookie(Kept::Over, state, &value, PATIENCE.as_secs(), is_secure)
}

/// Has it forget that.
pub(super) fn forget(kept: Kept, about: &str, is_secure: bool) -> Option<HeaderValue> {
    cookie(kept, about, "", 0, is_secure)
}

fn cookie(
    kept: Kept,
    about: &str,
    value: &str,
    seconds: u64,
    is_secure: bool,
) -> Option<HeaderValue> {
    let (name, site) = (name(kept, about, is_secure), kept.same_site());
    let secure = if is_secure { "; Secure" } else { "" };
    let text =
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite={site}{secure}");
    HeaderValue::try_from(text).ok()
}

/// Whether a browser remembers it.
pub(super) fn remembers(
    keys: &SessionKeys,
    kept: Kept,
    headers: &HeaderMap,
    about: &str,
    is_secure: bool,
) -> bool {
    values(kept, headers, about, is_secure).any(|value| {
        let text = keys.open_text(kept.purpose(), value);
        text.is_some_and(|text| good(&text, about).is_some())
    })
}

/// What came of the login with this `state`, as far as this browser has seen it.
pub(super) fn saw_over(
    keys: &SessionKeys,
    headers: &HeaderMap,
    state: &str,
    is_secure: bool,
) -> Option<Over> {
    values(Kept::Over, headers, state, is_secure).find_map(|value| {
        let text = keys.open_text(Kept::Over.purpose(), value)?;
        serde_json::from_str(good(&text, state)?).ok()
    })
}

/// The values of the cookies of a kind about something.
fn values<'a>(
    kept: Kept,
    headers: &'a HeaderMap,
    about: &str,
    is_secure: bool,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let name = name(kept, about, is_secure);
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|one| one.split_once('='));
    pairs.filter(move |(known, _)| known.trim() == name).map(|(_, value)| value.trim())
}

/// What was sealed beside the time and what it is about, if it is about this, and not too old: a
/// browser may keep a cookie for longer than it was told.
fn good<'a>(text: &'a str, about: &str) -> Option<&'a str> {
    let (since, rest) = text.split_once(' ')?;
    let (of, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let since = since.parse().map(Duration::from_secs).ok()?;
    (of == hash(about) && now().saturating_sub(since) <= PATIENCE).then_some(rest)
}

/// Since 1970.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_browser_that_was_told_remembers() {
        let keys = SessionKeys::derive(b"the secret of all replicas").unwrap();
        let cases = [(Kept::Began, Kept::SignedIn, "Lax"), (Kept::SignedIn, Kept::Began, "Strict")];
        for ((kept, another, site), is_secure) in
            cases.into_iter().flat_map(|case| [(case, true), (case, false)])
        {
            let set = remember(&keys, kept, "s-1", is_secure).unwrap().unwrap();
            let set = set.to_str().unwrap();
            let mut parts = set.split("; ");
            let pair = parts.next().unwrap();
            let rest: Vec<_> = parts.collect();
            assert_eq!(&rest[..3], ["Path=/", "Max-Age=600", "HttpOnly"]);
            assert_eq!(rest[3], format!("SameSite={site}"));
            assert_eq!(rest.get(4).copied(), is_secure.then_some("Secure"));
            assert_eq!(pair.starts_with("__Host-"), is_secure);
            let headers = |cookie: &str| {
                let mut headers = HeaderMap::new();
                headers.insert(header::COOKIE, cookie.parse().unwrap());
                headers
            };
            let knows = |keys: &SessionKeys, headers: &HeaderMap, about: &str| {
                remembers(keys, kept, headers, about, is_secure)
            };
            let ours = headers(&format!("theme=dark; {pair}"));
            assert!(knows(&keys, &ours, "s-1"));
            assert!(!knows(&keys, &ours, "s-2"));
            assert!(!knows(&keys, &HeaderMap::new(), "s-1"));
            assert!(!knows(&SessionKeys::random().unwrap(), &ours, "s-1"));
            // One that a browser has kept for too long.
            let sealed = |kept: Kept, since: u64| {
                keys.seal_text(kept.purpose(), &format!("{since} {}", hash("s-1"))).unwrap()
            };
            let named = |about: &str, value: &str| {
                headers(&format!("{}={value}", name(kept, about, is_secure)))
            };
            let now = now().as_secs();
            assert!(knows(&keys, &named("s-1", &sealed(kept, now)), "s-1"));
            assert!(!knows(&keys, &named("s-1", &sealed(kept, now - 601)), "s-1"));
            // The value of another kind, and that of one under the name of another.
            assert!(!knows(&keys, &named("s-1", &sealed(another, now)), "s-1"));
            assert!(!knows(&keys, &named("s-2", &sealed(kept, now)), "s-2"));
        }
    }

    #[test]
    fn an_id_of_any_length_fits_into_a_cookie() {
        let keys = SessionKeys::random().unwrap();
        let id = "i".repeat(4096);
        for kept in [Kept::Began, Kept::SignedIn] {
            let set = remember(&keys, kept, &id, true).unwrap().unwrap();
            assert!(set.len() < 512, "{set:?}");
            let mut headers = HeaderMap::new();
            let pair = set.to_str().unwrap().split("; ").next().unwrap();
            headers.insert(header::COOKIE, pair.parse().unwrap());
            assert!(remembers(&keys, kept, &headers, &id, true));
            assert!(!remembers(&keys, kept, &headers, &id[1..], true));
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
            for kept in [Kept::Began, Kept::SignedIn] {
                assert!(!remembers(&keys, kept, &headers, "s-1", is_secure));
            }
        }
    }
}
