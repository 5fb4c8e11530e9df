//! Names under which models know tools.
//!
//! Providers take at most 64 characters of `A-Z a-z 0-9 _ -`. A tool is `mcp__server__tool` when
//! that fits and cannot be misread; otherwise the name ends with a hash of server and tool, which
//! is the same on every start, so that provider caches and stored conversations stay valid. Names
//! are looked up, never taken apart.

use std::collections::{HashMap, HashSet};

use crate::stable_hash::StableHash;

/// The longest name that all providers take.
pub const MAX_LENGTH: usize = 64;

const HASH_LENGTH: usize = 8;
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// The name of a server's tool. It depends on nothing but the two.
pub fn exposed(server: &str, tool: &str) -> String {
    let plain = format!("mcp__{server}__{tool}");
    if is_unambiguous(server) && fits(&plain) { plain } else { hashed(&plain, &[server, tool], 0) }
}

/// A tool that is to be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposed<'a> {
    /// The server, as configured.
    pub server: &'a str,
    /// What the configuration puts before the names of the server's tools: with `docs`, `search`
    /// becomes `docs_search`.
    pub prefix: Option<&'a str>,
    /// The tool's own name.
    pub tool: &'a str,
}

impl<'a> From<(&'a str, &'a str)> for Exposed<'a> {
    fn from((server, tool): (&'a str, &'a str)) -> Self {
        Self { server, prefix: None, tool }
    }
}

/// The names of many servers' tools, in the order given, no two alike.
///
/// Each is [`exposed`], or the one that its prefix gives; where two are the same, the later one in
/// the order gets another hash.
pub fn expose_all<'a>(tools: impl IntoIterator<Item = impl Into<Exposed<'a>>>) -> Vec<String> {
    let mut taken = HashSet::new();
    tools
        .into_iter()
        .map(|tool| {
            let Exposed { server, prefix, tool } = tool.into();
            let (plain, mut name) = match prefix {
                Some(prefix) => {
                    let plain = format!("{prefix}_{tool}");
                    let name = if fits(&plain) {
                        plain.clone()
                    } else {
                        hashed(&plain, &[server, tool], 0)
                    };
                    (plain, name)
                }
                None => (format!("mcp__{server}__{tool}"), exposed(server, tool)),
            };
            let mut attempt = 0;
            while !taken.insert(name.clone()) {
                attempt += 1;
                name = hashed(&plain, &[server, tool], attempt);
            }
            name
        })
        .collect()
}

/// A name that no other of `taken` has, made from one that may be of any length and alphabet.
pub(crate) fn distinct(wanted: &str, source: &str, taken: &HashSet<String>) -> String {
    let mut name =
        if fits(wanted) { wanted.to_owned() } else { hashed(wanted, &[source, wanted], 0) };
    let mut attempt = 0;
    while taken.contains(&name) {
        attempt += 1;
        name = hashed(wanted, &[source, wanted], attempt);
    }
    name
}

/// Whether the first `__` after the prefix surely is the end of the server's name: then two
/// different pairs cannot give the same plain name.
fn is_unambiguous(server: &str) -> bool {
    !server.is_empty() && !server.contains("__") && !server.ends_with('_')
}

/// Whether providers take the name as it is.
pub fn fits(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_LENGTH && name.chars().all(is_plain)
}

/// What a reader of names takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct NameRules {
    max_length: usize,
    /// Beside letters, digits, `_` and `-`; `None` for everything.
    also: Option<String>,
    starts_with_letter: bool,
}

/// What all providers take: 64 characters of `A-Z a-z 0-9 _ -`.
impl Default for NameRules {
    fn default() -> Self {
        Self { max_length: MAX_LENGTH, also: Some(String::new()), starts_with_letter: false }
    }
}

impl NameRules {
    /// Every name, for people and for programs of one's own.
    pub fn any() -> Self {
        Self { max_length: usize::MAX, also: None, starts_with_letter: false }
    }

    /// The most characters, at least 16: there must be room for a hash.
    pub fn max_length(mut self, length: usize) -> Self {
        self.max_length = length.max(16);
        self
    }

    /// Allows these characters too.
    pub fn also(mut self, characters: &str) -> Self {
        if let Some(also) = &mut self.also {
            also.push_str(characters);
        }
        self
    }

    /// The first character must be a letter or `_`, as Gemini wants it.
    pub fn starting_with_letter(mut self) -> Self {
        self.starts_with_letter = true;
        self
    }

    /// Whether a name is taken as it is.
    pub fn allows(&self, name: &str) -> bool {
        let starts_well = |c: char| c.is_ascii_alphabetic() || c == '_';
        (self.also.is_none() || !name.is_empty())
            && name.chars().count() <= self.max_length
            && name.chars().all(|c| self.takes(c))
            && (!self.starts_with_letter || name.starts_with(starts_well))
    }

    fn takes(&self, c: char) -> bool {
        self.also.as_ref().is_none_or(|also| is_plain(c) || also.contains(c))
    }
}

/// Names that the rules allow, no two alike, in the order given, for tools by their wanted name,
/// server and own name. Where two want the same name, each gets a hash.
pub(crate) fn fit_all<'a>(
    tools: impl Iterator<Item = (String, &'a str, &'a str)>,
    rules: &NameRules,
) -> Vec<String> {
    let tools: Vec<_> = tools.collect();
    let mut wanted = HashMap::new();
    for (plain, ..) in &tools {
        *wanted.entry(plain.as_str()).or_insert(0_u32) += 1;
    }
    let is_own = |plain: &str| rules.allows(plain) && wanted.get(plain) == Some(&1);
    // Plain names first, so that no hash takes one of them.
    let mut taken: HashSet<String> =
        wanted.keys().filter(|plain| is_own(plain)).map(|&plain| plain.to_owned()).collect();
    tools
        .iter()
        .map(|(plain, server, tool)| {
            if is_own(plain) {
                return plain.clone();
            }
            let mut attempt = 0;
            loop {
                let name = hashed_by(rules, plain, &[server, tool], attempt);
                if taken.insert(name.clone()) {
                    return name;
                }
                attempt += 1;
            }
        })
        .collect()
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

fn hashed(plain: &str, identity: &[&str], attempt: u32) -> String {
    hashed_by(&NameRules::default(), plain, identity, attempt)
}

fn hashed_by(rules: &NameRules, plain: &str, identity: &[&str], attempt: u32) -> String {
    let room = rules.max_length.saturating_sub(HASH_LENGTH + 1);
    let starts_badly = |c: char| !(c.is_ascii_alphabetic() || c == '_');
    let filler = (rules.starts_with_letter && plain.starts_with(starts_badly)).then_some('_');
    let fitting = plain.chars().map(|c| if rules.takes(c) { c } else { '_' });
    let mut name: String = filler.into_iter().chain(fitting).take(room).collect();
    let mut hash = StableHash::new();
    for field in identity {
        hash = hash.field(field);
    }
    if attempt > 0 {
        hash = hash.field(&attempt.to_string());
    }
    let mut bits = hash.finish();
    name.push('_');
    for _ in 0..HASH_LENGTH {
        name.push(char::from(ALPHABET[(bits % 32) as usize]));
        bits /= 32;
    }
    name
}

#[cfg(test)]
mod tests;
