//! `Authorization` values of the simple schemes.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::ConnectError;

/// `Bearer`, RFC 6750.
pub(super) fn bearer(token: &str) -> Result<HeaderValue, ConnectError> {
    secret("bearer token", format!("Bearer {token}"))
}

/// `Basic`, RFC 7617.
pub(super) fn basic(user: &str, password: &str) -> Result<HeaderValue, ConnectError> {
    secret("basic credentials", format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

/// The user information of a URL as `Basic` credentials.
pub(super) fn of_url(url: &Url) -> Result<Option<HeaderValue>, ConnectError> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let user = percent_decoded(url.username());
    let password = percent_decoded(url.password().unwrap_or_default());
    basic(&user, &password).map(Some)
}

fn secret(what: &str, text: String) -> Result<HeaderValue, ConnectError> {
    let mut value = HeaderValue::try_from(text).map_err(|_| ConnectError::InvalidSetting {
        setting: what.to_owned(),
        reason: "it has characters that a header cannot carry".to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn percent_decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers: auth-static
    #[test]
    fn user_information_becomes_basic() {
        let url = Url::parse("https://me:p%40ss%2F@example.com/mcp").unwrap();
        let value = of_url(&url).unwrap().unwrap();
        assert!(value.is_sensitive());
        assert_eq!(value, format!("Basic {}", STANDARD.encode("me:p@ss/")));
        assert!(of_url(&Url::parse("https://example.com").unwrap()).unwrap().is_none());
    }

    #[test]
    fn line_breaks_are_refused() {
        assert!(bearer("a\r\nHost: evil").is_err());
    }
}
