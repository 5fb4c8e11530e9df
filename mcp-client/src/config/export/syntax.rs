//! A tree as JSON, TOML or YAML.

use saphyr::{Yaml, YamlEmitter};
use serde_json::Value;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table};

use super::super::Dialect;

pub(super) fn write(document: &Value, dialect: Dialect) -> String {
    match dialect {
        Dialect::Codex => toml(document),
        Dialect::Goose => yaml(document),
        // Display of a value cannot fail.
        _ => format!("{document:#}\n"),
    }
}

fn toml(document: &Value) -> String {
    let mut root = DocumentMut::new();
    for (key, value) in document.as_object().into_iter().flatten() {
        let mut outer = Table::new();
        outer.set_implicit(true);
        for (name, entry) in value.as_object().into_iter().flatten() {
            let mut table = Table::new();
            for (key, value) in entry.as_object().into_iter().flatten() {
                if let Some(value) = toml_value(value) {
                    table.insert(key, Item::Value(value));
                }
            }
            outer.insert(name, Item::Table(table));
        }
        root.insert(key, Item::Table(outer));
    }
    root.to_string()
}

/// `None` for null, which TOML does not have.
fn toml_value(value: &Value) -> Option<toml_edit::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            (None, float) => float?.into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().filter_map(toml_value).collect::<Array>().into(),
        Value::Object(members) => members
            .iter()
            .filter_map(|(key, value)| Some((key.as_str(), toml_value(value)?)))
            .collect::<InlineTable>()
            .into(),
    })
}

fn yaml(document: &Value) -> String {
    let mut text = String::new();
    let emitted = YamlEmitter::new(&mut text).dump(&yaml_value(document));
    debug_assert!(emitted.is_ok(), "writing to a string cannot fail");
    let body = text.strip_prefix("---\n").unwrap_or(&text);
    format!("{body}\n")
}

fn yaml_value(value: &Value) -> Yaml<'_> {
    match value {
        Value::Null => Yaml::Value(saphyr::Scalar::Null),
        Value::Bool(flag) => Yaml::Value(saphyr::Scalar::Boolean(*flag)),
        Value::Number(number) => Yaml::Value(match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => saphyr::Scalar::Integer(whole),
            (None, float) => saphyr::Scalar::FloatingPoint(float.unwrap_or_default().into()),
        }),
        Value::String(text) => Yaml::Value(saphyr::Scalar::String(text.as_str().into())),
        Value::Array(items) => Yaml::Sequence(items.iter().map(yaml_value).collect()),
        Value::Object(members) => Yaml::Mapping(
            members
                .iter()
                .map(|(key, value)| {
                    let key = Yaml::Value(saphyr::Scalar::String(key.as_str().into()));
                    (key, yaml_value(value))
                })
                .collect(),
        ),
    }
}
