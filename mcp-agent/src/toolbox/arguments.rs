//! What models write as arguments, read with patience and put right by the tool's schema.

use std::cell::OnceCell;

use mcp_client::{SchemaError, SchemaValidator};
use mcp_protocol::raw::RawJson;
use serde_json::{Map, Number, Value};

/// How deep schemas and arguments are followed together.
const MAX_DEPTH: usize = 32;

/// The arguments cannot be used. Its text is written for the model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgumentsError {
    /// They are not a JSON object.
    #[error("the arguments must be one JSON object, but {problem}")]
    Unreadable {
        /// What they are.
        problem: String,
    },
    /// They do not fit the tool's schema.
    #[error(
        "the arguments do not fit the schema of the tool: {violations}. Call it again with \
         arguments that do"
    )]
    Unfit {
        /// Where, by JSON pointers, and what is asked for there.
        violations: String,
    },
}

/// Checks arguments by the tool's schema. A schema that cannot be used, which is not the model's
/// fault, forbids nothing: the server has the last word.
///
/// # Errors
/// [`ArgumentsError::Unfit`] names the first places.
pub fn check(schema: &RawJson, arguments: &Map<String, Value>) -> Result<(), ArgumentsError> {
    SchemaValidator::compile(schema).map_or(Ok(()), |validator| check_by(&validator, arguments))
}

fn check_by(
    validator: &SchemaValidator,
    arguments: &Map<String, Value>,
) -> Result<(), ArgumentsError> {
    let arguments = Value::Object(arguments.clone()).into();
    match validator.check(&arguments) {
        Err(SchemaError::Violated(violations)) => {
            let places = violations.iter().map(|violation| {
                let place = if violation.path.is_empty() { "the object" } else { &violation.path };
                format!("at {place}: {}", violation.message)
            });
            Err(ArgumentsError::Unfit { violations: places.collect::<Vec<_>>().join("; ") })
        }
        _ => Ok(()),
    }
}

/// The schema of a tool, read once for all calls of a turn.
pub(crate) struct Schema {
    /// None where it is not JSON: then arguments stay as they are.
    value: Option<Value>,
    text: RawJson,
    validator: OnceCell<Option<SchemaValidator>>,
}

impl Schema {
    pub(crate) fn new(schema: &RawJson) -> Self {
        Self { value: schema.parse().ok(), text: schema.clone(), validator: OnceCell::new() }
    }

    /// As the function.
    pub(crate) fn coerce(&self, arguments: &mut Map<String, Value>) {
        if let Some(schema) = &self.value {
            coerce(schema, arguments);
        }
    }

    /// As the function.
    pub(crate) fn check(&self, arguments: &Map<String, Value>) -> Result<(), ArgumentsError> {
        let validator = self.validator.get_or_init(|| SchemaValidator::compile(&self.text).ok());
        validator.as_ref().map_or(Ok(()), |validator| check_by(validator, arguments))
    }
}

/// Reads the arguments of a call.
///
/// Nothing at all and `null` are the empty object. An object inside a JSON string, or inside a
/// Markdown fence, is taken out of it.
///
/// # Errors
/// The text is something else; the error says what.
pub fn parse(text: &str) -> Result<Map<String, Value>, ArgumentsError> {
    let mut text = unfenced(text).to_owned();
    // Twice encoded is common, three times has been seen.
    for _ in 0..3 {
        if text.trim().is_empty() {
            return Ok(Map::new());
        }
        match serde_json::from_str(&text) {
            Ok(Value::Object(arguments)) => return Ok(arguments),
            Ok(Value::Null) => return Ok(Map::new()),
            Ok(Value::String(inner)) => unfenced(&inner).clone_into(&mut text),
            Ok(other) => {
                let problem = format!("they are {}: {}", kind(&other), short(&text));
                return Err(ArgumentsError::Unreadable { problem });
            }
            Err(error) => {
                let problem = format!("they cannot be read ({error}): {}", short(&text));
                return Err(ArgumentsError::Unreadable { problem });
            }
        }
    }
    Err(ArgumentsError::Unreadable {
        problem: format!("they are encoded again and again: {}", short(&text)),
    })
}

fn unfenced(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix("```json")
        .or_else(|| text.strip_prefix("```"))
        .and_then(|rest| rest.strip_suffix("```"))
        .map_or(text, str::trim)
}

fn short(text: &str) -> String {
    const SHOWN: usize = 120;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Turns values into the types that the schema asks for, where there is only one way to do so:
/// `"5"` to `5`, `5` to `"5"`, `"true"` to `true`, `"[1]"` to `[1]`, `3.0` to `3`. A `null` that
/// the schema does not allow is left out where the member is optional.
///
/// A value whose type the schema allows is never touched: `"00713"` stays a string where strings
/// are asked for, and stays one where numbers are, since no number is spelled so.
pub fn coerce(schema: &Value, arguments: &mut Map<String, Value>) {
    Coercion { root: schema }.object(schema, arguments, 0);
}

struct Coercion<'a> {
    root: &'a Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

impl<'a> Coercion<'a> {
    fn object(&self, schema: &'a Value, object: &mut Map<String, Value>, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        let schema = self.resolve(schema);
        let Some(properties) = schema["properties"].as_object() else { return };
        let required = |name: &str| {
            schema["required"].as_array().is_some_and(|names| names.iter().any(|n| n == name))
        };
        object.retain(|name, value| {
            let Some(property) = properties.get(name) else { return true };
            let unwanted = value.is_null()
                && !required(name)
                && !self.types(property, 0).is_none_or(|types| types.contains(&Type::Null));
            if !unwanted {
                self.value(property, value, depth + 1);
            }
            !unwanted
        });
    }

    fn value(&self, schema: &'a Value, value: &mut Value, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        let schema = self.resolve(schema);
        if let Some(types) = self.types(schema, 0)
            && !types.iter().any(|wanted| is_of(value, *wanted))
        {
            let mut ways = types.iter().filter_map(|wanted| convert(value, *wanted));
            if let Some(converted) = ways.next() {
                *value = converted;
            }
        }
        match value {
            Value::Object(object) => {
                if let Some(form) = self.only_form(schema, Type::Object) {
                    self.object(form, object, depth + 1);
                }
            }
            Value::Array(items) => {
                if let Some(form) = self.only_form(schema, Type::Array)
                    && form["items"].is_object()
                {
                    for item in items {
                        self.value(&form["items"], item, depth + 1);
                    }
                }
            }
            _ => {}
        }
    }

    /// Follows references inside the schema.
    fn resolve(&self, mut schema: &'a Value) -> &'a Value {
        for _ in 0..MAX_DEPTH {
            let Some(pointer) = schema["$ref"].as_str().and_then(|r| r.strip_prefix('#')) else {
                break;
            };
            let Some(target) = self.root.pointer(pointer) else { break };
            schema = target;
        }
        schema
    }

    /// The types that a schema allows, in its order; `None` when it does not say.
    fn types(&self, schema: &'a Value, depth: usize) -> Option<Vec<Type>> {
        if depth > MAX_DEPTH {
            return None;
        }
        let schema = self.resolve(schema);
        match &schema["type"] {
            Value::String(name) => return Some(vec![type_named(name)?]),
            Value::Array(names) => {
                return names.iter().map(|name| type_named(name.as_str()?)).collect();
            }
            _ => {}
        }
        let mut all = Vec::new();
        for choice in choices(schema)? {
            all.extend(self.types(choice, depth + 1)?);
        }
        Some(all)
    }

    /// The schema itself, or the only one of its choices that is of this type.
    fn only_form(&self, schema: &'a Value, wanted: Type) -> Option<&'a Value> {
        let Some(choices) = choices(schema) else { return Some(schema) };
        let mut forms = choices
            .iter()
            .map(|choice| self.resolve(choice))
            .filter(|choice| self.types(choice, 0).is_some_and(|types| types.contains(&wanted)));
        forms.next().filter(|_| forms.next().is_none())
    }
}

fn choices(schema: &Value) -> Option<&Vec<Value>> {
    schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array())
}

fn type_named(name: &str) -> Option<Type> {
    Some(match name {
        "null" => Type::Null,
        "boolean" => Type::Boolean,
        "integer" => Type::Integer,
        "number" => Type::Number,
        "string" => Type::String,
        "array" => Type::Array,
        "object" => Type::Object,
        _ => return None,
    })
}

fn is_of(value: &Value, wanted: Type) -> bool {
    match wanted {
        Type::Null => value.is_null(),
        Type::Boolean => value.is_boolean(),
        Type::Integer => value.is_i64() || value.is_u64(),
        Type::Number => value.is_number(),
        Type::String => value.is_string(),
        Type::Array => value.is_array(),
        Type::Object => value.is_object(),
    }
}

fn convert(value: &Value, wanted: Type) -> Option<Value> {
    match (value, wanted) {
        (Value::String(text), Type::Integer | Type::Number) => {
            let number: Number = serde_json::from_str(text.trim()).ok()?;
            let number = Value::Number(number);
            if is_of(&number, wanted) { Some(number) } else { convert(&number, wanted) }
        }
        // Exact up to 2^53; beyond it a float names no certain integer.
        #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
        (Value::Number(number), Type::Integer) => {
            let float = number.as_f64()?;
            (float.fract() == 0.0 && float.abs() < 9e15).then(|| Value::from(float as i64))
        }
        (Value::String(text), Type::Boolean) => match text.trim() {
            "true" | "True" => Some(true.into()),
            "false" | "False" => Some(false.into()),
            _ => None,
        },
        (Value::String(text), Type::Array | Type::Object) => {
            let inner: Value = serde_json::from_str(text).ok()?;
            is_of(&inner, wanted).then_some(inner)
        }
        (Value::Number(number), Type::String) => Some(number.to_string().into()),
        (Value::Bool(flag), Type::String) => Some(flag.to_string().into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
