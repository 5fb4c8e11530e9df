//! Recorded traffic without what looks like a secret.

use serde_json::Value;

/// What stands in place of a text that was hidden. Replaying, it stands for any value.
pub(super) const HIDDEN: &str = "[redacted]";

/// The last word of a member that holds a secret.
const SECRET_WORDS: &[&str] = &[
    "apikey",
    "auth",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "credentials",
    "passphrase",
    "passwd",
    "password",
    "pwd",
    "secret",
    "token",
];

/// Members of the protocol itself that end in such a word.
const NO_SECRETS: &[&str] = &["progressToken"];

/// How well-known kinds of secrets start.
const SECRET_STARTS: &[&str] = &[
    "sk-",
    "pk-",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xox",
    "AKIA",
    "eyJ",
    "AIza",
    "Bearer ",
    "Basic ",
];

/// Shorter texts than this are no such secret.
const SHORTEST_SECRET: usize = 16;

/// Hides the texts of members that name secrets, texts that look like one, and texts that contain
/// one of the given secrets.
pub(super) fn redact(value: &mut Value, secrets: &[String]) {
    match value {
        Value::String(text)
            if looks_secret(text)
                || secrets.iter().any(|secret| text.contains(secret.as_str())) =>
        {
            HIDDEN.clone_into(text);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redact(item, secrets)),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if names_secret(name) => HIDDEN.clone_into(text),
                    member => redact(member, secrets),
                }
            }
        }
        _ => {}
    }
}

/// Whether a value is what was recorded, hidden parts aside.
pub(super) fn matches(recorded: &Value, value: &Value) -> bool {
    match (recorded, value) {
        (Value::String(text), _) if text == HIDDEN => true,
        (Value::Array(recorded), Value::Array(values)) => {
            recorded.len() == values.len()
                && recorded.iter().zip(values).all(|(recorded, value)| matches(recorded, value))
        }
        (Value::Object(recorded), Value::Object(values)) => {
            recorded.len() == values.len()
                && recorded.iter().all(|(name, recorded)| {
                    values.get(name).is_some_and(|value| matches(recorded, value))
                })
        }
        (recorded, value) => recorded == value,
    }
}

fn looks_secret(text: &str) -> bool {
    text.len() >= SHORTEST_SECRET && SECRET_STARTS.iter().any(|start| text.starts_with(start))
}

/// Whether the last word of a name, however its words are set apart, names a secret.
fn names_secret(name: &str) -> bool {
    if NO_SECRETS.contains(&name) {
        return false;
    }
    let words = name.rsplit(['-', '_', '.']);
    let last = words.clone().next().unwrap_or_default();
    let hump = last
        .rfind(|letter: char| letter.is_ascii_uppercase())
        .filter(|_| last.chars().any(|letter| letter.is_ascii_lowercase()));
    let lower = last.to_ascii_lowercase();
    let end = hump.map_or(lower.as_str(), |start| lower.get(start..).unwrap_or_default());
    let is_key = end == "key" && lower.len() + usize::from(name.len() > last.len()) > 3;
    is_key
        || SECRET_WORDS.contains(&end)
        || ["token", "secret", "password", "apikey"].iter().any(|word| lower.ends_with(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hides_secrets_and_nothing_else() {
        for name in [
            "password",
            "apiKey",
            "api_key",
            "X-Api-Key",
            "accessToken",
            "refresh_token",
            "TOKEN",
            "clientSecret",
            "Authorization",
            "DB_PASSWORD",
            "set-cookie",
        ] {
            assert!(names_secret(name), "{name}");
        }
        for name in ["progressToken", "key", "monkey", "maxTokens", "author", "tokens", "path", ""]
        {
            assert!(!names_secret(name), "{name}");
        }
        let mut value = json!({
            "query": "select 1", "password": "hunter2", "limit": 3,
            "headers": ["Bearer 0123456789abcdef", "short"],
            "schema": {"properties": {"token": {"type": "string"}}},
            "text": "the door code is 4711-x",
        });
        redact(&mut value, &["4711-x".to_owned()]);
        assert_eq!(
            value,
            json!({
                "query": "select 1", "password": HIDDEN, "limit": 3,
                "headers": [HIDDEN, "short"],
                "schema": {"properties": {"token": {"type": "string"}}},
                "text": HIDDEN,
            })
        );
    }

    #[test]
    fn hidden_parts_stand_for_anything() {
        let recorded = json!({"a": [1, HIDDEN], "b": {"c": true}});
        assert!(matches(&recorded, &json!({"b": {"c": true}, "a": [1, {"any": "thing"}]})));
        for other in [
            json!({"a": [1], "b": {"c": true}}),
            json!({"a": [2, "x"], "b": {"c": true}}),
            json!({"a": [1, "x"], "b": {"c": true}, "d": 0}),
            json!({"a": [1, "x"]}),
        ] {
            assert!(!matches(&recorded, &other), "{other}");
        }
    }
}
