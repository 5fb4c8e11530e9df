//! Where a reference leads, as far as the tool's output schema tells.

use serde_json::{Map, Value};

use super::reference::{Reference, object_with};

/// How many schemas are followed on the way to one place.
const MAX_DEPTH: usize = 64;

/// Where a reference leads. The later, the worse.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lead {
    /// To something, or the schema does not say.
    Open,
    /// To a field that the schema does not name, though it names these.
    Unnamed(String),
    /// Nowhere: what is there is this.
    Nowhere(String),
}

/// Where a reference to a result of this schema leads.
pub(super) fn lead(schema: &Value, reference: &Reference<'_>) -> Lead {
    let names = reference.names();
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    if reference.is_itself() && may_be_simple(schema) {
        return Lead::Open;
    }
    follow(schema, schema, &names, MAX_DEPTH)
}

/// Whether the schema lets a result be neither an object nor a list.
fn may_be_simple(schema: &Value) -> bool {
    let is_simple = |word: &Value| !matches!(word.as_str(), Some("object" | "array"));
    match schema.get("type") {
        Some(Value::Array(words)) => words.iter().any(is_simple),
        Some(word) => is_simple(word),
        None => schema.get("properties").is_none(),
    }
}

fn follow(schema: &Value, whole: &Value, names: &[&str], depth: usize) -> Lead {
    let Some((name, rest)) = names.split_first() else { return Lead::Open };
    let Some(depth) = depth.checked_sub(1) else { return Lead::Open };
    let members = match schema {
        Value::Object(members) => members,
        Value::Bool(false) => return Lead::Nowhere("nothing".to_owned()),
        _ => return Lead::Open,
    };
    if let Some(target) = members.get("$ref").and_then(Value::as_str) {
        let target = target.strip_prefix('#').and_then(|pointer| whole.pointer(pointer));
        return target.map_or(Lead::Open, |schema| follow(schema, whole, names, depth));
    }
    let branches = ["anyOf", "oneOf"].iter().find_map(|word| members.get(*word)?.as_array());
    if let Some(branches) = branches {
        let leads = branches.iter().map(|schema| follow(schema, whole, names, depth));
        return leads.min().unwrap_or(Lead::Open);
    }
    // Schemas that add to each other are not put together here.
    if ["allOf", "if", "dependentSchemas", "$dynamicRef"].iter().any(|w| members.contains_key(*w)) {
        return Lead::Open;
    }
    let into = |schema: &Value| follow(schema, whole, rest, depth);
    let in_object = may_be(members, "object").then(|| in_object(members, name, into));
    let in_list = may_be(members, "array").then(|| in_list(members, name, into)).flatten();
    let what = || match members.get("type") {
        Some(Value::String(word)) => format!("of type {word}"),
        Some(words) => format!("of types {words}"),
        None => "something else".to_owned(),
    };
    in_object.into_iter().chain(in_list).min().unwrap_or_else(|| Lead::Nowhere(what()))
}

fn may_be(members: &Map<String, Value>, kind: &str) -> bool {
    match members.get("type") {
        Some(Value::Array(words)) => words.iter().any(|word| word == kind),
        Some(word) => word == kind,
        None => true,
    }
}

fn in_object(members: &Map<String, Value>, name: &str, into: impl Fn(&Value) -> Lead) -> Lead {
    let properties = members.get("properties").and_then(Value::as_object);
    if let Some(schema) = properties.and_then(|properties| properties.get(name)) {
        return into(schema);
    }
    if members.contains_key("patternProperties") {
        return Lead::Open;
    }
    let named = || object_with(properties.into_iter().flat_map(Map::keys));
    match members.get("additionalProperties") {
        Some(Value::Bool(false)) => Lead::Nowhere(named()),
        Some(schema) => into(schema),
        None if properties.is_some_and(|properties| !properties.is_empty()) => {
            Lead::Unnamed(named())
        }
        None => Lead::Open,
    }
}

/// `None` where the name is no index.
fn in_list(
    members: &Map<String, Value>,
    name: &str,
    into: impl Fn(&Value) -> Lead,
) -> Option<Lead> {
    let index: usize = name.parse().ok()?;
    let first = members.get("prefixItems").and_then(|schemas| schemas.get(index));
    Some(first.or_else(|| members.get("items")).map_or(Lead::Open, into))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::reference::references_in, *};

    #[test]
    fn a_schema_tells_where_references_lead() {
        let schema = json!({
            "type": "object",
            "properties": {
                "users": {"type": "array", "items": {"$ref": "#/$defs/user"}},
                "count": {"type": "integer"},
                "either": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/user"}]},
                "mixed": {"allOf": [{"$ref": "#/$defs/user"}]},
                "extra": {"type": "object", "additionalProperties": {"type": "string"}},
            },
            "$defs": {"user": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "boss": {"$ref": "#/$defs/user"}},
                "additionalProperties": false,
            }},
        });
        let of = |text: &str, schema: &Value| {
            let arguments = json!({"a": text});
            lead(schema, &references_in(arguments.as_object().unwrap()).unwrap()[0])
        };
        for open in [
            "{{s}}",
            "{{s.users}}",
            "{{s.users.0.name}}",
            "{{s#/users/0/boss/boss/name}}",
            "{{s.either.name}}",
            "{{s.mixed.anything}}",
            "{{s.extra.anything}}",
        ] {
            assert_eq!(of(open, &schema), Lead::Open, "{open}");
        }
        let user = || Lead::Nowhere("an object with `boss`, `name`".to_owned());
        for (text, want) in [
            ("{{s.users.0.mail}}", user()),
            ("{{s#/users/0/boss/mail}}", user()),
            ("{{s.either.mail}}", Lead::Nowhere("of type null".to_owned()).min(user())),
            ("{{s.count.value}}", Lead::Nowhere("of type integer".to_owned())),
            ("{{s.users.first}}", Lead::Nowhere("of type array".to_owned())),
            ("{{s.extra.a.b}}", Lead::Nowhere("of type string".to_owned())),
        ] {
            let sorted = |lead: Lead| match lead {
                // The order of members is not fixed.
                Lead::Nowhere(text) => {
                    Lead::Nowhere(text.replace("`name`, `boss`", "`boss`, `name`"))
                }
                other => other,
            };
            assert_eq!(sorted(of(text, &schema)), want, "{text}");
        }
        for unnamed in ["{{s.user}}", "{{s.text}}", "{{s.result}}"] {
            assert!(matches!(of(unnamed, &schema), Lead::Unnamed(_)), "{unnamed}");
        }
        for simple in [json!({"type": "string"}), json!({"type": ["number", "object"]}), json!({})]
        {
            assert_eq!(of("{{s.result}}", &simple), Lead::Open, "{simple}");
        }
        assert!(matches!(of("{{s.name}}", &json!({"type": "string"})), Lead::Nowhere(_)));
        let endless = json!({"$ref": "#"});
        assert_eq!(of("{{s.a}}", &endless), Lead::Open);
    }
}
