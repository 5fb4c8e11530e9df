//! URLs in each program's way.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    super::{Dialect, OAuthEntry, RemoteKind, Template, Variable},
    Writer,
};

impl Writer<'_> {
    /// Whether the program can reach such a server at all.
    pub(super) fn remote(
        &mut self,
        kind: RemoteKind,
        url: &Template,
        headers: &BTreeMap<String, Template>,
    ) -> bool {
        let dialect = self.spelling.dialect;
        let Some((word, key)) = words(dialect, kind) else {
            let how = match kind {
                RemoteKind::Http => "by URL",
                RemoteKind::Sse => "by HTTP+SSE",
                RemoteKind::WebSocket => "by WebSocket",
            };
            let name = dialect.as_str();
            self.spelling.note(&format!("is reached {how}, which {name} cannot; left out"));
            return false;
        };
        let url = self.spelling.text("url", url);
        if dialect == Dialect::MistralRs {
            self.put("source", json!({"type": word, "url": url}));
        } else {
            if let Some(word) = word {
                self.put("type", word);
            }
            self.put(key, url);
        }
        self.headers(headers);
        if let Some(oauth) = &self.entry.oauth {
            self.oauth(oauth);
        }
        true
    }

    fn headers(&mut self, headers: &BTreeMap<String, Template>) {
        let dialect = self.spelling.dialect;
        let mut values = Map::new();
        let mut by_name = Map::new();
        for (name, template) in headers {
            let variable = match template.as_variable() {
                Some(Variable::Environment { name, default: None }) => Some(name),
                _ => None,
            };
            match (dialect, variable, bearer(name, template)) {
                (Dialect::Codex, Some(variable), _) => {
                    by_name.insert(name.clone(), variable.as_str().into());
                }
                (Dialect::Codex, _, Some(Bearer::Variable(variable))) => {
                    self.put("bearer_token_env_var", variable);
                }
                (Dialect::MistralRs, _, Some(Bearer::Text(token))) => {
                    self.put("bearer_token", token);
                }
                _ => {
                    let text = self.spelling.text(&format!("headers.{name}"), template);
                    values.insert(name.clone(), text.into());
                }
            }
        }
        if !by_name.is_empty() {
            self.put("env_http_headers", by_name);
        }
        if values.is_empty() {
            return;
        }
        match dialect {
            Dialect::Codex => self.put("http_headers", values),
            Dialect::MistralRs => self.object["source"]["headers"] = Value::Object(values),
            _ => self.put("headers", values),
        }
    }

    fn oauth(&mut self, oauth: &OAuthEntry) {
        let OAuthEntry {
            client_id,
            client_secret,
            scopes,
            callback_port,
            metadata_url,
            token_url,
            ..
        } = oauth;
        let is_per_caller = oauth.exchange.is_some() || oauth.per_caller;
        if is_per_caller && self.spelling.dialect != Dialect::ClaudeCode {
            return self.spelling.lost("how to log in");
        }
        let mut object = Map::new();
        let (id_key, secret_key) = match self.spelling.dialect {
            Dialect::Cursor => ("CLIENT_ID", "CLIENT_SECRET"),
            Dialect::Codex => ("client_id", "client_secret"),
            _ => ("clientId", "clientSecret"),
        };
        for (key, template) in [(id_key, client_id), (secret_key, client_secret)] {
            if let Some(template) = template {
                object.insert(key.to_owned(), self.spelling.text(key, template).into());
            }
        }
        let dialect = self.spelling.dialect;
        let key = match dialect {
            Dialect::Cursor => "auth",
            Dialect::Codex => {
                self.put_list("scopes", scopes);
                if !object.is_empty() {
                    self.put("oauth", object);
                }
                return;
            }
            Dialect::ClaudeCode | Dialect::VsCode | Dialect::Gemini | Dialect::OpenCode => "oauth",
            _ => return self.spelling.lost("how to log in"),
        };
        if !scopes.is_empty() {
            let spaced = dialect == Dialect::ClaudeCode || dialect == Dialect::OpenCode;
            let key = if dialect == Dialect::OpenCode { "scope" } else { "scopes" };
            let value = if spaced { scopes.join(" ").into() } else { json!(scopes) };
            object.insert(key.to_owned(), value);
        }
        if dialect == Dialect::ClaudeCode {
            if let Some(port) = callback_port {
                object.insert("callbackPort".to_owned(), (*port).into());
            }
            if let Some(url) = metadata_url {
                object.insert("authServerMetadataUrl".to_owned(), url.as_str().into());
            }
            if let Some(url) = token_url {
                object.insert("tokenUrl".to_owned(), url.as_str().into());
            }
            if oauth.allow_private_addresses {
                object.insert("allowPrivateAddresses".to_owned(), true.into());
            }
            if let Some(exchange) = &oauth.exchange {
                object.insert("exchange".to_owned(), exchange.to_json());
            }
            if oauth.per_caller {
                object.insert("perCaller".to_owned(), true.into());
            }
        }
        self.put(key, object);
    }
}

/// What the program calls such a server, if it has a word, and the member that holds the URL.
fn words(dialect: Dialect, kind: RemoteKind) -> Option<(Option<&'static str>, &'static str)> {
    use RemoteKind::{Http, Sse, WebSocket};

    Some(match (dialect, kind) {
        (Dialect::ClaudeCode | Dialect::VsCode, Http) => (Some("http"), "url"),
        (Dialect::ClaudeCode | Dialect::VsCode | Dialect::Cline, Sse) => (Some("sse"), "url"),
        (Dialect::ClaudeCode, WebSocket) => (Some("ws"), "url"),
        (Dialect::MistralRs, Http) => (Some("Http"), "url"),
        (Dialect::MistralRs, WebSocket) => (Some("WebSocket"), "url"),
        (Dialect::Gemini, Http) => (None, "httpUrl"),
        (Dialect::Cline, Http) => (Some("streamableHttp"), "url"),
        (Dialect::Goose, Http) => (Some("streamable_http"), "uri"),
        (Dialect::OpenCode, Http) => (Some("remote"), "url"),
        (Dialect::Windsurf, Http | Sse) => (None, "serverUrl"),
        (Dialect::Zed | Dialect::Codex, Http)
        | (Dialect::Cursor, Http | Sse)
        | (Dialect::Gemini, Sse) => (None, "url"),
        _ => return None,
    })
}

enum Bearer<'a> {
    Text(&'a str),
    Variable(&'a str),
}

/// The token of an `Authorization: Bearer …` header, if that is what it is.
fn bearer<'a>(header: &str, template: &'a Template) -> Option<Bearer<'a>> {
    use super::super::template::Part;

    if !header.eq_ignore_ascii_case("authorization") {
        return None;
    }
    match template.parts() {
        [Part::Text(text)] => Some(Bearer::Text(text.strip_prefix("Bearer ")?)),
        [Part::Text(scheme), Part::Text(token)] if scheme == "Bearer " => Some(Bearer::Text(token)),
        [Part::Text(scheme), Part::Variable(Variable::Environment { name, default: None })]
            if scheme == "Bearer " =>
        {
            Some(Bearer::Variable(name))
        }
        _ => None,
    }
}
