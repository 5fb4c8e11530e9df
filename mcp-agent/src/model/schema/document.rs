//! A whole schema, in the words of 2020-12, in which references can be looked up.

use serde_json::{Map, Value, json};

/// A deeper place is not looked at.
const MAX_DEPTH: usize = 64;

/// A whole schema.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) root: Value,
}

impl Document {
    pub(super) fn new(schema: &Value) -> Self {
        let old = schema["$schema"].as_str().is_some_and(|name| {
            ["draft-07", "draft-06", "draft-04"].iter().any(|draft| name.contains(draft))
        });
        let mut root = modernized(schema, old, MAX_DEPTH);
        if let Some(root) = root.as_object_mut() {
            root.remove("$schema");
            root.remove("$id");
        }
        Self { root }
    }

    /// What a reference within the document leads to.
    pub(super) fn resolve(&self, reference: &str) -> Option<&Value> {
        let pointer = reference.strip_prefix('#')?;
        if pointer.is_empty() {
            return Some(&self.root);
        }
        if !pointer.starts_with('/') {
            let anchored = |name: &str| {
                let places = self.root.get(name).and_then(Value::as_object)?;
                places.values().find(|place| place["$anchor"] == pointer)
            };
            return anchored("$defs");
        }
        self.root.pointer(pointer).or_else(|| {
            // A pointer in a URI has its special characters in percent.
            let decoded = percent_decoded(pointer)?;
            self.root.pointer(&decoded)
        })
    }
}

fn percent_decoded(pointer: &str) -> Option<String> {
    let url = url::Url::parse(&format!("x:?{}", pointer.replace('+', "%2B"))).ok()?;
    url.query_pairs().next().map(|(name, _)| name.into_owned())
}

/// Keywords whose value is a schema, a list of schemas, or schemas by name.
const ONE: [&str; 11] = [
    "items",
    "additionalProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "propertyNames",
    "contains",
    "not",
    "if",
    "then",
    "else",
    "additionalItems",
];
const LIST: [&str; 4] = ["anyOf", "oneOf", "allOf", "prefixItems"];
const NAMED: [&str; 5] =
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

/// The schema in the words of 2020-12.
fn modernized(schema: &Value, old: bool, depth: usize) -> Value {
    let Some(object) = schema.as_object() else { return schema.clone() };
    if depth == 0 {
        return schema.clone();
    }
    let inner = |value: &Value| modernized(value, old, depth - 1);
    let list = |values: &[Value]| Value::from(values.iter().map(inner).collect::<Vec<_>>());
    let mut modern = Map::new();
    for (name, value) in object {
        let name = name.as_str();
        match (name, value) {
            // Its siblings meant nothing.
            _ if old && object.contains_key("$ref") && name != "$ref" && !is_kept(name) => {}
            ("items", Value::Array(places)) if old => {
                modern.insert("prefixItems".to_owned(), list(places));
            }
            ("additionalItems", value) if old => {
                if object.get("items").is_some_and(Value::is_array) {
                    modern.insert("items".to_owned(), inner(value));
                }
            }
            ("dependencies", Value::Object(needs)) if old => {
                dependencies(needs, &inner, &mut modern);
            }
            ("exclusiveMinimum" | "exclusiveMaximum", Value::Bool(exclusive)) => {
                let limit = name.replace("exclusiveM", "m");
                if let (true, Some(bound)) = (*exclusive, object.get(&limit)) {
                    modern.insert(name.to_owned(), bound.clone());
                }
            }
            (_, Value::Array(values)) if LIST.contains(&name) => {
                modern.insert(name.to_owned(), list(values));
            }
            (_, Value::Object(named)) if NAMED.contains(&name) => {
                let named: Map<_, _> =
                    named.iter().map(|(key, value)| (key.clone(), inner(value))).collect();
                modern.insert(name.to_owned(), named.into());
            }
            _ if ONE.contains(&name) => {
                modern.insert(name.to_owned(), inner(value));
            }
            _ => {
                modern.insert(name.to_owned(), value.clone());
            }
        }
    }
    for limit in ["Minimum", "Maximum"] {
        // The plain limit was only the value of the exclusive one.
        let (exclusive, plain) = (format!("exclusive{limit}"), limit.to_lowercase());
        if object.get(&exclusive) == Some(&json!(true)) {
            modern.remove(&plain);
        }
    }
    modern.into()
}

fn is_kept(name: &str) -> bool {
    matches!(name, "$defs" | "definitions" | "description" | "title" | "$schema" | "$id")
}

fn dependencies(
    needs: &Map<String, Value>,
    inner: &dyn Fn(&Value) -> Value,
    modern: &mut Map<String, Value>,
) {
    let (mut required, mut schemas) = (Map::new(), Map::new());
    for (name, need) in needs {
        if need.is_array() {
            required.insert(name.clone(), need.clone());
        } else {
            schemas.insert(name.clone(), inner(need));
        }
    }
    for (keyword, needs) in [("dependentRequired", required), ("dependentSchemas", schemas)] {
        if !needs.is_empty() {
            modern.insert(keyword.to_owned(), needs.into());
        }
    }
}
