//! Tokens as the text that a store keeps.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{StoreEntry, TokenStoreError};
use crate::{
    Secret,
    oauth::{
        dpop::DpopKey,
        token::{TokenSet, TokenType},
    },
};

/// Times are milliseconds since 1970.
#[derive(Serialize, Deserialize)]
struct Record {
    access_token: String,
    dpop: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    obtained_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    granted_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    scopes_requested: Vec<String>,
    scopes_granted: Vec<String>,
    issuer: String,
    resource: String,
    /// PKCS#8 in Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dpop_key: Option<String>,
}

pub(super) fn write(tokens: &TokenSet) -> Secret {
    let reveal = |secret: &Secret| secret.reveal().to_owned();
    let record = Record {
        access_token: reveal(&tokens.access_token),
        dpop: tokens.token_type == TokenType::Dpop,
        refresh_token: tokens.refresh_token.as_ref().map(reveal),
        id_token: tokens.id_token.as_ref().map(reveal),
        obtained_at: milliseconds(tokens.obtained_at),
        granted_at: tokens.granted_at.map(milliseconds),
        expires_at: tokens.expires_at.map(milliseconds),
        scopes_requested: tokens.scopes_requested.clone(),
        scopes_granted: tokens.scopes_granted.clone(),
        issuer: tokens.issuer.clone(),
        resource: tokens.resource.clone(),
        dpop_key: tokens.dpop_key.as_ref().map(|key| STANDARD.encode(key.pkcs8())),
    };
    Secret::new(serde_json::json!(record).to_string())
}

pub(super) fn read(entry: &StoreEntry, text: &Secret) -> Result<TokenSet, TokenStoreError> {
    let unreadable = |source| TokenStoreError::Unreadable { name: entry.name(), source };
    // What a parser says of it could show a secret.
    let record: Record = serde_json::from_str(text.reveal()).map_err(|_| unreadable(None))?;
    let dpop_key = match record.dpop_key {
        Some(key) => {
            let der = STANDARD.decode(key).map_err(|_| unreadable(None))?;
            Some(DpopKey::from_pkcs8(&der).map_err(|error| unreadable(Some(error)))?)
        }
        None => None,
    };
    Ok(TokenSet {
        access_token: Secret::new(record.access_token),
        token_type: if record.dpop { TokenType::Dpop } else { TokenType::Bearer },
        refresh_token: record.refresh_token.map(Secret::new),
        id_token: record.id_token.map(Secret::new),
        obtained_at: time(record.obtained_at),
        granted_at: record.granted_at.map(time),
        expires_at: record.expires_at.map(time),
        scopes_requested: record.scopes_requested,
        scopes_granted: record.scopes_granted,
        issuer: record.issuer,
        resource: record.resource,
        dpop_key,
    })
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A time too far to be told is the far end of what can be told, not the past.
fn time(milliseconds: u64) -> SystemTime {
    let far = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(u32::MAX) * 2);
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds)).unwrap_or(far)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> StoreEntry {
        StoreEntry::Issuer { resource: "https://mcp.example".to_owned() }
    }

    #[test]
    fn nothing_is_lost() {
        let obtained_at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let tokens = TokenSet {
            access_token: Secret::new("access"),
            token_type: TokenType::Dpop,
            refresh_token: Some(Secret::new("refresh")),
            id_token: Some(Secret::new("id")),
            obtained_at,
            granted_at: Some(obtained_at),
            expires_at: Some(obtained_at + Duration::from_secs(3600)),
            scopes_requested: vec!["a".to_owned(), "b".to_owned()],
            scopes_granted: vec!["a".to_owned()],
            issuer: "https://as.example".to_owned(),
            resource: "https://mcp.example/mcp".to_owned(),
            dpop_key: Some(DpopKey::generate(&[]).unwrap()),
        };
        assert_eq!(read(&entry(), &write(&tokens)).unwrap(), tokens);
        let bare = TokenSet { refresh_token: None, expires_at: None, dpop_key: None, ..tokens };
        assert_eq!(read(&entry(), &write(&bare)).unwrap(), bare);
    }

    #[test]
    fn what_is_no_record_is_refused_without_showing_it() {
        for text in ["", "hunter2", r#"{"access_token":"hunter2"}"#] {
            let error = read(&entry(), &Secret::new(text)).unwrap_err();
            assert!(!format!("{error:?} {error}").contains("hunter2"), "{error}");
        }
    }
}
