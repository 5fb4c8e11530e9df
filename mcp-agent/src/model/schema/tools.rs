//! The parameters of tools in the dialect of a provider, compiled once for each definition.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use mcp_protocol::raw::RawJson;
use serde_json::Value;

use super::{SchemaDialect, compile, optional, parameters};
use crate::model::ToolDefinition;

/// The parameters of a tool as a provider reads them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ToolParameters {
    /// In the provider's dialect.
    pub schema: Arc<RawJson>,
    /// Whether the provider holds the model to them.
    pub is_strict: bool,
}

/// The parameters in a strict dialect; `None` where there is no such form.
///
/// OpenAI wants every property to be required. Optional ones may be `null` instead, which
/// [`coerce`](crate::toolbox::arguments::coerce) by the original takes for absent: what is valid
/// here is valid for the original after that, unless rules are lost.
///
/// ```
/// use mcp_agent::model::schema::{SchemaDialect, strict_parameters};
///
/// let schema = serde_json::json!({
///     "type": "object",
///     "properties": {"sql": {"type": "string"}, "limit": {"type": "integer"}},
///     "required": ["sql"],
/// });
/// let strict = strict_parameters(&schema.into(), SchemaDialect::OpenAiStrict).unwrap();
/// let strict: serde_json::Value = strict.parse().unwrap();
/// assert_eq!(strict["properties"]["limit"]["type"], serde_json::json!(["integer", "null"]));
/// assert_eq!(strict["additionalProperties"], false);
/// ```
pub fn strict_parameters(schema: &RawJson, dialect: SchemaDialect) -> Option<RawJson> {
    let original: Value = schema.parse().ok()?;
    let strict = match dialect {
        SchemaDialect::OpenAiStrict => {
            let widened = optional::with_null_for_absent(&original);
            compile(&widened, dialect).ok().filter(|strict| is_within_limits(&strict.schema))
        }
        _ => compile(&original, dialect).ok(),
    };
    strict.map(|strict| strict.schema.into())
}

/// What OpenAI documents of strict schemas: 5,000 properties, 10 levels, 1,000 values in lists of
/// choices.
fn is_within_limits(schema: &Value) -> bool {
    #[derive(Default)]
    struct Size {
        properties: usize,
        choices: usize,
        levels: usize,
    }
    fn measure(value: &Value, level: usize, size: &mut Size) {
        size.levels = size.levels.max(level);
        match value {
            Value::Object(object) => {
                let fields = object.get("properties").and_then(Value::as_object);
                size.properties += fields.map_or(0, serde_json::Map::len);
                size.choices += object.get("enum").and_then(Value::as_array).map_or(0, Vec::len);
                let below = level + usize::from(fields.is_some());
                object.values().for_each(|value| measure(value, below, size));
            }
            Value::Array(values) => values.iter().for_each(|value| measure(value, level, size)),
            _ => {}
        }
    }
    let mut size = Size::default();
    measure(schema, 0, &mut size);
    size.properties <= 5_000 && size.choices <= 1_000 && size.levels <= 10
}

/// Lists of tools whose parameters were compiled. A conversation offers the same list with every
/// request, and a later list has most of its tools from the one before: of each definition the
/// compiler is asked once.
#[derive(Default)]
pub struct SchemaCache(Mutex<VecDeque<Arc<Compiled>>>);

struct Compiled {
    tools: Arc<[ToolDefinition]>,
    dialect: SchemaDialect,
    parameters: Arc<[ToolParameters]>,
}

/// How many lists are remembered: those of some agents that share a model.
const LISTS: usize = 8;

impl SchemaCache {
    /// The parameters of each of the tools, in their order. In a strict dialect those that have no
    /// strict form are loose.
    pub fn parameters(
        &self,
        tools: &Arc<[ToolDefinition]>,
        dialect: SchemaDialect,
    ) -> Arc<[ToolParameters]> {
        let known: Vec<Arc<Compiled>> = {
            let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let is_it =
                |list: &Arc<Compiled>| list.dialect == dialect && Arc::ptr_eq(&list.tools, tools);
            if let Some(place) = lists.iter().position(is_it) {
                // Those asked for last stand in front.
                if let Some(list) = lists.remove(place) {
                    let parameters = Arc::clone(&list.parameters);
                    lists.push_front(list);
                    return parameters;
                }
            }
            lists.iter().filter(|list| list.dialect == dialect).cloned().collect()
        };
        let by_name: HashMap<&str, _> = known
            .iter()
            .rev()
            .flat_map(|list| list.tools.iter().zip(list.parameters.iter()))
            .map(|(tool, parameters)| (tool.name.as_str(), (tool, parameters)))
            .collect();
        let compiled = tools.iter().map(|tool| match by_name.get(tool.name.as_str()) {
            Some((same, parameters)) if same.parameters == tool.parameters => (*parameters).clone(),
            _ => of_tool(tool, dialect),
        });
        let parameters: Arc<[ToolParameters]> = compiled.collect();
        let list =
            Compiled { tools: Arc::clone(tools), dialect, parameters: Arc::clone(&parameters) };
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.push_front(Arc::new(list));
        lists.truncate(LISTS);
        parameters
    }
}

fn of_tool(tool: &ToolDefinition, dialect: SchemaDialect) -> ToolParameters {
    let loose = match dialect {
        SchemaDialect::OpenAiStrict => SchemaDialect::OpenAi,
        SchemaDialect::AnthropicStrict => SchemaDialect::Anthropic,
        other => other,
    };
    let strict = (loose != dialect).then(|| strict_parameters(&tool.parameters, dialect)).flatten();
    match strict {
        Some(schema) => ToolParameters { schema: schema.into(), is_strict: true },
        None => ToolParameters {
            schema: parameters(&tool.parameters, loose).into_owned().into(),
            is_strict: false,
        },
    }
}

impl fmt::Debug for SchemaCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchemaCache").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::toolbox::arguments;

    fn tool(name: &str, schema: Value) -> ToolDefinition {
        ToolDefinition { name: name.into(), description: String::new(), parameters: schema.into() }
    }

    fn query() -> Value {
        json!({
            "type": "object",
            "properties": {
                "sql": {"type": "string"},
                "order": {"enum": ["up", "down"], "type": "string"},
                "page": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
                "where": {"$ref": "#/$defs/where"},
                "kind": {"const": "rows", "type": "string"},
            },
            "required": ["sql"],
            "$defs": {"where": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "value": {"type": ["string", "integer"]}},
                "required": ["name"],
            }},
        })
    }

    #[test]
    fn what_is_optional_may_be_null() {
        let schema = strict_parameters(&query().into(), SchemaDialect::OpenAiStrict).unwrap();
        let schema: Value = schema.parse().unwrap();
        let property = |name: &str| schema["properties"][name].clone();
        assert_eq!(property("sql"), json!({"type": "string"}));
        let order = json!({"enum": ["up", "down", null], "type": ["string", "null"]});
        assert_eq!(property("order"), order);
        let page = json!({"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]});
        assert_eq!(property("page"), page);
        let kind = json!({"anyOf": [{"const": "rows", "type": "string"}, {"type": "null"}]});
        assert_eq!(property("kind"), kind);
        assert_eq!(property("where")["type"], json!(["object", "null"]));
        let value = json!({"type": ["string", "integer", "null"]});
        assert_eq!(property("where")["properties"]["value"], value);
        assert_eq!(schema["required"].as_array().unwrap().len(), 5);
    }

    #[test]
    fn what_has_no_strict_form_is_loose() {
        let cache = SchemaCache::default();
        let tools: Arc<[_]> = [
            tool("any", json!({"type": "object", "properties": {"data": {"type": "object"}}})),
            tool("query", query()),
            tool("open", json!({"type": "object", "properties": {}, "additionalProperties": true})),
        ]
        .into();
        let parameters = cache.parameters(&tools, SchemaDialect::OpenAiStrict);
        let strict: Vec<_> = parameters.iter().map(|one| one.is_strict).collect();
        assert_eq!(strict, [false, true, false]);
        let loose = cache.parameters(&tools, SchemaDialect::OpenAi);
        assert!(loose.iter().all(|one| !one.is_strict));
        assert_eq!(*loose[0].schema, tools[0].parameters);
        let mut deep = json!({"type": "string"});
        for _ in 0..11 {
            deep = json!({"type": "object", "properties": {"a": deep}, "required": ["a"]});
        }
        assert_eq!(strict_parameters(&deep.into(), SchemaDialect::OpenAiStrict), None);
    }

    #[test]
    fn a_definition_is_compiled_once() {
        let cache = SchemaCache::default();
        let dialect = SchemaDialect::Gemini;
        let list = |names: &[&str]| -> Arc<[ToolDefinition]> {
            names.iter().map(|name| tool(name, query())).collect()
        };
        let first = list(&["a", "b"]);
        let compiled = cache.parameters(&first, dialect);
        assert!(Arc::ptr_eq(&compiled, &cache.parameters(&first, dialect)));
        let more = cache.parameters(&list(&["b", "c"]), dialect);
        assert!(Arc::ptr_eq(&more[0].schema, &compiled[1].schema));
        assert!(!Arc::ptr_eq(&more[1].schema, &compiled[0].schema));
        // A tool that changed is compiled anew, and what is old is forgotten in the end.
        let changed: Arc<[_]> = [tool("a", json!({"type": "object", "properties": {}}))].into();
        assert_ne!(cache.parameters(&changed, dialect)[0], compiled[0]);
        for number in 0..20 {
            cache.parameters(&list(&[&format!("t{number}")]), dialect);
        }
        assert_eq!(cache.0.lock().unwrap().len(), LISTS);
    }

    fn property() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!({"type": "string"})),
            Just(json!({"type": "integer", "minimum": 0})),
            Just(json!({"type": ["string", "null"]})),
            Just(json!({"type": "string", "enum": ["x", "y"]})),
            Just(json!({"type": "string", "const": "x"})),
            Just(json!({"$ref": "#/$defs/point"})),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                inner.clone().prop_map(|items| json!({"type": "array", "items": items})),
                proptest::collection::vec(inner.clone(), 1..3)
                    .prop_map(|shapes| json!({"anyOf": shapes})),
                proptest::collection::vec((inner, any::<bool>()), 1..3)
                    .prop_map(|properties| object(&properties)),
            ]
        })
    }

    fn object(properties: &[(Value, bool)]) -> Value {
        let names = ["a", "b", "c"];
        let required: Vec<_> = names
            .iter()
            .zip(properties)
            .filter(|(_, (_, required))| *required)
            .map(|(name, _)| *name)
            .collect();
        let properties: serde_json::Map<_, _> = names
            .iter()
            .zip(properties)
            .map(|(name, (schema, _))| ((*name).to_owned(), schema.clone()))
            .collect();
        json!({"type": "object", "properties": properties, "required": required})
    }

    /// Something that fits a strict schema, by a list of choices.
    fn instance(schema: &Value, choices: &mut impl Iterator<Item = usize>) -> Value {
        let pick = choices.next().unwrap_or_default();
        if let Some(shapes) = schema["anyOf"].as_array() {
            return instance(&shapes[pick % shapes.len()], choices);
        }
        if let Some(values) = schema["enum"].as_array() {
            return values[pick % values.len()].clone();
        }
        if !schema["const"].is_null() {
            return schema["const"].clone();
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds[pick % kinds.len()].clone(),
            kind => kind.clone(),
        };
        match kind.as_str().unwrap() {
            "null" => Value::Null,
            "string" => "x".into(),
            "integer" => pick.into(),
            "array" => (0..pick % 3).map(|_| instance(&schema["items"], choices)).collect(),
            _ => {
                let properties = schema["properties"].as_object().unwrap();
                let members =
                    properties.iter().map(|(name, one)| (name.clone(), instance(one, choices)));
                Value::Object(members.collect())
            }
        }
    }

    proptest! {
        #[test]
        fn what_fits_the_strict_form_fits_the_original_without_its_nulls(
            properties in proptest::collection::vec((property(), any::<bool>()), 1..3),
            choices in proptest::collection::vec(0_usize..6, 40),
        ) {
            let mut schema = object(&properties);
            schema["$defs"] = json!({"point": {
                "type": "object",
                "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
                "required": ["x"],
            }});
            let schema = RawJson::from(schema);
            let strict = strict_parameters(&schema, SchemaDialect::OpenAiStrict);
            let Some(strict) = strict else { return Ok(()) };
            let written = instance(&strict.parse().unwrap(), &mut choices.into_iter());
            let Value::Object(mut written) = written else { unreachable!() };
            arguments::coerce(&schema.parse().unwrap(), &mut written);
            prop_assert!(arguments::check(&schema, &written).is_ok(), "{} {strict} {written:?}", schema);
        }
    }
}
