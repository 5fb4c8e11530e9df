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
            outer.insert(name, Item::Table(toml_entry(entry)));
        }
        root.insert(key, Item::Table(outer));
    }
    root.to_string()
}

/// Puts one server into a TOML file, and leaves the rest as it is.
pub(in super::super) fn toml_with(
    text: &str,
    dialect: Dialect,
    name: &str,
    entry: &Value,
) -> Result<String, String> {
    let mut root: DocumentMut = text.parse().map_err(|error| format!("it is not TOML: {error}"))?;
    let key = match dialect {
        Dialect::Codex => "mcp_servers",
        Dialect::Goose => "extensions",
        _ if root.contains_key("servers") => "servers",
        _ => "mcpServers",
    };
    let outer = root.entry(key).or_insert_with(|| {
        let mut outer = Table::new();
        outer.set_implicit(true);
        Item::Table(outer)
    });
    let outer = outer.as_table_like_mut().ok_or_else(|| format!("`{key}` is no table"))?;
    outer.insert(name, Item::Table(toml_entry(entry)));
    Ok(root.to_string())
}

fn toml_entry(entry: &Value) -> Table {
    let mut table = Table::new();
    for (key, value) in entry.as_object().into_iter().flatten() {
        if let Some(value) = toml_value(value) {
            table.insert(key, Item::Value(value));
        }
    }
    table
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
