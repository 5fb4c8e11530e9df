//! Dialects that read most of JSON Schema.

use serde_json::{Map, Value, json};

use super::{
    Compiled, Lost, SchemaDialect, below,
    document::Document,
    is_annotation,
    merge::{disjoint, merge},
    tell,
};

/// References that are put in place can make a short schema long; this many places are enough for
/// any model.
const MAX_PLACES: usize = 4000;
const MAX_DEPTH: usize = 48;

/// What Gemini reads of JSON Schema.
const GEMINI: [&str; 20] = [
    "type",
    "format",
    "title",
    "description",
    "enum",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "anyOf",
    "properties",
    "additionalProperties",
    "required",
    "propertyOrdering",
    // Handled on the way.
    "const",
    "oneOf",
    "allOf",
    "$ref",
];

pub(super) fn compile(document: &Document, dialect: SchemaDialect) -> Compiled {
    let mut compiler = Compiler {
        document,
        gemini: dialect == SchemaDialect::Gemini,
        lost: Vec::new(),
        places: 0,
    };
    let mut root = match dialect {
        SchemaDialect::Gemini | SchemaDialect::Ollama => {
            compiler.place(&document.root, "", &mut Vec::new())
        }
        _ => compiler.outermost_reference(),
    };
    if !matches!(dialect, SchemaDialect::Gemini | SchemaDialect::Ollama)
        && let Some(properties) = root.get_mut("properties").and_then(Value::as_object_mut)
    {
        for schema in properties.values_mut().filter(|schema| **schema == true) {
            *schema = json!({});
        }
    }
    compiler.outermost(&mut root);
    Compiled { schema: root.into(), lost: compiler.lost }
}

struct Compiler<'a> {
    document: &'a Document,
    gemini: bool,
    lost: Vec<Lost>,
    places: usize,
}

impl Compiler<'_> {
    fn lose(&mut self, path: &str, keyword: &str) {
        self.lost.push(Lost { path: path.to_owned(), keyword: keyword.to_owned() });
    }

    /// The outermost schema, which itself may only be a reference.
    fn outermost_reference(&mut self) -> Map<String, Value> {
        let mut root = self.document.root.as_object().cloned().unwrap_or_default();
        // More than a few in a row can only be a circle.
        for _ in 0..8 {
            let Some(reference) = root.get("$ref").and_then(Value::as_str) else { return root };
            let target = self.document.resolve(reference).and_then(Value::as_object).cloned();
            let siblings = without(&root, "$ref");
            match target.and_then(|target| merge(&siblings, &target)) {
                Some(merged) if merged != root => root = merged,
                _ => break,
            }
        }
        if root.remove("$ref").is_some() {
            self.lose("", "$ref");
        }
        root
    }

    /// Providers want an object outside, without a choice of shapes.
    fn outermost(&mut self, root: &mut Map<String, Value>) {
        let mut lost = Map::new();
        if let Some(Value::Array(all)) = root.remove("allOf") {
            for schema in all {
                let merged = schema.as_object().and_then(|schema| merge(root, schema));
                if let Some(merged) = merged {
                    *root = merged;
                } else {
                    let told = lost.entry("allOf").or_insert_with(|| json!([]));
                    told.as_array_mut().into_iter().for_each(|told| told.push(schema.clone()));
                }
            }
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(shapes) = root.remove(keyword) {
                offer_all(root, &shapes);
                lost.insert(keyword.to_owned(), shapes);
            }
        }
        for keyword in ["not", "enum", "const", "if", "then", "else"] {
            if let Some(value) = root.remove(keyword) {
                lost.insert(keyword.to_owned(), value);
            }
        }
        let is_object = match root.get("type") {
            None => true,
            Some(Value::Array(types)) => types.iter().any(|kind| kind == "object"),
            Some(kind) => kind == "object",
        };
        if !is_object {
            lost.insert("type".to_owned(), root["type"].clone());
        }
        root.insert("type".to_owned(), "object".into());
        root.entry("properties").or_insert_with(|| json!({}));
        for keyword in lost.keys() {
            self.lose("", keyword);
        }
        tell(root, &lost);
    }

    /// One place, with references put in place.
    fn place(
        &mut self,
        schema: &Value,
        path: &str,
        inside: &mut Vec<String>,
    ) -> Map<String, Value> {
        self.places += 1;
        let object = match schema {
            Value::Object(object) => object,
            Value::Bool(false) => {
                self.lose(path, "false");
                return Map::new();
            }
            _ => return Map::new(),
        };
        if self.places > MAX_PLACES || path.matches('/').count() > MAX_DEPTH {
            self.lose(path, "depth");
            return kind_only(object);
        }
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            return self.reference(reference, object, path, inside);
        }
        let mut node = Map::new();
        let mut lost = Map::new();
        for (keyword, value) in object {
            if matches!(keyword.as_str(), "$defs" | "definitions") {
                continue;
            }
            if self.gemini && !GEMINI.contains(&keyword.as_str()) {
                if !is_annotation(keyword) {
                    lost.insert(keyword.clone(), value.clone());
                }
                continue;
            }
            self.keyword(keyword, value, path, inside, &mut node);
        }
        self.combine(&mut node, &mut lost);
        for keyword in lost.keys() {
            self.lose(path, keyword);
        }
        tell(&mut node, &lost);
        node
    }

    fn keyword(
        &mut self,
        keyword: &str,
        value: &Value,
        path: &str,
        inside: &mut Vec<String>,
        node: &mut Map<String, Value>,
    ) {
        let here = below(path, keyword);
        let value = match (keyword, value) {
            ("properties" | "patternProperties" | "dependentSchemas", Value::Object(named)) => {
                let named: Map<_, _> = named
                    .iter()
                    .map(|(name, schema)| {
                        let schema = self.place(schema, &below(&here, name), inside);
                        (name.clone(), schema.into())
                    })
                    .collect();
                named.into()
            }
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(list)) => {
                let list: Vec<Value> = list
                    .iter()
                    .enumerate()
                    .map(|(index, schema)| {
                        self.place(schema, &below(&here, &index.to_string()), inside).into()
                    })
                    .collect();
                list.into()
            }
            (
                "items"
                | "additionalProperties"
                | "unevaluatedProperties"
                | "unevaluatedItems"
                | "propertyNames"
                | "contains"
                | "not"
                | "if"
                | "then"
                | "else",
                Value::Object(_),
            ) => self.place(value, &here, inside).into(),
            _ => value.clone(),
        };
        node.insert(keyword.to_owned(), value);
    }

    /// Says with the words of Gemini what it has no words for.
    fn combine(&mut self, node: &mut Map<String, Value>, lost: &mut Map<String, Value>) {
        if !self.gemini {
            return;
        }
        if let Some(Value::Array(all)) = node.remove("allOf") {
            let mut rest = Vec::new();
            for schema in all {
                match schema.as_object().and_then(|schema| merge(node, schema)) {
                    Some(merged) => *node = merged,
                    None => rest.push(schema),
                }
            }
            if !rest.is_empty() {
                lost.insert("allOf".to_owned(), rest.into());
            }
        }
        if let Some(value) = node.remove("const") {
            match node.get("enum") {
                Some(Value::Array(values)) if !values.contains(&value) => {
                    lost.insert("const".to_owned(), value);
                }
                _ => {
                    node.insert("enum".to_owned(), json!([value]));
                }
            }
        }
        if let Some(shapes) = node.remove("oneOf") {
            let each = shapes.as_array().map(Vec::as_slice).unwrap_or_default();
            let exclusive = each
                .iter()
                .enumerate()
                .all(|(place, one)| each[place + 1..].iter().all(|other| disjoint(one, other)));
            if node.contains_key("anyOf") {
                lost.insert("oneOf".to_owned(), shapes);
            } else {
                if !exclusive {
                    lost.insert("oneOf".to_owned(), "exactly one of anyOf".into());
                }
                node.insert("anyOf".to_owned(), shapes);
            }
        }
    }

    fn reference(
        &mut self,
        reference: &str,
        object: &Map<String, Value>,
        path: &str,
        inside: &mut Vec<String>,
    ) -> Map<String, Value> {
        let siblings = without(object, "$ref");
        let target = self.document.resolve(reference);
        let target = match target {
            Some(target) if !inside.iter().any(|known| known == reference) => target,
            Some(target) => {
                // A circle: here the shape repeats, in words.
                self.lose(path, "$ref");
                let mut node = target.as_object().map(kind_only).unwrap_or_default();
                let text = format!("The same shape again as {reference}.");
                node.insert("description".to_owned(), text.into());
                return node;
            }
            None => {
                self.lose(path, "$ref");
                return self.place(&siblings.into(), path, inside);
            }
        };
        inside.push(reference.to_owned());
        let mut node = self.place(target, path, inside);
        inside.pop();
        let siblings = self.place(&siblings.into(), path, inside);
        if let Some(merged) = merge(&siblings, &node) {
            return merged;
        }
        let rules: Map<_, _> =
            siblings.into_iter().filter(|(name, _)| !is_annotation(name)).collect();
        for keyword in rules.keys() {
            self.lose(path, keyword);
        }
        tell(&mut node, &rules);
        node
    }
}

fn without(object: &Map<String, Value>, keyword: &str) -> Map<String, Value> {
    object
        .iter()
        .filter(|(name, _)| *name != keyword)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn kind_only(object: &Map<String, Value>) -> Map<String, Value> {
    object.get("type").map(|kind| ("type".to_owned(), kind.clone())).into_iter().collect()
}

/// The properties of all shapes, so that the model can use any; required are those that every
/// shape requires.
fn offer_all(root: &mut Map<String, Value>, shapes: &Value) {
    let shapes: Vec<_> =
        shapes.as_array().into_iter().flatten().filter_map(Value::as_object).collect();
    let Some(first) = shapes.first() else { return };
    let mut properties =
        root.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let own: Vec<String> = properties.keys().cloned().collect();
    for shape in &shapes {
        for (name, schema) in
            shape.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            if own.contains(name) {
                continue;
            }
            match properties.get_mut(name) {
                None => {
                    properties.insert(name.clone(), schema.clone());
                }
                Some(known) if known == schema => {}
                Some(known) => match known.get_mut("anyOf").and_then(Value::as_array_mut) {
                    Some(list) => list.push(schema.clone()),
                    None => *known = json!({"anyOf": [known.clone(), schema]}),
                },
            }
        }
    }
    root.insert("properties".to_owned(), properties.into());
    let required = |shape: &Map<String, Value>| {
        shape.get("required").and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let mut names = required(root);
    for name in required(first) {
        let everywhere = shapes.iter().all(|shape| required(shape).contains(&name));
        if everywhere && !names.contains(&name) {
            names.push(name);
        }
    }
    if !names.is_empty() {
        root.insert("required".to_owned(), names.into());
    }
}
