//! Dialects in which the provider forces what the model writes into the schema.
//!
//! Everything here only narrows: an object without a word about further properties is closed, and
//! an optional property that may be `null` becomes required. Where narrowing would take something
//! away that the model may need, such as objects with any properties, there is no strict form.

use serde_json::{Map, Value, json};

use super::{
    Compiled, Lost, NotConvertible, SchemaDialect, below,
    document::Document,
    is_annotation,
    merge::{disjoint, merge},
    tell,
};

const MAX_DEPTH: usize = 48;

pub(super) fn compile(
    document: &Document,
    dialect: SchemaDialect,
) -> Result<Compiled, NotConvertible> {
    let openai = dialect == SchemaDialect::OpenAiStrict;
    let mut compiler = Compiler { document, openai, lost: Vec::new(), kept: Vec::new() };
    let mut root = compiler.place(&document.root, "", &mut Vec::new())?;
    if root.get("type") != Some(&json!("object")) {
        return Err(not("", "the outermost level is no object"));
    }
    // What is kept by name may name more.
    let mut definitions = Map::new();
    while let Some(name) =
        compiler.kept.iter().find(|name| !definitions.contains_key(*name)).cloned()
    {
        let reference = format!("#/$defs/{name}");
        let Some(target) = document.resolve(&reference) else {
            return Err(not(&reference, "a reference that leads nowhere"));
        };
        let place =
            compiler.place(target, &below("/$defs", &name), &mut vec![reference.clone()])?;
        definitions.insert(name, place.into());
    }
    if !definitions.is_empty() {
        root.insert("$defs".to_owned(), definitions.into());
    }
    Ok(Compiled { schema: root.into(), lost: compiler.lost })
}

struct Compiler<'a> {
    document: &'a Document,
    openai: bool,
    lost: Vec<Lost>,
    /// The definitions that are referred to, since they contain themselves.
    kept: Vec<String>,
}

fn not(path: &str, reason: &'static str) -> NotConvertible {
    NotConvertible { path: path.to_owned(), reason }
}

impl Compiler<'_> {
    /// Whether the provider forces this rule.
    fn forces(&self, keyword: &str, value: &Value) -> bool {
        match keyword {
            "pattern" | "multipleOf" | "minimum" | "maximum" | "exclusiveMinimum"
            | "exclusiveMaximum" | "maxItems" => self.openai,
            "minItems" => self.openai || value.as_u64().is_some_and(|items| items <= 1),
            _ => false,
        }
    }

    fn place(
        &mut self,
        schema: &Value,
        path: &str,
        inside: &mut Vec<String>,
    ) -> Result<Map<String, Value>, NotConvertible> {
        if path.matches('/').count() > MAX_DEPTH {
            return Err(not(path, "too deep"));
        }
        let Some(object) = schema.as_object() else {
            return Err(not(path, "a place where anything, or nothing, is allowed"));
        };
        let object = flattened(object, path)?;
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            return self.reference(reference, &object, path, inside);
        }
        let mut node = Map::new();
        let mut lost = Map::new();
        let mut has_type = false;
        for (keyword, value) in &object {
            match keyword.as_str() {
                "type" | "enum" | "const" => {
                    has_type = true;
                    node.insert(keyword.clone(), value.clone());
                }
                "anyOf" | "oneOf" if !path.is_empty() || !self.openai => {
                    has_type = true;
                    if node.contains_key("anyOf") {
                        return Err(not(path, "two choices of shapes"));
                    }
                    let shapes = self.shapes(keyword, value, path, inside)?;
                    node.insert("anyOf".to_owned(), shapes);
                }
                "anyOf" | "oneOf" => return Err(not(path, "a choice of shapes outside")),
                "description" | "title" => {
                    node.insert(keyword.clone(), value.clone());
                }
                // These are done below.
                "properties" | "required" | "additionalProperties" | "items" => {}
                annotation if is_annotation(annotation) => {}
                _ if self.forces(keyword, value) => {
                    node.insert(keyword.clone(), value.clone());
                }
                "patternProperties"
                | "unevaluatedProperties"
                | "dependentSchemas"
                | "if"
                | "prefixItems"
                | "propertyNames"
                | "not"
                | "contains"
                | "unevaluatedItems" => {
                    return Err(not(path, "a rule that no strict schema has"));
                }
                _ => {
                    self.lost.push(Lost { path: path.to_owned(), keyword: keyword.clone() });
                    lost.insert(keyword.clone(), value.clone());
                }
            }
        }
        if !has_type {
            if !object.contains_key("properties") {
                return Err(not(path, "a place where anything is allowed"));
            }
            node.insert("type".to_owned(), "object".into());
        }
        let allows = |kind: &str| match node.get("type") {
            Some(Value::Array(types)) => types.iter().any(|known| known == kind),
            Some(known) => known == kind,
            None => false,
        };
        let (is_object, is_list) = (allows("object"), allows("array"));
        if is_object && !node.contains_key("enum") && !node.contains_key("const") {
            self.object(&object, path, inside, &mut node)?;
        }
        if is_list && !node.contains_key("enum") && !node.contains_key("const") {
            let Some(items) = object.get("items") else {
                return Err(not(path, "a list of anything"));
            };
            let items = self.place(items, &below(path, "items"), inside)?;
            node.insert("items".to_owned(), items.into());
        }
        tell(&mut node, &lost);
        Ok(node)
    }

    fn shapes(
        &mut self,
        keyword: &str,
        value: &Value,
        path: &str,
        inside: &mut Vec<String>,
    ) -> Result<Value, NotConvertible> {
        let shapes = value.as_array().map(Vec::as_slice).unwrap_or_default();
        let exclusive = shapes
            .iter()
            .enumerate()
            .all(|(place, one)| shapes[place + 1..].iter().all(|other| disjoint(one, other)));
        if keyword == "oneOf" && !exclusive {
            return Err(not(path, "shapes of which two may fit"));
        }
        let here = below(path, keyword);
        let places = shapes.iter().enumerate().map(|(index, shape)| {
            self.place(shape, &below(&here, &index.to_string()), inside).map(Value::from)
        });
        Ok(places.collect::<Result<Vec<_>, _>>()?.into())
    }

    /// Closes an object and settles which properties it must have.
    fn object(
        &mut self,
        object: &Map<String, Value>,
        path: &str,
        inside: &mut Vec<String>,
        node: &mut Map<String, Value>,
    ) -> Result<(), NotConvertible> {
        let empty = Map::new();
        let properties = object.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        match object.get("additionalProperties") {
            Some(Value::Bool(false)) => {}
            None if !properties.is_empty() => {}
            _ => return Err(not(path, "an object with any properties")),
        }
        let required: Vec<&str> = object
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if required.iter().any(|name| !properties.contains_key(*name)) {
            return Err(not(path, "a required property without a schema"));
        }
        let mut places = Map::new();
        let mut names = Vec::new();
        for (name, schema) in properties {
            let here = below(&below(path, "properties"), name);
            let is_required = required.contains(&name.as_str());
            if !is_required && self.openai && !self.allows_null(schema, 8) {
                return Err(not(&here, "an optional property that cannot be null"));
            }
            if is_required || self.openai {
                names.push(Value::from(name.as_str()));
            }
            places.insert(name.clone(), self.place(schema, &here, inside)?.into());
        }
        node.insert("properties".to_owned(), places.into());
        node.insert("required".to_owned(), names.into());
        node.insert("additionalProperties".to_owned(), false.into());
        Ok(())
    }

    fn allows_null(&self, schema: &Value, depth: usize) -> bool {
        let Some(object) = schema.as_object().filter(|_| depth > 0) else { return false };
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            return self
                .document
                .resolve(reference)
                .is_some_and(|target| self.allows_null(target, depth - 1));
        }
        let by_type = match object.get("type") {
            None => true,
            Some(Value::Array(types)) => types.iter().any(|kind| kind == "null"),
            Some(kind) => kind == "null",
        };
        let by_value = match (object.get("const"), object.get("enum")) {
            (Some(value), _) => value.is_null(),
            (None, Some(Value::Array(values))) => values.contains(&Value::Null),
            _ => true,
        };
        let by_shape = ["anyOf", "oneOf"].iter().all(|keyword| {
            object
                .get(*keyword)
                .and_then(Value::as_array)
                .is_none_or(|shapes| shapes.iter().any(|shape| self.allows_null(shape, depth - 1)))
        });
        let says_something = ["type", "const", "enum", "anyOf", "oneOf"]
            .iter()
            .any(|keyword| object.contains_key(*keyword));
        by_type && by_value && by_shape && says_something
    }

    fn reference(
        &mut self,
        reference: &str,
        object: &Map<String, Value>,
        path: &str,
        inside: &mut Vec<String>,
    ) -> Result<Map<String, Value>, NotConvertible> {
        let Some(target) = self.document.resolve(reference) else {
            return Err(not(path, "a reference that leads nowhere"));
        };
        if inside.iter().any(|known| known == reference) {
            // It contains itself. Only a name can say so.
            let name = reference.strip_prefix("#/$defs/").filter(|name| !name.contains('/'));
            return match name {
                Some(name) if self.openai => {
                    if object.keys().any(|keyword| keyword != "$ref" && !is_annotation(keyword)) {
                        return Err(not(path, "a rule beside a reference"));
                    }
                    if !self.kept.iter().any(|known| known == name) {
                        self.kept.push(name.to_owned());
                    }
                    Ok(Map::from_iter([("$ref".to_owned(), Value::from(reference))]))
                }
                _ => Err(not(path, "a shape that contains itself")),
            };
        }
        let siblings: Map<_, _> = object
            .iter()
            .filter(|(name, _)| *name != "$ref")
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let target = target.as_object().and_then(|target| merge(&siblings, target));
        let Some(target) = target else {
            return Err(not(path, "a rule beside a reference"));
        };
        inside.push(reference.to_owned());
        let place = self.place(&target.into(), path, inside);
        inside.pop();
        place
    }
}

/// The schema with its `allOf` merged into it.
fn flattened(
    object: &Map<String, Value>,
    path: &str,
) -> Result<Map<String, Value>, NotConvertible> {
    let mut flat = object.clone();
    while let Some(all) = flat.remove("allOf") {
        for schema in all.as_array().into_iter().flatten() {
            let merged = schema.as_object().and_then(|schema| merge(&flat, schema));
            flat = merged.ok_or_else(|| not(path, "rules that cannot be merged"))?;
        }
    }
    Ok(flat)
}
