//! Servers that others have published: the API of the MCP registry.
//!
//! A registry says what a server is called and how to reach or start it. [`Registry`] finds
//! entries, [`ServerDetail::ways`] are the ways to use one, and [`Way::entry`] makes one of them an
//! entry of a configuration, with a person's answers to what it [needs](Way::needs).
//!
//! Whatever a registry says was written by strangers: nothing is started before somebody has
//! looked at it.

mod answers;
mod detail;
mod package;
#[cfg(test)]
mod tests;
mod way;

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use mcp_transport::{
    DeliveryError,
    http::{HttpClient, PlainLimits, Proxy, TlsConfig},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tokio::time::Instant;
use url::Url;

pub use self::{
    answers::{Answers, Need, NotUsable},
    detail::{Argument, Input, Listed, Package, Remote, Repository, ServerDetail, Status, Wire},
    way::{Kind, Way},
};
use crate::Secret;

/// The registry of the MCP project.
pub const OFFICIAL: &str = "https://registry.modelcontextprotocol.io";

/// The largest answer that is read.
const MAX_ANSWER_BYTES: usize = 16 << 20;
/// What a registry gives at a time.
const PAGE: usize = 100;
/// How many pages one search reads.
const MAX_PAGES: usize = 20;
/// How often a redirect is followed.
const MAX_REDIRECTS: usize = 3;
const LIMITS: PlainLimits = PlainLimits {
    connect: Some(Duration::from_secs(10)),
    first_byte: Some(Duration::from_secs(30)),
    idle: Some(Duration::from_secs(30)),
};

/// A registry of MCP servers.
///
/// ```no_run
/// use mcp_client::{
///     config::{Origin, Variables},
///     registry::{Answers, Registry, Search},
/// };
///
/// # async fn example(hub: mcp_client::Hub) -> Result<(), Box<dyn std::error::Error>> {
/// let registry = Registry::official()?;
/// for listed in registry.search(&Search::new("weather")).await?.servers {
///     println!("{} {}", listed.server.name, listed.server.version);
/// }
/// let listed = registry.server("io.github.user/weather", None).await?;
/// if let Some(way) = listed.server.ways().first() {
///     let origin = Origin { file: "servers.json".into(), line: 1 };
///     let entry = way.entry("weather", origin, &Answers::new())?;
///     let environment = |name: &str| std::env::var(name).ok();
///     if let Ok(server) = entry.resolve(&Variables::new(&environment)) {
///         hub.add(server);
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Registry {
    base: Url,
    web: HttpClient,
    headers: HeaderMap,
}

/// What is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Search {
    /// A part of the name, or of what else the registry searches; everything when empty.
    pub text: String,
    /// Only servers that can be used in this way.
    pub kind: Option<Kind>,
    /// Every version of a server; only the latest one otherwise.
    pub all_versions: bool,
    /// Only what was changed since, as RFC 3339 writes times.
    pub updated_since: Option<String>,
    /// How many are wanted.
    pub limit: usize,
}

impl Search {
    /// The latest versions of servers, at most 30.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), limit: 30, ..Self::default() }
    }
}

/// A part of a list, or what a search found.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Found {
    /// The entries.
    pub servers: Vec<Listed>,
    /// Where the list goes on; `None` at its end.
    pub next: Option<String>,
    /// How many entries could not be read and are left out.
    pub unreadable: usize,
}

/// A registry does not give what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The address cannot be that of a registry.
    #[error("cannot use `{url}` as a registry: {reason}")]
    Url {
        /// The address.
        url: String,
        /// Why.
        reason: &'static str,
    },
    /// No answer came.
    #[error("cannot reach the registry at {url}")]
    Delivery {
        /// What was asked for.
        url: String,
        /// Why.
        #[source]
        source: DeliveryError,
    },
    /// The registry has none of this name and version.
    #[error("the registry has no {what}")]
    NotFound {
        /// What it has not.
        what: String,
    },
    /// It refuses, or has a fault.
    #[error("the registry answers {url} with {status}{}", said.as_ref().map_or(String::new(), |said| format!(": {said}")))]
    Status {
        /// What was asked for.
        url: String,
        /// The answer.
        status: StatusCode,
        /// What it says about it.
        said: Option<String>,
    },
    /// The answer is not what the API says.
    #[error("{url} does not speak the API of an MCP registry")]
    Undecodable {
        /// What was asked for.
        url: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl Registry {
    /// The registry of the MCP project.
    ///
    /// # Errors
    /// Never, as long as its address is one.
    pub fn official() -> Result<Self, RegistryError> {
        Self::at(OFFICIAL)
    }

    /// A registry at an address, with or without the version of the API: `https://host`,
    /// `https://host/team/v0`. Version 0.1 is spoken when none is named.
    ///
    /// # Errors
    /// It is no URL, or neither https nor on this machine: whoever can change the answers decides
    /// what is started here.
    pub fn at(url: &str) -> Result<Self, RegistryError> {
        let wrong = |reason| RegistryError::Url { url: url.to_owned(), reason };
        let mut base = Url::parse(url).map_err(|_| wrong("it is no URL"))?;
        if !is_safe(&base) {
            return Err(wrong("it must be https, or on this machine"));
        }
        base.set_query(None);
        base.set_fragment(None);
        let named = base
            .path_segments()
            .and_then(|mut words| words.rfind(|word| !word.is_empty()))
            .is_some_and(|last| matches!(last, "v0" | "v0.1" | "v1"));
        if let Ok(mut words) = base.path_segments_mut() {
            words.pop_if_empty();
            if !named {
                words.push("v0.1");
            }
        }
        Ok(Self { base, web: HttpClient::new(), headers: HeaderMap::new() })
    }

    /// Trusts and shows other certificates.
    #[must_use]
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.web = self.web.tls(tls);
        self
    }

    /// Goes through another proxy than the environment says.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.web = self.web.proxy(proxy);
        self
    }

    /// Sends a header with every request, such as the token of a registry that is not public.
    ///
    /// # Errors
    /// The header cannot be sent.
    pub fn header(mut self, name: &str, value: &Secret) -> Result<Self, RegistryError> {
        let wrong = || RegistryError::Url {
            url: self.url(),
            reason: "a header for it has a name or value that cannot be sent",
        };
        let key: HeaderName = name.parse().map_err(|_| wrong())?;
        let mut value: HeaderValue = value.reveal().parse().map_err(|_| wrong())?;
        value.set_sensitive(true);
        self.headers.insert(key, value);
        Ok(self)
    }

    /// Where it is, with the version of the API and without credentials.
    pub fn url(&self) -> String {
        shown(&self.base)
    }

    /// Reads one page of the list: the first, or where [`Found::next`] says.
    ///
    /// # Errors
    /// The registry cannot be reached, or refuses.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the question.
    pub async fn page(
        &self,
        search: &Search,
        cursor: Option<&str>,
    ) -> Result<Found, RegistryError> {
        let size = if search.kind.is_some() { PAGE } else { search.limit.clamp(1, PAGE) };
        let mut url = self.path(&["servers"]);
        let mut query = url.query_pairs_mut();
        query.append_pair("limit", &size.to_string());
        if !search.text.is_empty() {
            query.append_pair("search", &search.text);
        }
        if !search.all_versions {
            query.append_pair("version", "latest");
        }
        if let Some(since) = &search.updated_since {
            query.append_pair("updated_since", since);
        }
        if let Some(cursor) = cursor {
            query.append_pair("cursor", cursor);
        }
        drop(query);
        let list: ServerList = self.get(url, || "list of servers".to_owned()).await?;
        let mut found = list.read();
        if let Some(kind) = search.kind {
            found.servers.retain(|listed| listed.server.kinds().contains(&kind));
        }
        Ok(found)
    }

    /// Reads the list until enough are found, at most 20 pages of it. [`Found::next`] says whether
    /// there may be more.
    ///
    /// # Errors
    /// As [`page`](Self::page).
    ///
    /// # Cancel safety
    /// Dropping the future abandons the search.
    pub async fn search(&self, search: &Search) -> Result<Found, RegistryError> {
        let mut found = Found::default();
        for _ in 0..MAX_PAGES {
            let page = self.page(search, found.next.as_deref()).await?;
            found.servers.extend(page.servers);
            found.unreadable += page.unreadable;
            // A cursor that leads to itself would never end.
            let stuck = page.next == found.next;
            found.next = page.next;
            if found.next.is_none() || stuck || found.servers.len() >= search.limit {
                break;
            }
        }
        found.servers.truncate(search.limit);
        Ok(found)
    }

    /// All versions of a server, the newest first.
    ///
    /// # Errors
    /// There is none, or the registry cannot be reached.
    ///
    /// # Cancel safety
    /// As that of [`page`](Self::page).
    pub async fn versions(&self, name: &str) -> Result<Vec<Listed>, RegistryError> {
        let url = self.path(&["servers", name, "versions"]);
        let list: ServerList = self.get(url, || format!("server `{name}`")).await?;
        Ok(list.read().servers)
    }

    /// One server by its whole name, in this version or the latest.
    ///
    /// # Errors
    /// There is none, or the registry cannot be reached.
    ///
    /// # Cancel safety
    /// As that of [`page`](Self::page).
    pub async fn server(&self, name: &str, version: Option<&str>) -> Result<Listed, RegistryError> {
        let url = self.path(&["servers", name, "versions", version.unwrap_or("latest")]);
        let what = || match version {
            Some(version) => format!("server `{name}` in version `{version}`"),
            None => format!("server `{name}`"),
        };
        self.get(url, what).await
    }

    /// Whether the registry is well, and how long it took to say so.
    ///
    /// # Errors
    /// It is not.
    ///
    /// # Cancel safety
    /// As that of [`page`](Self::page).
    pub async fn health(&self) -> Result<Duration, RegistryError> {
        let asked = Instant::now();
        let _: serde_json::Map<_, _> =
            self.get(self.path(&["health"]), || "sign of life".to_owned()).await?;
        Ok(asked.elapsed())
    }

    fn path(&self, words: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(words);
        }
        url
    }

    async fn get<T: DeserializeOwned>(
        &self,
        mut url: Url,
        what: impl Fn() -> String,
    ) -> Result<T, RegistryError> {
        for _ in 0..=MAX_REDIRECTS {
            let lost = |source| RegistryError::Delivery { url: shown(&url), source };
            let wrong = |reason| RegistryError::Url { url: shown(&url), reason };
            let mut request = Request::get(url.as_str())
                .header(header::ACCEPT, "application/json")
                .body(Bytes::new())
                .map_err(|_| wrong("it is no URL of HTTP"))?;
            if url.origin() == self.base.origin() {
                request.headers_mut().extend(self.headers.clone());
            }
            let mut answer = self.web.send(request, LIMITS).await.map_err(lost)?;
            if answer.status.is_redirection()
                && let Some(place) = answer.headers.get(header::LOCATION)
            {
                let place = String::from_utf8_lossy(place.as_bytes());
                let next = url.join(&place).map_err(|_| wrong("it redirects to no URL"))?;
                if !is_safe(&next) {
                    return Err(wrong("it redirects to a place that is not https"));
                }
                url = next;
                continue;
            }
            let body = answer.bytes(MAX_ANSWER_BYTES).await.map_err(lost)?;
            return match answer.status {
                StatusCode::OK => serde_json::from_slice(&body)
                    .map_err(|source| RegistryError::Undecodable { url: shown(&url), source }),
                StatusCode::NOT_FOUND => Err(RegistryError::NotFound { what: what() }),
                status => {
                    Err(RegistryError::Status { url: shown(&url), status, said: said(&body) })
                }
            };
        }
        Err(RegistryError::Url { url: shown(&url), reason: "it redirects too often" })
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("url", &self.url()).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct ServerList {
    #[serde(default)]
    servers: Option<Vec<Box<RawValue>>>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    next_cursor: Option<String>,
}

impl ServerList {
    /// One entry that cannot be read hides no other.
    fn read(self) -> Found {
        let mut found = Found::default();
        for raw in self.servers.unwrap_or_default() {
            match serde_json::from_str(raw.get()) {
                Ok(listed) => found.servers.push(listed),
                Err(error) => {
                    tracing::debug!(%error, "an entry of the registry cannot be read");
                    found.unreadable += 1;
                }
            }
        }
        let next = self.metadata.and_then(|metadata| metadata.next_cursor);
        found.next = next.filter(|cursor| !cursor.is_empty());
        found
    }
}

/// https, or http on this machine.
fn is_safe(url: &Url) -> bool {
    let here = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && here)
}

/// Without credentials and questions.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Only URLs that have none refuse.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.into()
}

/// What a registry says about a failure: `detail` of RFC 9457, or `error`.
fn said(body: &[u8]) -> Option<String> {
    const MAX_CHARS: usize = 200;
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let text = ["detail", "error", "title"].iter().find_map(|key| body.get(key)?.as_str())?;
    Some(text.chars().take(MAX_CHARS).collect())
}
