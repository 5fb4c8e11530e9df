//! YAML, the first document of a file.

use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, YamlData};

use super::{Malformed, Node, Syntax, Value};

pub(super) fn read(text: &str) -> Result<Node, Malformed> {
    let malformed = |line, reason: String| Malformed { syntax: Syntax::Yaml, line, reason };
    let documents = MarkedYaml::load_from_str(text)
        .map_err(|error| malformed(error.marker().line(), error.info().to_owned()))?;
    match documents.into_iter().next() {
        Some(document) => node(document),
        None => Err(malformed(1, "the file is empty".to_owned())),
    }
}

fn node(yaml: MarkedYaml<'_>) -> Result<Node, Malformed> {
    let line = yaml.span.start.line();
    let malformed =
        |reason: &str| Malformed { syntax: Syntax::Yaml, line, reason: reason.to_owned() };
    let value = match yaml.data {
        YamlData::Value(scalar) => self::scalar(scalar),
        YamlData::Sequence(items) => {
            Value::List(items.into_iter().map(node).collect::<Result<_, _>>()?)
        }
        YamlData::Mapping(entries) => {
            let mut table = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                let line = key.span.start.line();
                let key = match node(key)?.value {
                    Value::Text(text) => text,
                    Value::Number(number) => number.to_string(),
                    Value::Bool(flag) => flag.to_string(),
                    _ => return Err(malformed("a key must be a word")),
                };
                table.push((key, Node { line, value: node(value)?.value }));
            }
            Value::Table(table)
        }
        YamlData::Tagged(_, inner) => return node(*inner),
        YamlData::Representation(text, ..) => Value::Text(text.into_owned()),
        YamlData::Alias(_) => return Err(malformed("an alias that names nothing")),
        YamlData::BadValue => return Err(malformed("a value that cannot be read")),
    };
    Ok(Node { line, value })
}

fn scalar(scalar: Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(flag) => Value::Bool(flag),
        Scalar::Integer(number) => Value::Number(number.into()),
        Scalar::FloatingPoint(number) => serde_json::Number::from_f64(number.into_inner())
            .map_or_else(|| Value::Text(number.to_string()), Value::Number),
        Scalar::String(text) => Value::Text(text.into_owned()),
    }
}
