//! Servers that each caller of a service has a connection of their own to, as a file declares them:
//! by a login of theirs, or by an exchange of tokens.

use super::{OAuthEntry, TransportEntry};

/// Why a server cannot be reached on behalf of callers, in whichever way.
pub(super) fn fault(transport: &TransportEntry, has_replicas: bool) -> Option<&'static str> {
    match transport {
        TransportEntry::Stdio { .. } => Some("is for servers that are reached by URL"),
        TransportEntry::Remote { headers, .. }
            if headers.keys().any(|name| name.eq_ignore_ascii_case("authorization")) =>
        {
            Some("takes the place of the header `Authorization`; remove one of them")
        }
        TransportEntry::Remote { .. } => {
            has_replicas.then_some("is for servers without `replicas`")
        }
    }
}

/// Refuses an entry whose `oauth` says `perCaller` where that cannot work.
pub(super) fn check(
    oauth: &OAuthEntry,
    transport: &TransportEntry,
    has_replicas: bool,
) -> Result<(), String> {
    if !oauth.per_caller {
        return Ok(());
    }
    let fault = match fault(transport, has_replicas) {
        Some(fault) => fault,
        _ if oauth.exchange.is_some() => "and `exchange` are two ways to the same; remove one",
        _ if oauth.token_url.is_some() => {
            "has people log in, and `tokenUrl` is for programs; remove one of them"
        }
        _ if oauth.callback_port.is_some() => {
            "has the answer come to the service; remove `callbackPort`"
        }
        _ => return Ok(()),
    };
    Err(format!("`oauth.perCaller` {fault}"))
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

    #[test]
    fn what_cannot_work_is_refused_where_it_stands() {
        let (headers, replicas) = (
            format!(r#"{URL}, "headers": {{"authorization": "Bearer x"}}"#),
            format!(r#"{URL}, "replicas": ["https://two.example/mcp"]"#),
        );
        let at = r#""tokenUrl": "https://id.example/token", "clientId": "gateway""#;
        for (oauth, more, fault) in [
            ("", r#""command": "mail""#, "reached by URL"),
            ("", headers.as_str(), "remove one of them"),
            ("", replicas.as_str(), "without `replicas`"),
            (at, URL, "for programs"),
            (&format!(r#"{at}, "exchange": {{}}"#), URL, "two ways"),
            (r#""callbackPort": 1"#, URL, "remove `callbackPort`"),
        ] {
            let oauth =
                ["\"perCaller\": true", oauth].join(if oauth.is_empty() { "" } else { ", " });
            let file = read(&oauth, more);
            assert!(file.servers.is_empty(), "{oauth}");
            let reason = &file.problems[0].reason;
            assert!(reason.contains("`oauth.perCaller`") && reason.contains(fault), "{reason}");
        }
        assert!(read(r#""perCaller": "yes""#, URL).servers.is_empty());
    }

    #[test]
    fn it_is_said_in_the_login_of_an_entry() {
        let server = &read(r#""perCaller": true, "scopes": ["read"]"#, URL).servers[0];
        assert!(server.is_per_caller() && server.wants_login_of_callers());
        let server = &read(r#""perCaller": false"#, URL).servers[0];
        assert!(!server.is_per_caller() && !server.wants_login_of_callers());
    }
}
