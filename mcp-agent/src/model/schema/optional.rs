//! Optional arguments where a dialect knows only required ones.
//!
//! A strict function of OpenAI must name all properties as required. What may be left out is
//! therefore allowed to be `null`, and [`coerce`](crate::toolbox::arguments::coerce) leaves such a
//! `null` out again. So only places that it looks at are changed: this follows its steps.

use serde_json::{Map, Value, json};

use super::document::Document;

const MAX_DEPTH: usize = 16;

/// The same schema, in which optional properties may be `null`.
pub(super) fn with_null_for_absent(schema: &Value) -> Value {
    let document = Document::new(schema);
    let mut root = document.root.clone();
    Widening { document: &document }.place(&mut root, 0);
    root
}

struct Widening<'a> {
    document: &'a Document,
}

impl Widening<'_> {
    fn place(&self, schema: &mut Value, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        self.put_in_place(schema);
        let Some(object) = schema.as_object_mut() else { return };
        // Rules that are merged, or of which one holds, hide properties from who looks here only.
        if object.contains_key("allOf") || object.contains_key("$ref") {
            return;
        }
        if let Some(several) = shapes(object) {
            for kind in ["object", "array"] {
                let mut of_kind =
                    several.iter_mut().filter(|shape| self.allows(shape, kind) != Some(false));
                if let (Some(only), None) = (of_kind.next(), of_kind.next())
                    && self.allows(only, kind) == Some(true)
                {
                    self.put_in_place(only);
                    // Shapes within shapes are too deep to be sure of the one that is meant.
                    if only.as_object_mut().and_then(shapes).is_none() {
                        self.place(only, depth + 1);
                    }
                }
            }
            return;
        }
        let required = object.get("required").cloned().unwrap_or_default();
        let is_required = |name: &str| {
            required.as_array().is_some_and(|names| names.iter().any(|known| known == name))
        };
        if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
            for (name, property) in properties {
                self.place(property, depth + 1);
                if !is_required(name) && self.allows(property, "null") == Some(false) {
                    allow_null(property);
                }
            }
        }
        if let Some(items) = object.get_mut("items").filter(|items| items.is_object()) {
            self.place(items, depth + 1);
        }
    }

    /// Puts what a reference leads to in its place, where nothing stands beside the reference and
    /// what it leads to does not refer on.
    fn put_in_place(&self, schema: &mut Value) {
        let Some(reference) = schema["$ref"].as_str() else { return };
        let beside = schema.as_object().into_iter().flat_map(Map::keys);
        if beside.into_iter().any(|keyword| keyword != "$ref" && keyword != "description") {
            return;
        }
        let Some(target) = self.document.resolve(reference) else { return };
        if target.to_string().contains("\"$ref\"") {
            return;
        }
        let description = schema.get("description").cloned();
        *schema = target.clone();
        if let (Some(description), Some(object)) = (description, schema.as_object_mut()) {
            object.insert("description".to_owned(), description);
        }
    }

    /// Whether values of a type are allowed; `None` where the schema does not say.
    fn allows(&self, schema: &Value, kind: &str) -> Option<bool> {
        let mut schema = schema;
        for _ in 0..MAX_DEPTH {
            match schema["$ref"].as_str().and_then(|reference| self.document.resolve(reference)) {
                Some(target) => schema = target,
                None => break,
            }
        }
        match &schema["type"] {
            Value::String(name) => return Some(name == kind),
            Value::Array(names) => return Some(names.iter().any(|name| name == kind)),
            _ => {}
        }
        let shapes = ["anyOf", "oneOf"].iter().find_map(|keyword| schema[*keyword].as_array())?;
        let allowed: Option<Vec<bool>> =
            shapes.iter().map(|shape| self.allows(shape, kind)).collect();
        Some(allowed?.contains(&true))
    }
}

fn shapes(object: &mut Map<String, Value>) -> Option<&mut Vec<Value>> {
    let keyword = ["anyOf", "oneOf"].into_iter().find(|keyword| object.contains_key(*keyword))?;
    object.get_mut(keyword)?.as_array_mut()
}

fn allow_null(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(shapes) = shapes(object) {
        shapes.push(json!({"type": "null"}));
        return;
    }
    if object.contains_key("const") || object.contains_key("$ref") {
        *schema = json!({"anyOf": [schema.take(), {"type": "null"}]});
        return;
    }
    match object.get_mut("type") {
        Some(Value::Array(kinds)) => kinds.push("null".into()),
        Some(kind) => *kind = json!([kind.take(), "null"]),
        None => return,
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.push(Value::Null);
    }
}
