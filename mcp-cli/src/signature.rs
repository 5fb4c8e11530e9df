//! A tool's parameters on one line, as a programmer would write them.

use std::{fmt::Write as _, ops::Range};

use serde_json::Value;

use crate::{
    schema::{Property, Schema, Types},
    terminal_text::{one_line, shorten},
};

/// How many values of an enumeration are shown.
const MAX_CHOICES: usize = 6;
/// How long the values of an enumeration may be in all, in characters.
const MAX_CHOICES_CHARS: usize = 48;
/// How long a default value may be, in characters.
const MAX_DEFAULT_CHARS: usize = 24;

/// Such as `get-sum(a: num, b: num, [round: bool=false])`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    /// The line.
    pub(crate) text: String,
    parameters: Vec<(String, Range<usize>)>,
}

impl Signature {
    /// The signature of `name` with the parameters that the schema lists.
    pub(crate) fn new(name: &str, schema: Schema<'_>) -> Self {
        let mut text = one_line(name);
        let mut columns = text.chars().count();
        let mut parameters = Vec::new();
        text.push('(');
        columns += 1;
        for (position, property) in schema.properties().into_iter().enumerate() {
            if position > 0 {
                text.push_str(", ");
                columns += 2;
            }
            let parameter = parameter(property);
            let width = parameter.chars().count();
            let inner = usize::from(!property.required);
            parameters.push((property.name.to_owned(), columns + inner..columns + width - inner));
            text.push_str(&parameter);
            columns += width;
        }
        text.push(')');
        Self { text, parameters }
    }

    /// The columns of one parameter, counted in characters from 0.
    pub(crate) fn columns_of(&self, parameter: &str) -> Option<Range<usize>> {
        self.parameters.iter().find(|(name, _)| name == parameter).map(|(_, span)| span.clone())
    }
}

fn parameter(property: Property<'_>) -> String {
    let mut text = format!("{}: {}", one_line(property.name), type_text(property.schema));
    if let Some(default) = property.schema.default() {
        let default = value_text(default);
        // Writing to a `String` cannot fail.
        let _ = write!(text, "={}", shorten(&default, MAX_DEFAULT_CHARS));
    }
    if property.required { text } else { format!("[{text}]") }
}

/// The type in a word or a few, such as `int`, `str[]` or `red|blue`.
pub(crate) fn type_text(schema: Schema<'_>) -> String {
    type_text_within(schema, 4)
}

fn type_text_within(schema: Schema<'_>, depth: usize) -> String {
    if let Some(choices) = schema.choices() {
        let mut text = String::new();
        for (position, value) in choices.iter().filter(|value| !value.is_null()).enumerate() {
            let value = value_text(value);
            let full = position == MAX_CHOICES
                || text.chars().count() + value.chars().count() > MAX_CHOICES_CHARS;
            if position > 0 {
                text.push('|');
                if full {
                    text.push('…');
                    break;
                }
            }
            text.push_str(&shorten(&value, MAX_CHOICES_CHARS));
        }
        return text;
    }
    let types = schema.types();
    if types.is_any() {
        return "any".to_owned();
    }
    let Types { null, boolean, integer, number, string, array, object } = types;
    let mut words = Vec::new();
    if string {
        words.push("str".to_owned());
    }
    if number {
        words.push("num".to_owned());
    } else if integer {
        words.push("int".to_owned());
    }
    if boolean {
        words.push("bool".to_owned());
    }
    if array {
        words.push(match schema.items() {
            Some(items) if depth > 0 => {
                let item = type_text_within(items, depth - 1);
                if item.contains('|') { format!("({item})[]") } else { format!("{item}[]") }
            }
            _ => "list".to_owned(),
        });
    }
    if object {
        words.push("object".to_owned());
    }
    if words.is_empty() && null {
        words.push("null".to_owned());
    }
    words.join("|")
}

/// A value as one would type it: text without quotes where that is plain.
pub(crate) fn value_text(value: &Value) -> String {
    match value {
        Value::String(text)
            if !text.is_empty()
                && text.chars().all(|c| c.is_alphanumeric() || "_-./:+".contains(c)) =>
        {
            text.clone()
        }
        other => one_line(&other.to_string()),
    }
}

/// About how many tokens a model pays to see the tool: four bytes of its JSON make one.
pub(crate) fn estimated_tokens(definition_bytes: usize) -> usize {
    definition_bytes.div_ceil(4)
}

/// A count of tokens in few characters, such as `~1.9k tokens`.
pub(crate) fn tokens_text(tokens: usize) -> String {
    match tokens {
        0..1000 => format!("~{tokens} tokens"),
        1000..100_000 => format!("~{}.{}k tokens", tokens / 1000, tokens % 1000 / 100),
        _ => format!("~{}k tokens", tokens / 1000),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(schema: &Value) -> String {
        Signature::new("t", Schema::new(schema)).text
    }

    #[test]
    fn reads_like_code() {
        for (schema, want) in [
            (json!({}), "t()"),
            (
                json!({"properties": {"b": {"type": "number"}, "a": {"type": "number"}},
                    "required": ["a", "b"]}),
                "t(b: num, a: num)",
            ),
            (
                json!({"properties": {
                    "steps": {"type": "integer", "default": 5}, "path": {"type": "string"}},
                    "required": ["path"]}),
                "t(path: str, [steps: int=5])",
            ),
            (
                json!({"properties": {
                    "tags": {"type": "array", "items": {"enum": ["x", "y"]}},
                    "rows": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
                    "raw": {"type": "array"},
                    "opts": {"type": "object", "properties": {}},
                    "v": {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
                    "w": {"default": "two words"}}}),
                "t([tags: (x|y)[]], [rows: int[][]], [raw: list], [opts: object], [v: str|int], \
                 [w: any=\"two words\"])",
            ),
            (
                json!({"properties": {"e": {"enum": ["a", "b", "c", "d", "e", "f", "g", null]}}}),
                "t([e: a|b|c|d|e|f|…])",
            ),
        ] {
            assert_eq!(text(&schema), want);
        }
    }

    #[test]
    fn knows_where_each_parameter_stands() {
        let schema = json!({"properties": {"a": {"type": "number"}, "b": {"type": "number"}},
            "required": ["a"]});
        let signature = Signature::new("get-sum", Schema::new(&schema));
        assert_eq!(signature.text, "get-sum(a: num, [b: num])");
        assert_eq!(signature.columns_of("a"), Some(8..14));
        assert_eq!(signature.columns_of("b"), Some(17..23));
        assert_eq!(signature.columns_of("c"), None);
    }

    #[test]
    fn counts_tokens() {
        assert_eq!(estimated_tokens(9), 3);
        assert_eq!(tokens_text(999), "~999 tokens");
        assert_eq!(tokens_text(1949), "~1.9k tokens");
        assert_eq!(tokens_text(150_000), "~150k tokens");
    }
}
