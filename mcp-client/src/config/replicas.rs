//! Several endpoints of one server, as a file declares them.

use std::time::Duration;

#[cfg(feature = "config-formats")]
use serde_json::{Map, Value, json};

use super::{
    Template, TransportConfig,
    document::{Node, Value as Kind},
    entry::TransportEntry,
    fields::Fields,
};
use crate::{Affinity, Balance, Ejection, ReplicaRules};

/// How many endpoints one server may have.
const MOST: u64 = 64;

/// The member `replicas` of an entry: endpoints that do the same as the entry's own, and how calls
/// are spread over all of them.
///
/// A number is how many processes of the command run, a list names further addresses beside `url`.
/// An object has one of the two as `count` or `urls`, and settings.
///
/// ```
/// use std::path::Path;
///
/// use mcp_client::{Balance, config};
///
/// let file = config::parse(
///     r#"{"mcpServers": {"search": {
///         "url": "https://one.example/mcp",
///         "replicas": {"urls": ["https://two.example/mcp"], "balance": "least-in-flight"}
///     }}}"#,
///     Path::new("servers.json"),
///     &|_| None,
/// )?;
/// let replicas = file.servers[0].replicas.as_ref().expect("it has some");
/// assert_eq!(replicas.others.len(), 1);
/// assert_eq!(replicas.rules.balance, Balance::LeastInFlight);
/// # Ok::<(), config::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ReplicasEntry {
    /// `count`: how many processes of the entry's command run.
    pub count: Option<usize>,
    /// `urls`: further addresses, which get the same headers.
    pub urls: Vec<Template>,
    /// `balance`, `affinity` and `eject`.
    pub rules: ReplicaRules,
}

/// The endpoints of a server that has several.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReplicaConfig {
    /// How to reach the others, beside [`ServerConfig::transport`](super::ServerConfig::transport).
    pub others: Vec<TransportConfig>,
    /// How calls are spread over all of them.
    pub rules: ReplicaRules,
}

impl ReplicaConfig {
    /// These endpoints beside the server's own.
    pub fn new(others: Vec<TransportConfig>, rules: ReplicaRules) -> Self {
        Self { others, rules }
    }
}

const BALANCES: [(&str, Balance); 4] = [
    ("round-robin", Balance::RoundRobin),
    ("random", Balance::Random),
    ("least-in-flight", Balance::LeastInFlight),
    ("power-of-two", Balance::PowerOfTwo),
];

const AFFINITIES: [(&str, Affinity); 3] =
    [("sessions", Affinity::Sessions), ("always", Affinity::Always), ("never", Affinity::Never)];

impl ReplicasEntry {
    /// Reads the member. A word that is not known is an error, since it may be a bound that was
    /// meant.
    pub(super) fn read(
        fields: &Fields<'_>,
        transport: &TransportEntry,
    ) -> Result<Option<Self>, String> {
        let entry = match fields.node(&["replicas"]) {
            None => return Ok(None),
            Some((_, Node { value: Kind::Number(_), .. })) => {
                Self { count: count(fields, "replicas", "replicas")?, ..Self::default() }
            }
            Some((_, Node { value: Kind::List(_), .. })) => {
                Self { urls: fields.templates(&["replicas"])?, ..Self::default() }
            }
            Some((_, Node { value: Kind::Table(_), .. })) => Self::settings(fields)?,
            Some(_) => {
                return Err("`replicas` must be a number, a list of URLs or an object".to_owned());
            }
        };
        match (transport, entry.count, entry.urls.as_slice()) {
            (TransportEntry::Stdio { .. }, Some(_), []) => Ok(Some(entry)),
            (TransportEntry::Stdio { .. }, ..) => Err("`replicas` of a command must be how many \
                 processes of it run: write a number, or `count`"
                .to_owned()),
            (TransportEntry::Remote { .. }, None, [_, ..]) => {
                let urls = u64::try_from(entry.urls.len()).unwrap_or(u64::MAX);
                if urls < MOST { Ok(Some(entry)) } else { Err(too_many("replicas")) }
            }
            (TransportEntry::Remote { .. }, ..) => Err("`replicas` of a URL must be the further \
                 URLs: write a list, or `urls`"
                .to_owned()),
        }
    }

    fn settings(fields: &Fields<'_>) -> Result<Self, String> {
        let Some(inside) = fields.inside(&["replicas"])? else { return Ok(Self::default()) };
        let entry = Self {
            count: count(&inside, "count", "replicas.count")?,
            urls: inside.templates(&["urls"])?,
            rules: ReplicaRules {
                balance: word(&inside, "balance", &BALANCES)?,
                affinity: word(&inside, "affinity", &AFFINITIES)?,
                ejection: ejection(&inside)?,
            },
        };
        match inside.unknown().keys().next() {
            Some(word) => Err(format!("`replicas` has no `{word}`; remove it")),
            None => Ok(entry),
        }
    }

    /// Looks the variables up with `text`. `own` is how the entry's own endpoint is reached.
    pub(super) fn resolve(
        &self,
        own: &TransportConfig,
        mut text: impl FnMut(&Template) -> String,
    ) -> ReplicaConfig {
        let others = match (own, self.count) {
            (TransportConfig::Stdio { .. }, count) => vec![own.clone(); count.unwrap_or(1) - 1],
            (TransportConfig::Http { headers, .. }, _) => {
                let with = |url| TransportConfig::Http { url, headers: headers.clone() };
                self.urls.iter().map(|url| with(text(url))).collect()
            }
            (TransportConfig::Sse { headers, .. }, _) => {
                let with = |url| TransportConfig::Sse { url, headers: headers.clone() };
                self.urls.iter().map(|url| with(text(url))).collect()
            }
        };
        ReplicaConfig { others, rules: self.rules }
    }

    /// As it is written, with `text` spelling the templates.
    #[cfg(feature = "config-formats")]
    pub(super) fn write(&self, text: impl FnMut(&Template) -> String) -> Value {
        let mut object = Map::new();
        if let Some(count) = self.count {
            object.insert("count".to_owned(), count.into());
        }
        if !self.urls.is_empty() {
            object.insert("urls".to_owned(), self.urls.iter().map(text).collect());
        }
        let ReplicaRules { balance, affinity, ejection } = self.rules;
        let usual = ReplicaRules::default();
        if balance != usual.balance {
            object.insert("balance".to_owned(), spelled(&balance, &BALANCES));
        }
        if affinity != usual.affinity {
            object.insert("affinity".to_owned(), spelled(&affinity, &AFFINITIES));
        }
        if ejection != usual.ejection {
            let Ejection { failures, time, share, slow_start } = ejection;
            let written = match failures {
                0 => false.into(),
                _ => json!({
                    "failures": failures,
                    "seconds": time.as_secs_f64(),
                    "share": share,
                    "slowStartSeconds": slow_start.as_secs_f64(),
                }),
            };
            object.insert("eject".to_owned(), written);
        }
        Value::Object(object)
    }
}

fn too_many(name: &str) -> String {
    format!("`{name}` must be at most {MOST} in all")
}

fn count(fields: &Fields<'_>, key: &str, name: &str) -> Result<Option<usize>, String> {
    match fields.whole(&[key])? {
        None => Ok(None),
        Some(0 | 1) => Err(format!("`{name}` must be at least 2; remove it for one process")),
        Some(count) if count > MOST => Err(too_many(name)),
        Some(count) => Ok(usize::try_from(count).ok()),
    }
}

fn word<T: Copy + Default>(
    fields: &Fields<'_>,
    key: &str,
    words: &[(&str, T)],
) -> Result<T, String> {
    let Some(said) = fields.plain(&[key])? else { return Ok(T::default()) };
    words.iter().find(|(word, _)| *word == said).map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        format!("`replicas.{key}` must be one of {}, not `{said}`", known.join(", "))
    })
}

#[cfg(feature = "config-formats")]
fn spelled<T: PartialEq>(value: &T, words: &[(&str, T)]) -> Value {
    words.iter().find(|(_, known)| known == value).map_or(Value::Null, |(word, _)| (*word).into())
}

/// `eject`: false, or an object.
fn ejection(fields: &Fields<'_>) -> Result<Ejection, String> {
    let usual = Ejection::default();
    if let Some((_, Node { value: Kind::Bool(on), .. })) = fields.node(&["eject"]) {
        return Ok(if *on { usual } else { Ejection { failures: 0, ..usual } });
    }
    let Some(inside) = fields.inside(&["eject"])? else { return Ok(usual) };
    let failures = match inside.whole(&["failures"])? {
        Some(0) => return Err("`eject.failures` must be at least 1".to_owned()),
        Some(failures) => u32::try_from(failures).unwrap_or(u32::MAX),
        None => usual.failures,
    };
    let share = match inside.number("share")? {
        Some(share) if !(0.0..=1.0).contains(&share) => {
            return Err("`eject.share` must be between 0 and 1".to_owned());
        }
        share => share.unwrap_or(usual.share),
    };
    let time: Option<Duration> = inside.seconds(&["seconds"])?;
    let ejection = Ejection {
        failures,
        time: time.unwrap_or(usual.time),
        share,
        slow_start: inside.seconds(&["slowStartSeconds"])?.unwrap_or(usual.slow_start),
    };
    match inside.unknown().keys().next() {
        Some(word) => Err(format!("`eject` has no `{word}`; remove it")),
        None => Ok(ejection),
    }
}
