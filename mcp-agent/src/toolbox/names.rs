//! Names under which models know tools.
//!
//! Providers take at most 64 characters of `A-Z a-z 0-9 _ -`. A tool is `mcp__server__tool` when
//! that fits and cannot be misread; otherwise the name ends with a hash of server and tool, which
//! is the same on every start, so that provider caches and stored conversations stay valid. Names
//! are looked up, never taken apart.

use std::collections::HashSet;

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

/// The names of many servers' tools, in the order given, no two alike.
///
/// Each is [`exposed`], except where two hashes collide; then the later one in the order gets
/// another hash.
pub fn expose_all<'a>(tools: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut taken = HashSet::new();
    tools
        .into_iter()
        .map(|(server, tool)| {
            let mut name = exposed(server, tool);
            let mut attempt = 0;
            while !taken.insert(name.clone()) {
                attempt += 1;
                name = hashed(&format!("mcp__{server}__{tool}"), &[server, tool], attempt);
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
    !name.is_empty() && name.len() <= MAX_LENGTH && name.bytes().all(is_allowed)
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn hashed(plain: &str, identity: &[&str], attempt: u32) -> String {
    let mut name: String = plain
        .chars()
        .map(|c| if c.is_ascii() && is_allowed(c as u8) { c } else { '_' })
        .take(MAX_LENGTH - HASH_LENGTH - 1)
        .collect();
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
