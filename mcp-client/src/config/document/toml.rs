//! TOML.

use toml_edit::{Document, Item, TableLike, Value as TomlValue};

use super::{Lines, Malformed, Node, Syntax, Value};

pub(super) fn read(text: &str) -> Result<Node, Malformed> {
    let lines = Lines::of(text);
    let document = Document::parse(text).map_err(|error| Malformed {
        syntax: Syntax::Toml,
        line: error.span().map_or(1, |span| lines.line(span.start)),
        reason: error.message().lines().collect::<Vec<_>>().join(", "),
    })?;
    Ok(table(document.as_table(), 1, &lines))
}

fn table(table: &dyn TableLike, line: usize, lines: &Lines) -> Node {
    let entries = table.iter().map(|(key, item)| {
        let at = table
            .get_key_value(key)
            .and_then(|(key, _)| key.span())
            .or_else(|| item.span())
            .map_or(line, |span| lines.line(span.start));
        (key.to_owned(), item_node(item, at, lines))
    });
    Node { line, value: Value::Table(entries.collect()) }
}

fn item_node(item: &Item, line: usize, lines: &Lines) -> Node {
    match item {
        Item::None => Node { line, value: Value::Null },
        Item::Value(value) => value_node(value, line, lines),
        Item::Table(inner) => table(inner, line, lines),
        Item::ArrayOfTables(tables) => {
            let items = tables.iter().map(|one| {
                table(one, one.span().map_or(line, |span| lines.line(span.start)), lines)
            });
            Node { line, value: Value::List(items.collect()) }
        }
    }
}

fn value_node(value: &TomlValue, line: usize, lines: &Lines) -> Node {
    let value = match value {
        TomlValue::String(text) => Value::Text(text.value().clone()),
        TomlValue::Integer(number) => Value::Number((*number.value()).into()),
        TomlValue::Float(number) => serde_json::Number::from_f64(*number.value())
            .map_or_else(|| Value::Text(number.value().to_string()), Value::Number),
        TomlValue::Boolean(flag) => Value::Bool(*flag.value()),
        TomlValue::Datetime(time) => Value::Text(time.value().to_string()),
        TomlValue::Array(items) => {
            let items = items.iter().map(|item| {
                let line = item.span().map_or(line, |span| lines.line(span.start));
                value_node(item, line, lines)
            });
            Value::List(items.collect())
        }
        TomlValue::InlineTable(inner) => return table(inner, line, lines),
    };
    Node { line, value }
}
