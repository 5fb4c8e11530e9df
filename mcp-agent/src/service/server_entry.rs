//! A server as it is added over HTTP.

use std::{collections::BTreeMap, time::Duration};

use mcp_client::{
    Secret,
    config::{OAuthConfig, ServerConfig, TransportConfig},
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Map, Value};
use url::Url;

use super::{
    problem::{Problem, ProblemCode},
    templates::Templates,
};

/// The body of `POST /mcp/servers`.
#[derive(Debug, JsonSchema)]
#[serde(untagged)]
pub(super) enum Entry {
    Url(Box<ServerEntry>),
    Template(TemplateEntry),
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = Map::<String, Value>::deserialize(deserializer)?;
        let is_template = members.contains_key("template");
        let members = Value::Object(members);
        let entry = if is_template {
            serde_json::from_value(members).map(Self::Template)
        } else {
            serde_json::from_value(members).map(Self::Url)
        };
        entry.map_err(D::Error::custom)
    }
}

/// A server of a command that the operator has written down.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TemplateEntry {
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[^/\u0000-\u001f\u007f-\u009f]+$"))]
    name: String,
    template: String,
    /// What its blanks are filled in with.
    #[serde(default)]
    arguments: BTreeMap<String, String>,
}

impl Entry {
    /// The configuration that it stands for.
    pub(super) fn config(&self, templates: &Templates) -> Result<ServerConfig, Problem> {
        match self {
            Self::Url(entry) => (**entry).clone().into_config(),
            Self::Template(TemplateEntry { name, template, arguments }) => {
                check_name(name)?;
                templates.fill(name, template, arguments)
            }
        }
    }
}

fn check_name(name: &str) -> Result<(), Problem> {
    let fits = |c: char| !c.is_control() && c != '/';
    if (1..=64).contains(&name.chars().count()) && name.chars().all(fits) {
        return Ok(());
    }
    let detail = "`name` must have 1 to 64 characters, none of them `/`";
    Err(Problem::new(ProblemCode::Config, detail).server(name))
}

/// A server that is reached by URL. Written only into what is sealed, secrets and all.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerEntry {
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[^/\u0000-\u001f\u007f-\u009f]+$"))]
    name: String,
    url: String,
    /// The limit of one call, in seconds.
    timeout: Option<f64>,
    #[serde(default)]
    headers: Headers,
    /// Where the service gets tokens for the server, with its own id and secret.
    oauth2_token_url: Option<String>,
    oauth2_client_id: Option<String>,
    oauth2_client_secret: Option<Hidden>,
    oauth2_scopes: Option<Vec<String>>,
}

/// What is not to be seen in logs.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Hidden(String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden(…)")
    }
}

/// Written as a list of keys and values, or as an object.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Headers {
    List(Vec<Header>),
    Object(BTreeMap<String, String>),
}

/// A header that is sent with every request to the server.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Header {
    key: String,
    value: String,
}

impl Default for Headers {
    fn default() -> Self {
        Self::Object(BTreeMap::new())
    }
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Headers(…)")
    }
}

impl ServerEntry {
    /// The configuration that it stands for.
    pub(super) fn into_config(self) -> Result<ServerConfig, Problem> {
        let Self {
            name,
            url,
            timeout,
            headers,
            oauth2_token_url,
            oauth2_client_id,
            oauth2_client_secret,
            oauth2_scopes,
        } = self;
        let wrong = |detail: String| Problem::new(ProblemCode::Config, detail).server(&name);
        check_name(&name)?;
        let address = Url::parse(&url).map_err(|error| wrong(format!("`url`: {error}")))?;
        if !matches!(address.scheme(), "http" | "https" | "ws" | "wss") {
            let detail = "`url` must begin with http, https, ws or wss: a server that is a command \
                          or a socket of this machine can only be configured by its operator";
            return Err(wrong(detail.into()));
        }
        let headers = match headers {
            Headers::List(list) => {
                list.into_iter().map(|Header { key, value }| (key, value)).collect()
            }
            Headers::Object(object) => object,
        };
        for (key, value) in &headers {
            if http::HeaderName::try_from(key).is_err()
                || http::HeaderValue::try_from(value).is_err()
            {
                return Err(wrong(format!("the header `{}` cannot be sent", key.escape_debug())));
            }
        }
        let headers = headers.into_iter().map(|(key, value)| (key, Secret::new(value))).collect();
        let call_timeout = match timeout {
            Some(seconds) => Some(
                Duration::try_from_secs_f64(seconds)
                    .ok()
                    .filter(|limit| !limit.is_zero())
                    .ok_or_else(|| wrong("`timeout` must be a number of seconds above 0".into()))?,
            ),
            None => None,
        };
        let mut config = ServerConfig::new(&name, TransportConfig::Http { url, headers });
        config.call_timeout = call_timeout;
        config.oauth = match (oauth2_token_url, oauth2_client_id, oauth2_client_secret) {
            (Some(url), Some(id), Some(Hidden(secret))) => {
                if let Err(error) = Url::parse(&url) {
                    return Err(wrong(format!("`oauth2_token_url`: {error}")));
                }
                let mut oauth = OAuthConfig::default();
                oauth.token_url = Some(url);
                oauth.client_id = Some(id);
                oauth.client_secret = Some(Secret::new(secret));
                oauth.scopes = oauth2_scopes.unwrap_or_default();
                Some(oauth)
            }
            (None, None, None) if oauth2_scopes.is_none() => None,
            _ => {
                let detail = "`oauth2_token_url`, `oauth2_client_id` and `oauth2_client_secret` \
                              are given together";
                return Err(wrong(detail.into()));
            }
        };
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: Value) -> Result<ServerConfig, Problem> {
        serde_json::from_value::<ServerEntry>(json).unwrap().into_config()
    }

    #[test]
    fn headers_are_written_in_two_ways() {
        for headers in [
            serde_json::json!([{"key": "User-Agent", "value": "Gateway/1.0"}]),
            serde_json::json!({"User-Agent": "Gateway/1.0"}),
        ] {
            let config = read(serde_json::json!({
                "name": "my_server", "url": "https://api.example.com/mcp",
                "timeout": 30, "headers": headers,
            }))
            .unwrap();
            assert_eq!(config.call_timeout, Some(Duration::from_secs(30)));
            let TransportConfig::Http { headers, .. } = config.transport else { panic!() };
            assert_eq!(headers["User-Agent"].reveal(), "Gateway/1.0");
        }
    }

    #[test]
    fn a_login_is_read_and_not_shown() {
        let entry: ServerEntry = serde_json::from_value(serde_json::json!({
            "name": "my_server", "url": "https://api.example.com/mcp",
            "oauth2_client_id": "client_id", "oauth2_client_secret": "client_secret",
            "oauth2_token_url": "https://auth.example.com/oauth/token",
            "oauth2_scopes": ["read:tools"], "timeout": 30,
        }))
        .unwrap();
        assert!(!format!("{entry:?}").contains("\"client_secret\""), "{entry:?}");
        let oauth = entry.into_config().unwrap().oauth.unwrap();
        assert_eq!(oauth.token_url.as_deref(), Some("https://auth.example.com/oauth/token"));
        assert_eq!(oauth.client_secret.unwrap().reveal(), "client_secret");
        assert_eq!(oauth.scopes, ["read:tools"]);
    }

    #[test]
    fn commands_are_never_taken() {
        for url in ["stdio://sh?arg=-c&arg=id", "unix:///run/x.sock", "tcp://h:1", "file:///etc"] {
            let problem = read(serde_json::json!({"name": "x", "url": url})).unwrap_err();
            assert_eq!(problem.code(), ProblemCode::Config, "{url}");
        }
        let command = serde_json::json!({"name": "x", "command": "sh", "args": ["-c", "id"]});
        serde_json::from_value::<ServerEntry>(command).unwrap_err();
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, word) in [
            (serde_json::json!({"name": "", "url": "https://h"}), "`name`"),
            (serde_json::json!({"name": "a/b", "url": "https://h"}), "`name`"),
            (serde_json::json!({"name": "x", "url": "h"}), "`url`"),
            (
                serde_json::json!({"name": "x", "url": "https://h", "oauth2_client_id": "me"}),
                "`oauth2_client_secret`",
            ),
            (serde_json::json!({"name": "x", "url": "https://h", "timeout": -1}), "`timeout`"),
            (serde_json::json!({"name": "x", "url": "https://h", "headers": {"a b": ""}}), "a b"),
            (
                serde_json::json!({"name": "x", "url": "https://h", "headers": {"a": "b\r\nc"}}),
                "`a`",
            ),
        ] {
            let problem = read(json).unwrap_err();
            assert!(problem.detail().contains(word), "{}", problem.detail());
        }
    }
}
