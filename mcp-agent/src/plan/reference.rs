//! Results of other steps in the arguments of a step.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Outputs;

/// The result of another step cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// There is no such place in the result.
    #[error("`{{{{{reference}}}}}` leads nowhere: `{step}` returned {shape}")]
    Missing {
        /// As it stands in the arguments.
        reference: String,
        /// The step.
        step: String,
        /// What its result looks like.
        shape: String,
    },
    /// The braces are not closed, or name nothing.
    #[error("`{text}` is no reference to a step: write `{{{{step.field}}}}`")]
    Malformed {
        /// What stands there.
        text: String,
    },
}

/// A piece of a text: words, or a reference.
enum Piece<'a> {
    Words(&'a str),
    Reference(&'a str),
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, ReferenceError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let malformed = || ReferenceError::Malformed { text: format!("{{{{{after}") };
        let (inside, behind) = after.split_once("}}").ok_or_else(malformed)?;
        if step_of(inside).is_empty() {
            return Err(malformed());
        }
        pieces.extend([Piece::Words(before), Piece::Reference(inside.trim())]);
        rest = behind;
    }
    pieces.push(Piece::Words(rest));
    pieces.retain(|piece| !matches!(piece, Piece::Words("")));
    Ok(pieces)
}

fn step_of(reference: &str) -> &str {
    reference.trim().split(['.', '#']).next().unwrap_or_default()
}

/// The steps whose results the arguments use.
pub(super) fn steps_in(arguments: &Map<String, Value>) -> Result<BTreeSet<String>, ReferenceError> {
    let mut steps = BTreeSet::new();
    for value in arguments.values() {
        collect(value, &mut steps)?;
    }
    Ok(steps)
}

fn collect(value: &Value, steps: &mut BTreeSet<String>) -> Result<(), ReferenceError> {
    match value {
        Value::String(text) => {
            for piece in pieces(text)? {
                if let Piece::Reference(reference) = piece {
                    steps.insert(step_of(reference).to_owned());
                }
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| collect(item, steps)),
        Value::Object(members) => members.values().try_for_each(|item| collect(item, steps)),
        _ => Ok(()),
    }
}

/// The arguments with the results in place.
pub(super) fn resolve(
    arguments: &Map<String, Value>,
    outputs: &Outputs<'_>,
) -> Result<Map<String, Value>, ReferenceError> {
    let resolved = arguments.iter().map(|(key, value)| Ok((key.clone(), put(value, outputs)?)));
    resolved.collect()
}

fn put(value: &Value, outputs: &Outputs<'_>) -> Result<Value, ReferenceError> {
    match value {
        Value::String(text) => put_text(text, outputs),
        Value::Array(items) => items.iter().map(|item| put(item, outputs)).collect(),
        Value::Object(members) => resolve(members, outputs).map(Value::Object),
        other => Ok(other.clone()),
    }
}

fn put_text(text: &str, outputs: &Outputs<'_>) -> Result<Value, ReferenceError> {
    let pieces = pieces(text)?;
    if let [Piece::Reference(reference)] = pieces.as_slice() {
        return look_up(reference, outputs).cloned();
    }
    let mut whole = String::new();
    for piece in pieces {
        match piece {
            Piece::Words(words) => whole.push_str(words),
            Piece::Reference(reference) => match look_up(reference, outputs)? {
                Value::String(text) => whole.push_str(text),
                other => whole.push_str(&other.to_string()),
            },
        }
    }
    Ok(Value::String(whole))
}

fn look_up<'a>(reference: &str, outputs: &Outputs<'a>) -> Result<&'a Value, ReferenceError> {
    static NULL: Value = Value::Null;
    let step = step_of(reference);
    // A step that failed, and whose failure is to be passed over.
    let Some(output) = outputs.get(step) else { return Ok(&NULL) };
    let path = reference[step.len()..].trim();
    let found = match path.strip_prefix('#') {
        Some(pointer) => output.pointer(pointer),
        None => path.split('.').filter(|name| !name.is_empty()).try_fold(*output, |value, name| {
            match value {
                Value::Array(items) => items.get(name.parse::<usize>().ok()?),
                value => value.get(name),
            }
        }),
    };
    found.ok_or_else(|| ReferenceError::Missing {
        reference: reference.to_owned(),
        step: step.to_owned(),
        shape: shape(output),
    })
}

fn shape(value: &Value) -> String {
    const SHOWN: usize = 12;
    match value {
        Value::Object(members) => {
            let names: Vec<_> =
                members.keys().take(SHOWN).map(|name| format!("`{name}`")).collect();
            format!("an object with {}", names.join(", "))
        }
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::String(_) => "a text".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn takes_values_by_name_index_and_pointer() {
        let user = json!({"name": "Ada", "mails": [{"a/b": 7}], "age": 36});
        let outputs = Outputs::from([("user", &user)]);
        for (text, want) in [
            ("{{user.age}}", json!(36)),
            ("{{ user.mails.0 }}", json!({"a/b": 7})),
            ("{{user#/mails/0/a~1b}}", json!(7)),
            ("{{user}}", user.clone()),
            ("Dear {{user.name}}, {{user.age}}!", json!("Dear Ada, 36!")),
            ("no braces { here }", json!("no braces { here }")),
            ("{{skipped.name}}", Value::Null),
        ] {
            assert_eq!(put_text(text, &outputs).unwrap(), want, "{text}");
        }
        let error = put_text("{{user.nam}}", &outputs).unwrap_err().to_string();
        assert!(
            error.contains("`{{user.nam}}` leads nowhere") && error.contains("`mails`"),
            "{error}"
        );
        put_text("{{user.name", &outputs).unwrap_err();
        put_text("{{ }}", &outputs).unwrap_err();
        let steps =
            steps_in(json!({"a": ["{{x.y}}", {"b": "{{z#/1}} {{x}}"}]}).as_object().unwrap());
        assert_eq!(steps.unwrap(), BTreeSet::from(["x".to_owned(), "z".to_owned()]));
    }
}
