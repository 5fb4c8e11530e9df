//! Keeps secrets out of the record.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";
/// Longer texts are cut: the record says what was done, it is not a copy of the data.
const MAX_TEXT_CHARS: usize = 512;

/// Names of members whose values are secret, in lower case without `_` and `-`.
const SECRET_NAMES: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "authorization",
    "credential",
    "privatekey",
    "accesskey",
    "cookie",
    "sessionkey",
];

/// How well-known secrets begin.
const SECRET_BEGINNINGS: [&str; 12] = [
    "sk-",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "AKIA",
    "AIza",
    "eyJ",
    "npm_",
];

pub(super) fn object(members: &Map<String, Value>) -> Value {
    let redacted = members.iter().map(|(name, member)| {
        let member = if is_secret_name(name) { Value::from(REDACTED) } else { value(member) };
        (name.clone(), member)
    });
    Value::Object(redacted.collect())
}

fn value(value: &Value) -> Value {
    match value {
        Value::Object(members) => object(members),
        Value::Array(items) => items.iter().map(self::value).collect(),
        Value::String(found) => text(found).into(),
        other => other.clone(),
    }
}

fn is_secret_name(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(|letter| !matches!(letter, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect();
    SECRET_NAMES.iter().any(|secret| plain.contains(secret)) || plain == "pwd"
}

/// A text without the words that look like secrets, and not too long.
pub(super) fn text(text: &str) -> String {
    if text.contains("-----BEGIN") {
        return REDACTED.to_owned();
    }
    let mut shown = String::with_capacity(text.len().min(MAX_TEXT_CHARS * 4));
    let mut after_bearer = false;
    for word in text.split_inclusive(is_border) {
        let bare = word.trim_end_matches(is_border);
        let looks_secret = SECRET_BEGINNINGS
            .iter()
            .any(|begin| bare.starts_with(begin) && bare.len() >= begin.len() + 8);
        if (looks_secret || after_bearer) && !bare.is_empty() {
            shown.push_str(REDACTED);
            shown.push_str(&word[bare.len()..]);
        } else {
            shown.push_str(word);
        }
        if !bare.is_empty() {
            after_bearer =
                bare.eq_ignore_ascii_case("bearer") || bare.eq_ignore_ascii_case("basic");
        }
    }
    match shown.char_indices().nth(MAX_TEXT_CHARS) {
        Some((cut, _)) => {
            let whole = shown.chars().count();
            shown.truncate(cut);
            // Writing to a string cannot fail.
            let _ = write!(shown, "… ({whole} characters)");
            shown
        }
        None => shown,
    }
}

fn is_border(letter: char) -> bool {
    letter.is_whitespace()
        || matches!(letter, '"' | '\'' | ',' | ';' | '=' | '&' | '?' | '/' | ':' | '@')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(given: &Value, shown: &Value) {
        assert_eq!(object(given.as_object().unwrap()), *shown);
    }

    #[test]
    fn by_name_and_by_look() {
        check(
            &json!({"user": "ann", "API_Key": "x", "nested": [{"db-password": 1}], "n": 3}),
            &json!({"user": "ann", "API_Key": REDACTED, "nested": [{"db-password": REDACTED}], "n": 3}),
        );
        check(
            &json!({"header": "Authorization: Bearer abc.def", "note": "the bearer of news"}),
            &json!({"header": "Authorization: Bearer [redacted]", "note": "the bearer [redacted] news"}),
        );
        check(
            &json!({"url": "https://x.test/?key=sk-0123456789abcdef&n=1", "pem": "-----BEGIN RSA\nabc"}),
            &json!({"url": "https://x.test/?key=[redacted]&n=1", "pem": REDACTED}),
        );
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let shown = text(&"ü".repeat(600));
        assert!(shown.ends_with("… (600 characters)") && shown.starts_with("üüü"));
    }
}
