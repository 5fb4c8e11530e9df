//! JSON with comments, trailing commas and the rest of what editors let people write.

use jsonc_parser::{CollectOptions, ParseOptions, ast, parse_to_ast};

use super::{Lines, Malformed, Node, Syntax, Value};

pub(super) fn read(text: &str) -> Result<Node, Malformed> {
    let malformed = |line, reason: String| Malformed { syntax: Syntax::Json, line, reason };
    let parsed = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default())
        .map_err(|error| malformed(error.line_display(), error.kind().to_string()))?;
    let lines = Lines::of(text);
    match parsed.value {
        Some(value) => Ok(node(value, &lines)),
        None => Err(malformed(1, "the file is empty".to_owned())),
    }
}

fn node(value: ast::Value<'_>, lines: &Lines) -> Node {
    use jsonc_parser::common::Ranged as _;

    let line = lines.line(value.range().start);
    let value = match value {
        ast::Value::StringLit(text) => Value::Text(text.value.into_owned()),
        ast::Value::NumberLit(number) => number.value.parse().map_or_else(
            // A number that JSON does not have, such as a hexadecimal one.
            |_| Value::Text(number.value.to_owned()),
            Value::Number,
        ),
        ast::Value::BooleanLit(flag) => Value::Bool(flag.value),
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::Array(array) => {
            Value::List(array.elements.into_iter().map(|item| node(item, lines)).collect())
        }
        ast::Value::Object(object) => {
            let entries = object.properties.into_iter().map(|property| {
                let line = lines.line(property.range.start);
                let value = node(property.value, lines).value;
                (property.name.into_string(), Node { line, value })
            });
            Value::Table(entries.collect())
        }
    };
    Node { line, value }
}
