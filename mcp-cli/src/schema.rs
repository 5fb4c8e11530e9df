//! A reader's view of a JSON Schema: what a command line needs to know of it.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// How many references are followed before the schema counts as circular.
const MAX_DEPTH: usize = 16;

/// A schema inside its document, against which local references are resolved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schema<'a> {
    root: &'a Value,
    node: &'a Value,
}

/// One named property of an object schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Property<'a> {
    /// The key.
    pub(crate) name: &'a str,
    /// What the value may be.
    pub(crate) schema: Schema<'a>,
    /// Whether it must be given.
    pub(crate) required: bool,
}

/// The JSON types that a schema admits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a set with one flag for each JSON type")]
pub(crate) struct Types {
    pub(crate) null: bool,
    pub(crate) boolean: bool,
    pub(crate) integer: bool,
    pub(crate) number: bool,
    pub(crate) string: bool,
    pub(crate) array: bool,
    pub(crate) object: bool,
}

impl Types {
    /// Nothing is said about the type: every value is admitted.
    pub(crate) fn is_any(self) -> bool {
        self == Self::default()
    }

    fn insert(&mut self, name: &str) {
        match name {
            "null" => self.null = true,
            "boolean" => self.boolean = true,
            "integer" => self.integer = true,
            "number" => self.number = true,
            "string" => self.string = true,
            "array" => self.array = true,
            "object" => self.object = true,
            _ => (),
        }
    }

    fn union(self, other: Self) -> Self {
        Self {
            null: self.null | other.null,
            boolean: self.boolean | other.boolean,
            integer: self.integer | other.integer,
            number: self.number | other.number,
            string: self.string | other.string,
            array: self.array | other.array,
            object: self.object | other.object,
        }
    }

    /// Whether a value has one of the types.
    pub(crate) fn admits(self, value: &Value) -> bool {
        self.is_any()
            || match value {
                Value::Null => self.null,
                Value::Bool(_) => self.boolean,
                Value::Number(number) => {
                    self.number
                        || self.integer
                            && (number.is_i64()
                                || number.is_u64()
                                || number.as_f64().is_some_and(|n| n.fract() == 0.0))
                }
                Value::String(_) => self.string,
                Value::Array(_) => self.array,
                Value::Object(_) => self.object,
            }
    }
}

impl<'a> Schema<'a> {
    /// A whole document.
    pub(crate) fn new(root: &'a Value) -> Self {
        Self { root, node: root }
    }

    /// Follows `$ref`, and a union that only adds `null`.
    fn resolved(self) -> Self {
        let mut node = self.node;
        for _ in 0..MAX_DEPTH {
            let Some(reference) = node.get("$ref").and_then(Value::as_str) else { break };
            let Some(next) = reference.strip_prefix('#').and_then(|path| self.root.pointer(path))
            else {
                break;
            };
            node = next;
        }
        Self { root: self.root, node }
    }

    fn at(self, node: &'a Value) -> Self {
        Self { root: self.root, node }.resolved()
    }

    /// A keyword of the schema or, when a reference stands beside it, of what it refers to.
    fn keyword(self, name: &str) -> Option<&'a Value> {
        self.node.get(name).or_else(|| self.resolved().node.get(name))
    }

    fn branches(self) -> impl Iterator<Item = Schema<'a>> {
        let schema = self.resolved();
        ["anyOf", "oneOf"]
            .into_iter()
            .filter_map(move |word| schema.node.get(word)?.as_array())
            .flatten()
            .map(move |node| schema.at(node))
    }

    fn parts(self) -> impl Iterator<Item = Schema<'a>> {
        let schema = self.resolved();
        let all = schema.node.get("allOf").and_then(Value::as_array);
        all.into_iter().flatten().map(move |node| schema.at(node))
    }

    /// The types that a value may have.
    pub(crate) fn types(self) -> Types {
        self.types_within(MAX_DEPTH)
    }

    fn types_within(self, depth: usize) -> Types {
        let mut types = Types::default();
        if depth == 0 {
            return types;
        }
        let schema = self.resolved();
        match schema.node.get("type") {
            Some(Value::String(name)) => types.insert(name),
            Some(Value::Array(names)) => {
                for name in names.iter().filter_map(Value::as_str) {
                    types.insert(name);
                }
            }
            _ => (),
        }
        if !types.is_any() {
            return types;
        }
        if let Some(values) = schema.choices() {
            for value in values.iter() {
                types.insert(type_name(value));
            }
            return types;
        }
        for branch in schema.branches() {
            let of_branch = branch.types_within(depth - 1);
            if of_branch.is_any() {
                return Types::default();
            }
            types = types.union(of_branch);
        }
        if types.is_any() {
            for part in schema.parts() {
                types = types.union(part.types_within(depth - 1));
            }
        }
        if types.is_any() && schema.node.get("properties").is_some() {
            types.object = true;
        }
        types
    }

    /// The values of `enum` or `const`, those of a union's branches included when all have some.
    pub(crate) fn choices(self) -> Option<Cow<'a, [Value]>> {
        self.choices_within(MAX_DEPTH)
    }

    fn choices_within(self, depth: usize) -> Option<Cow<'a, [Value]>> {
        let schema = self.resolved();
        if let Some(values) = schema.node.get("enum").and_then(Value::as_array) {
            return Some(Cow::Borrowed(values));
        }
        if let Some(value) = schema.node.get("const") {
            return Some(Cow::Borrowed(std::slice::from_ref(value)));
        }
        if depth == 0 {
            return None;
        }
        let mut all = Vec::new();
        for branch in schema.branches() {
            if branch.node.get("type").and_then(Value::as_str) == Some("null") {
                all.push(Value::Null);
            } else {
                all.extend_from_slice(&branch.choices_within(depth - 1)?);
            }
        }
        let says_more_than_null = all.iter().any(|value| !value.is_null());
        says_more_than_null.then_some(Cow::Owned(all))
    }

    /// The schema of an array's items.
    pub(crate) fn items(self) -> Option<Self> {
        let own = self.resolved().node.get("items").filter(|items| items.is_object());
        match own {
            Some(items) => Some(self.at(items)),
            None => self.branches().find_map(|branch| {
                let items = branch.node.get("items").filter(|items| items.is_object())?;
                Some(self.at(items))
            }),
        }
    }

    /// The named properties: the required ones first, each group in the schema's order.
    pub(crate) fn properties(self) -> Vec<Property<'a>> {
        let mut found: Vec<Property<'a>> = Vec::new();
        let own = self.resolved();
        // A nullable object hides in a union; other unions have no single list of properties.
        let only_branch = || {
            let mut rest = own.branches().filter(|branch| branch.types().object);
            let first = rest.next()?;
            rest.next().is_none().then_some(first)
        };
        let branch = if own.object("properties").is_none() { only_branch() } else { None };
        let parts: Vec<_> = std::iter::once(own).chain(own.parts()).chain(branch).collect();
        let required: Vec<&str> = parts
            .iter()
            .filter_map(|part| part.node.get("required")?.as_array())
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for part in &parts {
            for (name, node) in part.object("properties").into_iter().flatten() {
                if found.iter().all(|property| property.name != name) {
                    let schema = Self { root: self.root, node };
                    let required = required.contains(&name.as_str());
                    found.push(Property { name, schema, required });
                }
            }
        }
        found.sort_by_key(|property| !property.required);
        found
    }

    fn object(self, word: &str) -> Option<&'a Map<String, Value>> {
        self.node.get(word)?.as_object()
    }

    /// Whether an object may hold keys that [`properties`](Self::properties) does not list.
    ///
    /// JSON Schema says yes unless forbidden; tools that list their parameters hardly ever mean it,
    /// so an explicit word is asked for, or a form of schema that is not looked into.
    pub(crate) fn admits_other_keys(self) -> bool {
        let schema = self.resolved();
        match schema.node.get("additionalProperties") {
            Some(Value::Bool(allowed)) => *allowed,
            Some(_) => true,
            None => {
                schema.node.get("patternProperties").is_some()
                    || schema.branches().next().is_some()
                    || schema.object("properties").is_none() && schema.parts().next().is_none()
            }
        }
    }

    /// The text for people.
    pub(crate) fn description(self) -> Option<&'a str> {
        self.keyword("description").or_else(|| self.keyword("title"))?.as_str()
    }

    /// Values that show what is meant.
    pub(crate) fn examples(self) -> &'a [Value] {
        self.keyword("examples").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The value that the server takes when none is given.
    pub(crate) fn default(self) -> Option<&'a Value> {
        self.keyword("default").filter(|value| !value.is_null())
    }
}

/// The JSON Schema word for a value's type.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sees_types_through_references_and_unions() {
        let root = json!({
            "$defs": {"Color": {"enum": ["red", "blue"]}, "Loop": {"$ref": "#/$defs/Loop"}},
            "properties": {
                "plain": {"type": "integer"},
                "nullable": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                "list": {"type": ["array", "null"], "items": {"type": "number"}},
                "color": {"$ref": "#/$defs/Color", "description": "which"},
                "maybe": {"anyOf": [{"$ref": "#/$defs/Color"}, {"type": "null"}]},
                "loop": {"$ref": "#/$defs/Loop"},
                "any": {},
            },
            "required": ["color", "plain"],
        });
        let schema = Schema::new(&root);
        let types = |name: &str| {
            let all = schema.properties();
            all.iter().find(|property| property.name == name).unwrap().schema.types()
        };
        assert_eq!(types("plain"), Types { integer: true, ..Types::default() });
        assert_eq!(types("nullable"), Types { string: true, null: true, ..Types::default() });
        assert_eq!(types("list"), Types { array: true, null: true, ..Types::default() });
        assert_eq!(types("color"), Types { string: true, ..Types::default() });
        assert_eq!(types("maybe"), Types { string: true, null: true, ..Types::default() });
        assert!(types("loop").is_any());
        assert!(types("any").is_any());
        let properties = schema.properties();
        let names: Vec<_> = properties.iter().map(|p| (p.name, p.required)).collect();
        assert_eq!(names[..2], [("plain", true), ("color", true)].map(|n| n));
        assert_eq!(properties[1].schema.description(), Some("which"));
        assert_eq!(properties[1].schema.choices().unwrap().len(), 2);
    }

    #[test]
    fn merges_all_of_and_knows_open_objects() {
        let root = json!({"allOf": [
            {"properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}}]});
        let names: Vec<_> =
            Schema::new(&root).properties().iter().map(|p| (p.name, p.required)).collect();
        assert_eq!(names, [("a", true), ("b", false)]);
        for (schema, open) in [
            (json!({"properties": {"a": {}}}), false),
            (json!({"properties": {"a": {}}, "additionalProperties": true}), true),
            (json!({"properties": {"a": {}}, "additionalProperties": {"type": "string"}}), true),
            (json!({"type": "object"}), true),
            (json!({"type": "object", "properties": {}}), false),
            (json!({"additionalProperties": false}), false),
        ] {
            assert_eq!(Schema::new(&schema).admits_other_keys(), open, "{schema}");
        }
    }
}
