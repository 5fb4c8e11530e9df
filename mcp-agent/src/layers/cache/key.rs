//! What makes two calls the same.

use std::{fmt::Write as _, sync::Arc};

use mcp_client::Identity;
use serde_json::{Map, Value};

use crate::caller::{Call, Operation};

/// Calls with the same key have the same result, as far as the server keeps its word.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    server: Arc<str>,
    /// Another entry or another account of the same name is another server.
    identity: Identity,
    partition: Option<Arc<str>>,
    /// The tool and its arguments in the one way of writing them.
    asked: Arc<str>,
}

impl Key {
    pub(super) fn of(call: &Call) -> Self {
        let mut asked = String::with_capacity(64);
        match &*call.operation {
            Operation::CallTool { name, arguments } => {
                string(name, &mut asked);
                object(arguments, &mut asked);
            }
            other => string(other.target(), &mut asked),
        }
        Self {
            server: Arc::clone(&call.server),
            identity: call.identity,
            partition: call.partition.clone(),
            asked: asked.into(),
        }
    }

    pub(super) fn partition(&self) -> Option<&str> {
        self.partition.as_deref()
    }

    pub(super) fn asked(&self) -> &str {
        &self.asked
    }

    pub(super) fn bytes(&self) -> u32 {
        let partition = self.partition.as_ref().map_or(0, |name| name.len());
        u32::try_from(self.asked.len() + self.server.len() + partition + 128).unwrap_or(u32::MAX)
    }
}

fn value(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => object(members, out),
        Value::Array(items) => {
            out.push('[');
            for item in items {
                self::value(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::String(text) => string(text, out),
        // Writing to a string cannot fail.
        other => drop(write!(out, "{other}")),
    }
}

/// Members by name: their order means nothing.
fn object(members: &Map<String, Value>, out: &mut String) {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_unstable_by_key(|(name, _)| *name);
    out.push('{');
    for (name, member) in sorted {
        string(name, out);
        out.push(':');
        value(member, out);
        out.push(',');
    }
    out.push('}');
}

/// With its length before it, so that no text can be taken for another.
fn string(text: &str, out: &mut String) {
    let _ = write!(out, "{}'", text.len());
    out.push_str(text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn key(arguments: &Value) -> Key {
        Key::of(&Call::tool("db", "query", arguments.as_object().unwrap().clone()))
    }

    #[test]
    fn the_order_of_members_means_nothing() {
        let one = key(&json!({"a": 1, "b": {"c": [1, 2], "d": null}}));
        assert_eq!(one, key(&json!({"b": {"d": null, "c": [1, 2]}, "a": 1})));
        assert_ne!(one, key(&json!({"b": {"d": null, "c": [2, 1]}, "a": 1})));
        assert_ne!(key(&json!({"a": 1})), key(&json!({"a": "1"})));
    }

    #[test]
    fn another_authorization_is_another_key() {
        let call = Call::tool("db", "query", Map::new());
        let blue = Key::of(&call.clone().partition("blue"));
        assert_ne!(Key::of(&call), blue);
        assert_ne!(Key::of(&call.partition("green")), blue);
    }

    #[test]
    fn another_entry_or_account_of_the_same_name_is_another_key() {
        let call = |entry, account| {
            let mut call = Call::tool("db", "query", Map::new());
            call.identity = Identity { entry, account };
            Key::of(&call)
        };
        assert_eq!(call(1, 1), call(1, 1));
        assert_ne!(call(1, 1), call(2, 1));
        assert_ne!(call(1, 1), call(1, 2));
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-c:{},'0-9]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a-c':]{0,3}", inner, 0..4)
                    .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn same_key_means_same_arguments(one in json(), other in json()) {
            let (a, b) = (json!({"x": one}), json!({"x": other}));
            prop_assert_eq!(key(&a) == key(&b), a == b);
        }
    }
}
