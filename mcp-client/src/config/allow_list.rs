//! Which servers may be used at all.

use std::{fmt, path::Path};

use mcp_transport::stdio::CommandUrl;
use serde::{Deserialize, Deserializer, de::Error as _};
use url::Url;

use super::{ServerConfig, TransportConfig, glob_matches};

/// The servers that may be used, by what they are and not only by what they are called. A member
/// that is absent allows all; an empty one allows none.
///
/// ```
/// use mcp_client::config::AllowList;
///
/// let list: AllowList = serde_json::from_str(
///     r#"{
///         "commands": ["uvx mcp-server-time", "npx -y @modelcontextprotocol/* **"],
///         "variables": ["*_TOKEN", "TZ"],
///         "urls": ["https://*.example.com/mcp/*", "http://localhost:*/*"]
///     }"#,
/// )?;
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AllowList {
    /// Names, with `*` for any characters.
    pub names: Option<Vec<Wildcard>>,
    /// Command lines.
    pub commands: Option<Vec<CommandPattern>>,
    /// With `commands`: names of variables that a command may be given. No others, since a
    /// variable can make another program of an allowed one.
    #[serde(default)]
    pub variables: Vec<Wildcard>,
    /// With `commands`: folders that a command may be started in. Otherwise it starts where this
    /// program runs, since a folder can hold another program of the same name.
    #[serde(default)]
    pub folders: Vec<Wildcard>,
    /// URLs.
    pub urls: Option<Vec<UrlPattern>>,
}

impl AllowList {
    /// Why a server may not be used; `None` if it may.
    pub fn refusal(&self, server: &ServerConfig) -> Option<String> {
        let name = &server.name;
        if self.names.as_ref().is_some_and(|names| !names.iter().any(|one| one.matches(name))) {
            return Some(format!("the name `{name}`"));
        }
        match &server.transport {
            TransportConfig::Stdio { command, args, env, cwd, .. } => {
                let refusal = self.command_refusal(command, args, env.keys().map(String::as_str));
                refusal.or_else(|| self.folder_refusal(cwd.as_deref()?))
            }
            TransportConfig::Http { url, .. } | TransportConfig::Sse { url, .. } => {
                // A command in the dress of a URL is a command.
                if let Ok(command) = CommandUrl::parse(url) {
                    let names = command.env.keys().map(String::as_str);
                    return self.command_refusal(&command.program, &command.args, names);
                }
                let urls = self.urls.as_ref()?;
                let parsed = Url::parse(url).ok();
                let allowed =
                    parsed.as_ref().is_some_and(|url| urls.iter().any(|one| one.matches(url)));
                (!allowed).then(|| match parsed {
                    Some(url) => format!("the URL {}", crate::oauth::shown(&url)),
                    None => "its URL".to_owned(),
                })
            }
        }
    }

    fn command_refusal<'a>(
        &self,
        command: &str,
        args: &[String],
        mut variables: impl Iterator<Item = &'a str>,
    ) -> Option<String> {
        let commands = self.commands.as_ref()?;
        if !commands.iter().any(|one| one.matches(command, args)) {
            return Some(format!("the command `{command}` with these arguments"));
        }
        let named = |name: &str| self.variables.iter().any(|one| one.matches(name));
        variables.find(|name| !named(name)).map(|name| format!("the variable `{name}`"))
    }

    fn folder_refusal(&self, folder: &Path) -> Option<String> {
        self.commands.as_ref()?;
        let shown = folder.display().to_string();
        let named = self.folders.iter().any(|one| one.matches(&shown));
        (!named).then(|| format!("the folder {shown}"))
    }
}

/// A text in which `*` stands for any characters and `?` for one.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Wildcard(String);

impl Wildcard {
    /// Whether a whole text is of this form.
    pub fn matches(&self, text: &str) -> bool {
        glob_matches(&self.0, text)
    }
}

/// A command line: words with `*` for any characters, each for one argument; `**` as the last word
/// stands for any further ones.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandPattern {
    words: Vec<Wildcard>,
    open: bool,
}

impl CommandPattern {
    /// Reads a pattern; words are parted by white space.
    pub fn new(text: &str) -> Self {
        let mut words: Vec<_> =
            text.split_whitespace().map(|word| Wildcard(word.to_owned())).collect();
        let open = words.pop_if(|last| last.0 == "**").is_some();
        Self { words, open }
    }

    /// Whether a command line is of this form.
    pub fn matches(&self, program: &str, arguments: &[String]) -> bool {
        let mut given = std::iter::once(program).chain(arguments.iter().map(String::as_str));
        let all = self.words.iter().all(|word| given.next().is_some_and(|one| word.matches(one)));
        all && !self.words.is_empty() && (self.open || given.next().is_none())
    }
}

/// A URL, part by part: `https://*.example.com:8443/mcp/*`. In the host, a leading `*.` stands for
/// any names below a domain; a port of `*` is any, and without one it is that of the scheme; in the
/// path, `*` stands for any characters. User names, passwords and queries do not count.
#[derive(Clone, PartialEq, Eq)]
pub struct UrlPattern {
    scheme: String,
    host: String,
    port: Port,
    path: Wildcard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    Any,
    /// `None` for a scheme that has none.
    This(Option<u16>),
}

/// A text is no pattern of URLs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no pattern of URLs; write one like https://*.example.com/mcp/*")]
pub struct InvalidUrlPattern(String);

impl UrlPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It has no scheme or no host, or wildcards in other places than those described.
    pub fn new(text: &str) -> Result<Self, InvalidUrlPattern> {
        let wrong = || InvalidUrlPattern(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/*"),
        };
        let (host, any_port) = match authority.strip_suffix(":*") {
            Some(host) => (host, true),
            None => (authority, false),
        };
        let (below, name) = match host.strip_prefix("*.") {
            Some(name) => ("*.", name),
            None => ("", host),
        };
        if name.contains(['*', '@', '?', '#']) || scheme.contains('*') {
            return Err(wrong());
        }
        // The one who reads URLs says how a host is spelled.
        let url = Url::parse(&format!("{scheme}://{name}/")).map_err(|_| wrong())?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
        Ok(Self {
            scheme: url.scheme().to_owned(),
            host: format!("{below}{}", host.trim_end_matches('.')),
            port: if any_port { Port::Any } else { Port::This(url.port_or_known_default()) },
            path: Wildcard(path.to_owned()),
        })
    }

    /// Whether a URL is of this form.
    pub fn matches(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default().trim_end_matches('.');
        let host_fits = match self.host.strip_prefix('*') {
            Some(below) => host.len() > below.len() && host.ends_with(below),
            None => host == self.host,
        };
        self.scheme == url.scheme()
            && host_fits
            && (self.port == Port::Any || self.port == Port::This(url.port_or_known_default()))
            && self.path.matches(url.path())
    }
}

impl<'de> Deserialize<'de> for CommandPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::new(&text))
    }
}

impl<'de> Deserialize<'de> for UrlPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl fmt::Debug for Wildcard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Debug for CommandPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.words).entries(self.open.then_some("**")).finish()
    }
}

impl fmt::Debug for UrlPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{} {:?} {:?}", self.scheme, self.host, self.port, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_by_table() {
        for (pattern, text, fits) in [
            ("", "", true),
            ("a", "ab", false),
            ("*", "anything", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "acd", false),
            ("ab*bc", "abc", false),
            ("*b*b", "abab", true),
            ("*b*b", "ab", false),
            ("@scope/*", "@scope/x", true),
            ("@scope/*", "@scopes/x", false),
        ] {
            assert_eq!(Wildcard(pattern.to_owned()).matches(text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn commands_by_table() {
        for (pattern, command, fits) in [
            ("npx", "npx", true),
            ("npx", "npx -y evil", false),
            ("npx **", "npx -y anything", true),
            ("npx -y @good/*", "npx -y @good/server", true),
            ("npx -y @good/*", "npx -y @good/server --more", false),
            ("npx -y @good/* **", "npx -y @good/server --more", true),
            ("npx -y @good/*", "npx -y", false),
            ("npx", "/tmp/npx", false),
            ("", "npx", false),
            ("**", "npx", false),
        ] {
            let mut words = command.split(' ').map(str::to_owned);
            let program = words.next().unwrap();
            let arguments: Vec<_> = words.collect();
            let found = CommandPattern::new(pattern).matches(&program, &arguments);
            assert_eq!(found, fits, "{pattern}: {command}");
        }
        assert!(!CommandPattern::new("x *").matches("x y", &[]));
    }

    #[test]
    fn urls_by_table() {
        for (pattern, url, fits) in [
            ("https://a.example/mcp", "https://a.example/mcp", true),
            ("https://a.example/mcp", "https://A.EXAMPLE./mcp?x=1", true),
            ("https://a.example/mcp", "http://a.example/mcp", false),
            ("https://a.example/mcp", "https://a.example/mcp/x", false),
            ("https://a.example", "https://a.example/mcp/x", true),
            ("https://a.example/mcp", "https://a.example:8443/mcp", false),
            ("https://a.example:*/mcp", "https://a.example:8443/mcp", true),
            ("https://*.example.com/*", "https://x.y.example.com/", true),
            ("https://*.example.com/*", "https://example.com/", false),
            ("https://*.example.com/*", "https://evilexample.com/", false),
            ("https://*.example.com/*", "https://evil.com/.example.com/", false),
            ("https://a.example/*", "https://a.example@evil.com/", false),
            ("https://a.example/*", "https://evil.com#a.example/", false),
        ] {
            let pattern_ = UrlPattern::new(pattern).unwrap();
            assert_eq!(pattern_.matches(&Url::parse(url).unwrap()), fits, "{pattern}: {url}");
        }
        for wrong in ["example.com", "https://", "https://a.*.com/", "*://h/", "https://u@h/"] {
            assert!(UrlPattern::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_server_is_judged_by_what_it_is() {
        let list = r#"{"commands": ["npx x"], "variables": ["KEY", "*_TOKEN"], "folders": ["/srv/*"],
            "urls": ["https://h/*"]}"#;
        let list: AllowList = serde_json::from_str(list).unwrap();
        let within = |folder: &str| TransportConfig::Stdio {
            command: "npx".to_owned(),
            args: vec!["x".to_owned()],
            env: [].into(),
            cwd: Some(folder.into()),
        };
        let stdio = |command: &str, args: &[&str], variable: &str| TransportConfig::Stdio {
            command: command.to_owned(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: [(variable.to_owned(), crate::Secret::new("x"))].into(),
            cwd: None,
        };
        let http = |url: &str| TransportConfig::Http { url: url.to_owned(), headers: [].into() };
        for (transport, allowed) in [
            (stdio("npx", &["x"], "KEY"), true),
            (stdio("npx", &["y"], "KEY"), false),
            (stdio("npx", &["x"], "NODE_OPTIONS"), false),
            (stdio("npx", &["x"], "LD_PRELOAD"), false),
            (stdio("npx", &["x"], "UV_INDEX"), false),
            (stdio("npx", &["x"], "API_TOKEN"), true),
            (within("/srv/tools"), true),
            (within("/home/me/project"), false),
            (http("https://h/mcp"), true),
            (http("https://other/mcp"), false),
            (http("stdio://npx?arg=x"), true),
            (http("stdio://npx?arg=y"), false),
        ] {
            let server = ServerConfig::new("any", transport);
            assert_eq!(list.refusal(&server).is_none(), allowed, "{server:?}");
            assert_eq!(AllowList::default().refusal(&server), None);
        }
        let names: AllowList = serde_json::from_str(r#"{"names": ["ci-*"]}"#).unwrap();
        assert!(names.refusal(&ServerConfig::new("ci-a", http("https://h"))).is_none());
        assert!(names.refusal(&ServerConfig::new("a", http("https://h"))).is_some());
        assert!(serde_json::from_str::<AllowList>(r#"{"command": []}"#).is_err());
    }
}
