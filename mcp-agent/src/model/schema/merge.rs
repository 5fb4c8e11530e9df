//! Two schemas as one that allows what both allow, where that can be said.

use serde_json::{Map, Value, json};

use super::is_annotation;

/// The schema that allows exactly what both allow; `None` where one schema cannot say it.
pub(super) fn merge(
    one: &Map<String, Value>,
    other: &Map<String, Value>,
) -> Option<Map<String, Value>> {
    if !closed_covers(one, other) || !closed_covers(other, one) {
        return None;
    }
    let mut merged = one.clone();
    for (keyword, value) in other {
        let Some(known) = one.get(keyword) else {
            merged.insert(keyword.clone(), value.clone());
            continue;
        };
        if known == value {
            continue;
        }
        let both = match keyword.as_str() {
            // The outer one speaks of this place.
            annotation if is_annotation(annotation) => known.clone(),
            "type" => common_types(known, value)?,
            "required" => union(known, value)?,
            "enum" => common(known, value)?,
            "properties" => properties(known.as_object()?, value.as_object()?)?.into(),
            "minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties" => {
                if known.as_f64()? >= value.as_f64()? { known.clone() } else { value.clone() }
            }
            "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties" => {
                if known.as_f64()? <= value.as_f64()? { known.clone() } else { value.clone() }
            }
            _ => return None,
        };
        merged.insert(keyword.clone(), both);
    }
    Some(merged)
}

/// Whether what `one` says of all its other properties, or items, says nothing about those that
/// `other` names.
fn closed_covers(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    const REST: [(&str, &str); 3] = [
        ("additionalProperties", "properties"),
        ("unevaluatedProperties", "properties"),
        ("items", "prefixItems"),
    ];
    REST.iter().all(|(rest, named)| {
        let Some(of_other) = other.get(*named) else { return true };
        one.get(*rest).is_none_or(|rest| *rest == true)
            || match (one.get(*named), of_other) {
                (Some(Value::Object(own)), Value::Object(theirs)) => {
                    theirs.keys().all(|name| own.contains_key(name))
                }
                _ => false,
            }
    }) && !(one.contains_key("patternProperties") && other.contains_key("additionalProperties"))
        && !(one.contains_key("unevaluatedProperties") && one != other)
        && !(one.contains_key("unevaluatedItems") && one != other)
        // These belong together and to their own schema.
        && !["if", "then", "else", "contains"]
            .iter()
            .any(|keyword| one.contains_key(*keyword) && other.contains_key(*keyword))
        && !(one.contains_key("if") || other.contains_key("if"))
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}

fn common_types(one: &Value, other: &Value) -> Option<Value> {
    let (one, other) = (list(one), list(other));
    let mut types: Vec<Value> = one.iter().filter(|kind| other.contains(kind)).cloned().collect();
    // Every integer is a number.
    let has = |types: &[Value], kind: &str| types.iter().any(|known| known == kind);
    if (has(&one, "integer") && has(&other, "number")
        || has(&one, "number") && has(&other, "integer"))
        && !has(&types, "integer")
        && !has(&types, "number")
    {
        types.push("integer".into());
    }
    match types.len() {
        0 => None,
        1 => types.pop(),
        _ => Some(types.into()),
    }
}

fn common(one: &Value, other: &Value) -> Option<Value> {
    let other = other.as_array()?;
    let values: Vec<Value> =
        one.as_array()?.iter().filter(|value| other.contains(value)).cloned().collect();
    if values.is_empty() { None } else { Some(values.into()) }
}

fn union(one: &Value, other: &Value) -> Option<Value> {
    let mut names = one.as_array()?.clone();
    for name in other.as_array()? {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    Some(names.into())
}

fn properties(one: &Map<String, Value>, other: &Map<String, Value>) -> Option<Map<String, Value>> {
    let mut merged = one.clone();
    for (name, value) in other {
        let both = match one.get(name) {
            None | Some(Value::Bool(true)) => value.clone(),
            Some(known) if known == value => continue,
            Some(Value::Object(known)) => match value {
                Value::Object(value) => merge(known, value)?.into(),
                Value::Bool(true) => continue,
                _ => return None,
            },
            Some(_) => return None,
        };
        merged.insert(name.clone(), both);
    }
    Some(merged)
}

/// Whether no value is valid for both, as far as can be told without looking far.
pub(super) fn disjoint(one: &Value, other: &Value) -> bool {
    let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else { return false };
    if let (Some(one), Some(other)) = (values(one), values(other)) {
        return one.iter().all(|value| !other.contains(value));
    }
    if let (Some(one), Some(other)) = (types(one), types(other))
        && one.iter().all(|kind| !other.contains(kind))
    {
        return true;
    }
    let both_objects =
        [one, other].iter().all(|schema| schema.get("type") == Some(&json!("object")));
    let required = |schema: &Map<String, Value>, name: &str| {
        schema["required"].as_array().is_some_and(|names| names.iter().any(|known| known == name))
    };
    let tagged = |name: &str| {
        one.get("required").is_some()
            && other.get("required").is_some()
            && required(one, name)
            && required(other, name)
    };
    both_objects
        && one.get("properties").and_then(Value::as_object).is_some_and(|properties| {
            properties.iter().any(|(name, schema)| {
                let others = other.get("properties").and_then(|all| all.get(name));
                tagged(name)
                    && match (values_of(schema), others.and_then(values_of)) {
                        (Some(one), Some(other)) => one.iter().all(|value| !other.contains(value)),
                        _ => false,
                    }
            })
        })
}

fn values_of(schema: &Value) -> Option<Vec<Value>> {
    schema.as_object().and_then(values)
}

fn values(schema: &Map<String, Value>) -> Option<Vec<Value>> {
    match (schema.get("const"), schema.get("enum")) {
        (Some(value), _) => Some(vec![value.clone()]),
        (None, Some(Value::Array(values))) => Some(values.clone()),
        _ => None,
    }
}

fn types(schema: &Map<String, Value>) -> Option<Vec<Value>> {
    let mut types = list(schema.get("type")?);
    // An integer is a number too.
    if types.iter().any(|kind| kind == "number") {
        types.push("integer".into());
    }
    Some(types)
}
