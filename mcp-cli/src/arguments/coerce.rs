//! Typed text becomes the value that the schema asks for.

use serde_json::{Number, Value};

use super::ArgumentError;
use crate::{
    schema::{Schema, Types},
    signature::type_text,
    suggest,
};

/// Text that cannot become what the schema asks for.
#[derive(Debug)]
pub(super) enum Mismatch {
    Type { expected: String, text: String },
    Choice { choices: Vec<Value>, text: String },
}

impl Mismatch {
    pub(super) fn of(self, key: &str) -> ArgumentError {
        match self {
            Self::Type { expected, text } => ArgumentError::WrongType {
                key: key.to_owned(),
                expected,
                got: Value::String(text).to_string(),
            },
            Self::Choice { choices, text } => {
                ArgumentError::not_a_choice(key, &choices, &text.into())
            }
        }
    }
}

/// Reads text by the types that the schema admits. A schema without types takes text as it is.
///
/// Where text is admitted beside numbers, it becomes a number only when written exactly as JSON
/// writes it: `007` and `1.0` stay text.
pub(super) fn coerce(text: &str, schema: Schema<'_>) -> Result<Value, Mismatch> {
    if let Some(choices) = schema.choices() {
        let same = choices.iter().find(|choice| match choice {
            Value::String(word) => word == text,
            other => serde_json::from_str::<Value>(text).is_ok_and(|value| value == **other),
        });
        return match same {
            Some(choice) => Ok(choice.clone()),
            None => match same_spelling(text, &choices) {
                Some(choice) => Ok(choice),
                None => {
                    Err(Mismatch::Choice { choices: choices.into_owned(), text: text.to_owned() })
                }
            },
        };
    }
    let types = schema.types();
    let trimmed = text.trim();
    let value = match () {
        () if types.is_any() => Some(Value::String(text.to_owned())),
        () if types.string => beside_text(trimmed, types),
        () => without_text(trimmed, types, schema)?,
    };
    match value {
        Some(value) => Ok(value),
        None if types.string => Ok(Value::String(text.to_owned())),
        None => Err(Mismatch::Type { expected: expectation(schema), text: text.to_owned() }),
    }
}

/// Choices that differ by case alone are taken for what was typed.
fn same_spelling(text: &str, choices: &[Value]) -> Option<Value> {
    let found = suggest::same_but_spelling(text, choices.iter().filter_map(Value::as_str))?;
    found.eq_ignore_ascii_case(text).then(|| Value::String(found.to_owned()))
}

/// Other types than text, when the words leave no doubt; `None` is text.
fn beside_text(text: &str, types: Types) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    match &value {
        Value::Number(number) if number.to_string() != text => None,
        Value::Null | Value::String(_) => None,
        _ => types.admits(&value).then_some(value),
    }
}

fn without_text(text: &str, types: Types, schema: Schema<'_>) -> Result<Option<Value>, Mismatch> {
    if types.null && text == "null" {
        return Ok(Some(Value::Null));
    }
    if types.boolean
        && let Some(flag) = flag(text, types)
    {
        return Ok(Some(Value::Bool(flag)));
    }
    if (types.integer || types.number)
        && let Some(number) = number(text, types)
    {
        return Ok(Some(Value::Number(number)));
    }
    if (types.array && text.starts_with('[') || types.object && text.starts_with('{'))
        && let Ok(value) = serde_json::from_str(text)
    {
        return Ok(Some(value));
    }
    if types.array && !text.starts_with('[') {
        let item = match schema.items() {
            Some(items) => coerce(text, items)?,
            None => Value::String(text.to_owned()),
        };
        return Ok(Some(Value::Array(vec![item])));
    }
    Ok(None)
}

fn flag(text: &str, types: Types) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        "1" if !types.integer && !types.number => Some(true),
        "0" if !types.integer && !types.number => Some(false),
        _ => None,
    }
}

fn number(text: &str, types: Types) -> Option<Number> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    if let Ok(whole) = text.parse::<u64>() {
        return Some(whole.into());
    }
    // Rust also reads `inf` and `nan`, which JSON has not.
    let float: f64 = text.parse().ok().filter(|float: &f64| float.is_finite())?;
    if types.number {
        return Number::from_f64(float);
    }
    // `5.0` and `1e3` are whole; beyond 2^53 a float no longer says which number was meant.
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0).then(|| (float as i64).into())
}

/// What a value must be, after "must be".
pub(super) fn expectation(schema: Schema<'_>) -> String {
    let types = schema.types();
    let mut words = Vec::new();
    for (admitted, word) in [
        (types.string, "text"),
        (types.number, "a number"),
        (types.integer && !types.number, "an integer"),
        (types.boolean, "true or false"),
    ] {
        if admitted {
            words.push(word.to_owned());
        }
    }
    if types.array {
        words.push(format!("a list ({})", type_text(schema)));
    }
    if types.object {
        words.push("a JSON object".to_owned());
    }
    if types.null {
        words.push("null".to_owned());
    }
    words.join(" or ")
}
