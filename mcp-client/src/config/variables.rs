//! `${VAR}` and `${VAR:-default}` in configuration values.

use super::Lookup;

/// Replaces every variable.
///
/// A `$` that starts neither form stays as it is: shells' other forms have no meaning here.
///
/// # Errors
/// The names of the variables that are not set and have no default. Sending the literal `${TOKEN}`
/// to a server would only move the error to where nobody finds it.
pub(super) fn expand(text: &str, lookup: Lookup<'_>) -> Result<String, Vec<String>> {
    let mut expanded = String::with_capacity(text.len());
    let mut unset = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else { break };
        let inside = &rest[start + 2..start + length];
        expanded.push_str(&rest[..start]);
        rest = &rest[start + length + 1..];
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let name = name.strip_prefix("env:").unwrap_or(name);
        match lookup(name).filter(|value| !(value.is_empty() && default.is_some())) {
            Some(value) => expanded.push_str(&value),
            None => match default {
                Some(default) => expanded.push_str(default),
                None => unset.push(name.to_owned()),
            },
        }
    }
    expanded.push_str(rest);
    if unset.is_empty() { Ok(expanded) } else { Err(unset) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_by_table() {
        let lookup = |name: &str| match name {
            "A" => Some("1".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        for (text, expected) in [
            ("plain", Ok("plain")),
            ("${A}", Ok("1")),
            ("x${A}y${A}z", Ok("x1y1z")),
            ("${env:A}", Ok("1")),
            ("${B:-d}", Ok("d")),
            ("${EMPTY:-d}", Ok("d")),
            ("${EMPTY}", Ok("")),
            ("${B:-}", Ok("")),
            ("$A ${", Ok("$A ${")),
            ("${B} ${C}", Err(vec!["B".to_owned(), "C".to_owned()])),
        ] {
            assert_eq!(expand(text, &lookup), expected.map(str::to_owned), "{text}");
        }
    }
}
