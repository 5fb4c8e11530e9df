//! Which tools the model is held to. Anthropic bounds what all strict schemas of a request have
//! together, that of the answer among them.

use mcp_protocol::raw::RawJson;
use serde_json::Value;

/// How many tools may be strict.
const MOST_TOOLS: usize = 20;

/// How many properties may be optional.
const MOST_OPTIONAL: usize = 24;

/// How many schemas may be of one kind or another.
const MOST_UNIONS: usize = 16;

/// What the strict schemas of a request have so far.
#[derive(Debug, Default)]
pub(super) struct Taken {
    tools: usize,
    size: Size,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    optional: usize,
    unions: usize,
}

impl Taken {
    /// The shape of the answer, which is strict whatever the tools are.
    pub(super) fn by_answer(&mut self, schema: &Value) {
        self.size.add(schema);
    }

    /// Makes a tool strict if there is room for it.
    pub(super) fn by_tool(&mut self, schema: &RawJson) -> bool {
        let Ok(schema) = schema.parse() else { return false };
        let mut size = self.size;
        size.add(&schema);
        let fits =
            self.tools < MOST_TOOLS && size.optional <= MOST_OPTIONAL && size.unions <= MOST_UNIONS;
        if fits {
            (self.tools, self.size) = (self.tools + 1, size);
        }
        fits
    }
}

impl Size {
    fn add(&mut self, schema: &Value) {
        let Some(object) = schema.as_object() else { return };
        let is_union =
            object.contains_key("anyOf") || object.get("type").is_some_and(Value::is_array);
        self.unions += usize::from(is_union);
        if let Some(properties) = object.get("properties").and_then(Value::as_object) {
            let required = object.get("required").and_then(Value::as_array);
            let is_required =
                |name: &String| required.is_some_and(|all| all.iter().any(|one| one == name));
            self.optional += properties.keys().filter(|name| !is_required(name)).count();
        }
        for (keyword, value) in object {
            match (keyword.as_str(), value) {
                ("properties" | "$defs" | "definitions", Value::Object(schemas)) => {
                    for schema in schemas.values() {
                        self.add(schema);
                    }
                }
                ("anyOf" | "allOf", Value::Array(schemas)) => {
                    for schema in schemas {
                        self.add(schema);
                    }
                }
                ("items", schema) => self.add(schema),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_optional_and_what_is_a_union_is_counted_wherever_it_stands() {
        let mut size = Size::default();
        size.add(&json!({
            "type": "object",
            "properties": {
                "anyOf": {"type": "string"},
                "type": {"type": ["string", "null"]},
                "list": {"type": "array", "items": {"$ref": "#/$defs/one"}},
                "either": {"anyOf": [{"type": "integer"}, {"$ref": "#/$defs/one"}]},
            },
            "required": ["anyOf", "list"],
            "$defs": {"one": {"type": "object", "properties": {"a": {"type": "string"}}}},
        }));
        assert_eq!(size, Size { optional: 3, unions: 2 });
    }

    #[test]
    fn what_comes_first_is_strict() {
        let optional = |count: usize| {
            let names = (0..count).map(|n| (n.to_string(), json!({"type": "string"})));
            json!({"type": "object", "properties": names.collect::<serde_json::Map<_, _>>()})
        };
        let mut taken = Taken::default();
        taken.by_answer(&optional(4));
        assert!(taken.by_tool(&optional(20).into()));
        assert!(!taken.by_tool(&optional(1).into()));
        // What needs nothing of that still fits.
        assert!(taken.by_tool(&optional(0).into()));
        let mut taken = Taken::default();
        assert!((0..MOST_TOOLS).all(|_| taken.by_tool(&optional(0).into())));
        assert!(!taken.by_tool(&optional(0).into()));
        let union = json!({"type": "object", "required": ["a"], "properties": {
            "a": {"type": ["string", "null"]},
        }});
        let mut taken = Taken::default();
        let strict = (0..MOST_TOOLS).filter(|_| taken.by_tool(&union.clone().into())).count();
        assert_eq!(strict, MOST_UNIONS);
    }
}
