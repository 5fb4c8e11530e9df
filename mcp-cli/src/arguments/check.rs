//! Checks an object of arguments before it is sent.
//!
//! What a person can get wrong at a prompt is looked at: missing and unknown keys, types and
//! choices, also inside nested objects and lists. Everything else is the server's to judge.

use serde_json::{Map, Value};

use super::{ArgumentError, coerce::expectation};
use crate::{schema::Schema, suggest};

/// How deep nested values are looked at.
const MAX_DEPTH: usize = 16;

/// Finds the first thing that does not fit the schema.
pub(crate) fn check(
    arguments: &Map<String, Value>,
    schema: Schema<'_>,
) -> Result<(), ArgumentError> {
    object("", arguments, schema, MAX_DEPTH)
}

fn object(
    path: &str,
    members: &Map<String, Value>,
    schema: Schema<'_>,
    depth: usize,
) -> Result<(), ArgumentError> {
    let properties = schema.properties();
    for (key, value) in members {
        let at = join(path, key);
        match properties.iter().find(|property| property.name == key) {
            Some(property) => self::value(&at, value, property.schema, depth)?,
            None if schema.admits_other_keys() => (),
            None => {
                let names = properties.iter().map(|property| property.name);
                return Err(ArgumentError::UnknownKey {
                    nearest: suggest::nearest(key, names.clone()).map(|near| join(path, near)),
                    parameters: names.map(str::to_owned).collect(),
                    key: at,
                });
            }
        }
    }
    let missing: Vec<String> = properties
        .iter()
        .filter(|property| property.required && !members.contains_key(property.name))
        .map(|property| join(path, property.name))
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(ArgumentError::Missing { keys: missing }) }
}

fn value(path: &str, value: &Value, schema: Schema<'_>, depth: usize) -> Result<(), ArgumentError> {
    if depth == 0 {
        return Ok(());
    }
    if let Some(choices) = schema.choices() {
        return if choices.contains(value) {
            Ok(())
        } else {
            Err(ArgumentError::not_a_choice(path, &choices, value))
        };
    }
    if !schema.types().admits(value) {
        let expected = expectation(schema);
        return Err(ArgumentError::WrongType {
            key: path.to_owned(),
            expected,
            got: value.to_string(),
        });
    }
    match value {
        Value::Object(members) => object(path, members, schema, depth - 1),
        Value::Array(items) => {
            let Some(schema) = schema.items() else { return Ok(()) };
            items.iter().enumerate().try_for_each(|(index, item)| {
                self::value(&format!("{path}[{index}]"), item, schema, depth - 1)
            })
        }
        _ => Ok(()),
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
