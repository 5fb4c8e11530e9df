//! Servers that are reached on behalf of whoever asks, as a file declares them.

use serde_json::{Map, Value};

use super::{OAuthEntry, TransportEntry, fields::Fields, per_caller};
use crate::oauth::{IssuedToken, SubjectToken};

/// The member `exchange` of an entry's `oauth`: the server gets no credentials of this program's
/// own, but for each caller a token that the authorization server gives for the token that the
/// caller has shown (RFC 8693). `tokenUrl`, `clientId` and, where there is one, `clientSecret`
/// beside it say where, and as whom to ask.
///
/// ```
/// use std::path::Path;
///
/// use mcp_client::config;
///
/// let file = config::parse(
///     r#"{"mcpServers": {"mail": {"url": "https://mail.example/mcp", "oauth": {
///         "tokenUrl": "https://id.example/token", "clientId": "gateway",
///         "exchange": {"audience": "mail"}
///     }}}}"#,
///     Path::new("servers.json"),
///     &|_| None,
/// )?;
/// assert!(file.servers[0].is_per_caller());
/// # Ok::<(), config::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExchangeEntry {
    /// `audience`: the name that the authorization server has for the MCP server.
    pub audience: Option<String>,
    /// `resource`: the URL that it knows the MCP server by, if it is another.
    pub resource: Option<String>,
    /// `issuer`: whose tokens are exchanged. Those of others are never shown to `tokenUrl`.
    pub issuer: Option<String>,
    /// `subjectTokenType`: what callers show; access tokens unless said otherwise.
    pub subject_token_type: Option<SubjectToken>,
    /// `requestedTokenType`: what is asked for.
    pub requested_token_type: Option<IssuedToken>,
}

/// All members. Others are refused: whoever misspells one must not get another server's token.
const MEMBERS: [&str; 5] =
    ["audience", "resource", "issuer", "subjectTokenType", "requestedTokenType"];

impl ExchangeEntry {
    pub(super) fn read(oauth: &Fields<'_>) -> Result<Option<Self>, String> {
        let Some(fields) = oauth.inside(&["exchange"])? else { return Ok(None) };
        let [audience, resource, issuer, subject, requested] = MEMBERS;
        let read = Self {
            audience: fields.plain(&[audience])?,
            resource: fields.plain(&[resource])?,
            issuer: fields.plain(&[issuer])?,
            subject_token_type: match fields.plain(&[subject])?.as_deref() {
                None => None,
                Some("access_token") => Some(SubjectToken::AccessToken),
                Some("jwt") => Some(SubjectToken::Jwt),
                Some(other) => return Err(not_a_type(subject, other)),
            },
            requested_token_type: match fields.plain(&[requested])?.as_deref() {
                None => None,
                Some("access_token") => Some(IssuedToken::AccessToken),
                Some("jwt") => Some(IssuedToken::Jwt),
                Some(other) => return Err(not_a_type(requested, other)),
            },
        };
        match fields.unknown().keys().next() {
            Some(unknown) => Err(format!(
                "`oauth.exchange` has no `{unknown}`; it has {}",
                MEMBERS.map(|name| format!("`{name}`")).join(", ")
            )),
            None => Ok(Some(read)),
        }
    }

    /// Refuses an entry in which the exchange cannot work.
    pub(super) fn check(
        oauth: &OAuthEntry,
        transport: &TransportEntry,
        has_replicas: bool,
    ) -> Result<(), String> {
        if oauth.exchange.is_none() {
            return Ok(());
        }
        let fault = match per_caller::fault(transport, has_replicas) {
            Some(fault) => fault,
            _ if oauth.token_url.is_none() => "needs `tokenUrl` beside it",
            _ if oauth.client_id.is_none() => "needs `clientId` beside it",
            _ => return Ok(()),
        };
        Err(format!("`oauth.exchange` {fault}"))
    }

    pub(super) fn to_json(&self) -> Value {
        let texts = [&self.audience, &self.resource, &self.issuer].map(Option::as_deref);
        let subject = self.subject_token_type.map(|kind| match kind {
            SubjectToken::Jwt => "jwt",
            _ => "access_token",
        });
        let requested = self.requested_token_type.map(|kind| match kind {
            IssuedToken::Jwt => "jwt",
            IssuedToken::AccessToken => "access_token",
        });
        let values = texts.into_iter().chain([subject, requested]);
        let members = MEMBERS.into_iter().zip(values);
        let said = members.filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        Value::Object(said.collect::<Map<_, _>>())
    }
}

fn not_a_type(member: &str, other: &str) -> String {
    format!("`{member}` must be access_token or jwt, not `{other}`")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{ConfigFile, parse};

    fn read(oauth: &str, more: &str) -> ConfigFile {
        let text = format!(r#"{{"mcpServers": {{"mail": {{{more}, "oauth": {{{oauth}}}}}}}}}"#);
        parse(&text, Path::new("servers.json"), &|_| None).unwrap()
    }

    const URL: &str = r#""url": "https://mail.example/mcp""#;
    const AT: &str = r#""tokenUrl": "https://id.example/token", "clientId": "gateway""#;

    #[test]
    fn what_cannot_work_is_refused_where_it_stands() {
        let with = |exchange: &str| format!(r#"{AT}, "exchange": {exchange}"#);
        let (headers, replicas) = (
            format!(r#"{URL}, "headers": {{"authorization": "Bearer x"}}"#),
            format!(r#"{URL}, "replicas": ["https://two.example/mcp"]"#),
        );
        for (oauth, more, fault) in [
            (with(r#"{"audiance": "mail"}"#), URL, "has no `audiance`"),
            (with(r#"{"subjectTokenType": "saml2"}"#), URL, "must be access_token or jwt"),
            (with("true"), URL, "must be an object"),
            (with("{}"), r#""command": "mail""#, "reached by URL"),
            (with("{}"), headers.as_str(), "remove one of them"),
            (with("{}"), replicas.as_str(), "without `replicas`"),
            (r#""clientId": "gateway", "exchange": {}"#.to_owned(), URL, "needs `tokenUrl`"),
            (
                r#""tokenUrl": "https://id.example/token", "exchange": {}"#.to_owned(),
                URL,
                "needs `clientId`",
            ),
        ] {
            let file = read(&oauth, more);
            assert!(file.servers.is_empty(), "{oauth}");
            let reason = &file.problems[0].reason;
            assert!(reason.contains("exchange") || fault.contains("must"), "{reason}");
            assert!(reason.contains(fault), "{reason}");
        }
    }

    #[test]
    fn all_that_can_be_said_is_read() {
        let exchange = r#"{"audience": "mail", "resource": "https://mail.example/",
            "issuer": "https://id.example", "subjectTokenType": "jwt",
            "requestedTokenType": "access_token"}"#;
        let file = read(&format!(r#"{AT}, "exchange": {exchange}"#), URL);
        let exchange_read = file.servers[0].oauth.clone().unwrap().exchange.unwrap();
        let written: serde_json::Value = serde_json::from_str(exchange).unwrap();
        assert_eq!(exchange_read.to_json(), written);
        assert!(file.servers[0].is_per_caller());
        assert!(!read(AT, URL).servers[0].is_per_caller());
    }
}
