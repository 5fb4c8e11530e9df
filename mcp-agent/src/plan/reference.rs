//! Results of other steps in the arguments of a step.

use std::{borrow::Cow, collections::BTreeSet};

use serde_json::{Map, Value};

use super::Outputs;

/// Fields that every result has which is neither an object nor a list: itself.
const ITSELF: [&str; 2] = ["result", "text"];

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
    Reference(Reference<'a>),
}

/// What stands between braces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference<'a> {
    pub(super) text: &'a str,
    pub(super) step: &'a str,
    path: Path<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Path<'a> {
    /// Names and indices between dots.
    Dotted(&'a str),
    /// RFC 6901.
    Pointer(&'a str),
}

impl<'a> Reference<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let step = text.split(['.', '#']).next().filter(|step| !step.is_empty())?;
        let path = text[step.len()..].trim();
        let path = path.strip_prefix('#').map_or(Path::Dotted(path), Path::Pointer);
        Some(Self { text, step, path })
    }

    /// The names on the way, from the whole result inwards.
    pub(super) fn names(&self) -> Vec<Cow<'a, str>> {
        match self.path {
            Path::Dotted(path) => dotted(path).map(Cow::Borrowed).collect(),
            Path::Pointer(path) => path
                .split('/')
                .skip(1)
                .map(|name| Cow::Owned(name.replace("~1", "/").replace("~0", "~")))
                .collect(),
        }
    }

    /// Whether it is a result itself, where that is neither an object nor a list.
    pub(super) fn is_itself(&self) -> bool {
        match self.path {
            Path::Dotted(path) => {
                let mut names = dotted(path);
                names.next().is_some_and(|name| ITSELF.contains(&name)) && names.next().is_none()
            }
            Path::Pointer(_) => false,
        }
    }
}

fn dotted(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').filter(|name| !name.is_empty())
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, ReferenceError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let malformed = || ReferenceError::Malformed { text: format!("{{{{{after}") };
        let (inside, behind) = after.split_once("}}").ok_or_else(malformed)?;
        let reference = Reference::read(inside).ok_or_else(malformed)?;
        pieces.extend([Piece::Words(before), Piece::Reference(reference)]);
        rest = behind;
    }
    pieces.push(Piece::Words(rest));
    pieces.retain(|piece| !matches!(piece, Piece::Words("")));
    Ok(pieces)
}

/// All that the arguments use of other steps.
pub(super) fn references_in(
    arguments: &Map<String, Value>,
) -> Result<Vec<Reference<'_>>, ReferenceError> {
    let mut found = Vec::new();
    for value in arguments.values() {
        collect(value, &mut found)?;
    }
    Ok(found)
}

fn collect<'a>(value: &'a Value, found: &mut Vec<Reference<'a>>) -> Result<(), ReferenceError> {
    match value {
        Value::String(text) => {
            found.extend(pieces(text)?.into_iter().filter_map(|piece| match piece {
                Piece::Reference(reference) => Some(reference),
                Piece::Words(_) => None,
            }));
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| collect(item, found)),
        Value::Object(members) => members.values().try_for_each(|item| collect(item, found)),
        _ => Ok(()),
    }
}

/// The steps whose results the arguments use.
pub(super) fn steps_in(arguments: &Map<String, Value>) -> Result<BTreeSet<String>, ReferenceError> {
    Ok(references_in(arguments)?.iter().map(|found| found.step.to_owned()).collect())
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
            Piece::Reference(reference) => match look_up(&reference, outputs)? {
                Value::String(text) => whole.push_str(text),
                other => whole.push_str(&other.to_string()),
            },
        }
    }
    Ok(Value::String(whole))
}

fn look_up<'a>(
    reference: &Reference<'_>,
    outputs: &Outputs<'a>,
) -> Result<&'a Value, ReferenceError> {
    static NULL: Value = Value::Null;
    // A step that failed, and whose failure is to be passed over.
    let Some(output) = outputs.get(reference.step) else { return Ok(&NULL) };
    let is_simple = !matches!(output, Value::Object(_) | Value::Array(_));
    let found = match reference.path {
        Path::Dotted(_) if is_simple && reference.is_itself() => Some(*output),
        Path::Dotted(path) => dotted(path).try_fold(*output, |value, name| match value {
            Value::Array(items) => items.get(name.parse::<usize>().ok()?),
            value => value.get(name),
        }),
        Path::Pointer(pointer) => output.pointer(pointer),
    };
    found.ok_or_else(|| ReferenceError::Missing {
        reference: reference.text.to_owned(),
        step: reference.step.to_owned(),
        shape: shape(reference.step, output),
    })
}

fn shape(step: &str, value: &Value) -> String {
    match value {
        Value::Object(members) => object_with(members.keys()),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::String(_) => format!("a text, which is `{{{{{step}}}}}`"),
        other => format!("{other}, which is `{{{{{step}}}}}`"),
    }
}

/// An object as it is told of, by its members.
pub(super) fn object_with<'a>(names: impl Iterator<Item = &'a String>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<_> = names.take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => "an empty object".to_owned(),
        names => format!("an object with {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn takes_values_by_name_index_and_pointer() {
        let user = json!({"name": "Ada", "mails": [{"a/b": 7}], "age": 36});
        let (text, number) = (json!("391"), json!({"result": 7}));
        let outputs = Outputs::from([("user", &user), ("text", &text), ("number", &number)]);
        for (text, want) in [
            ("{{user.age}}", json!(36)),
            ("{{ user.mails.0 }}", json!({"a/b": 7})),
            ("{{user#/mails/0/a~1b}}", json!(7)),
            ("{{user}}", user.clone()),
            ("Dear {{user.name}}, {{user.age}}!", json!("Dear Ada, 36!")),
            ("no braces { here }", json!("no braces { here }")),
            ("{{skipped.name}}", Value::Null),
            ("{{text}}", text.clone()),
            ("2 * {{text.result}}", json!("2 * 391")),
            ("{{ text.text }}", text.clone()),
            ("{{number.result}}", json!(7)),
        ] {
            assert_eq!(put_text(text, &outputs).unwrap(), want, "{text}");
        }
        let error = put_text("{{user.nam}}", &outputs).unwrap_err().to_string();
        assert!(
            error.contains("`{{user.nam}}` leads nowhere") && error.contains("`mails`"),
            "{error}"
        );
        for (text, told) in [
            ("{{text.value}}", "`text` returned a text, which is `{{text}}`"),
            ("{{text#/text}}", "`text` returned a text, which is `{{text}}`"),
            ("{{number.text}}", "`number` returned an object with `result`"),
        ] {
            let error = put_text(text, &outputs).unwrap_err().to_string();
            assert!(error.ends_with(told), "{error}");
        }
        put_text("{{user.name", &outputs).unwrap_err();
        put_text("{{ }}", &outputs).unwrap_err();
        let steps =
            steps_in(json!({"a": ["{{x.y}}", {"b": "{{z#/1}} {{x}}"}]}).as_object().unwrap());
        assert_eq!(steps.unwrap(), BTreeSet::from(["x".to_owned(), "z".to_owned()]));
    }
}
