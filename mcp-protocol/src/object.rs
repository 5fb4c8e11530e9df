//! A JSON object whose values stay text and whose keys keep their order.

use std::{collections::HashMap, fmt, hash::Hash};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeMap};

use crate::raw::RawJson;

/// The entries of a JSON object in the order in which they were written.
///
/// For open sets: capabilities, extension settings, answers by key. Such objects are short, so
/// looking a key up walks the entries.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Object(Vec<(Box<str>, RawJson)>);

impl Object {
    /// An object without entries.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&RawJson> {
        self.0.iter().find(|(name, _)| &**name == key).map(|(_, value)| value)
    }

    /// Whether the key is there, whatever its value.
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Sets a key. A key that is already there keeps its place; its former value is returned.
    pub fn insert(
        &mut self,
        key: impl Into<Box<str>>,
        value: impl Into<RawJson>,
    ) -> Option<RawJson> {
        let (key, value) = (key.into(), value.into());
        if let Some((_, old)) = self.0.iter_mut().find(|(name, _)| *name == key) {
            return Some(std::mem::replace(old, value));
        }
        self.0.push((key, value));
        None
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) -> Option<RawJson> {
        let at = self.0.iter().position(|(name, _)| &**name == key)?;
        Some(self.0.remove(at).1)
    }

    /// The entries in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawJson)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Into<Box<str>>, V: Into<RawJson>> FromIterator<(K, V)> for Object {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (key.into(), value.into()));
        Self(without_repeats(entries.collect()))
    }
}

impl IntoIterator for Object {
    type Item = (Box<str>, RawJson);
    type IntoIter = std::vec::IntoIter<Self::Item>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Object;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut entries: Vec<(Box<str>, RawJson)> = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Object(without_repeats(entries)))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// JSON allows a key twice; the last value counts, as it does for most parsers.
pub(crate) fn without_repeats<K, V>(entries: Vec<(K, V)>) -> Vec<(K, V)>
where
    K: Clone + Eq + Hash,
{
    let mut places: HashMap<K, usize> = HashMap::with_capacity(entries.len());
    let mut kept: Vec<(K, V)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        if let Some(&place) = places.get(&key) {
            kept[place].1 = value;
        } else {
            places.insert(key.clone(), kept.len());
            kept.push((key, value));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keeps_order_and_text() {
        let text = r#"{"z":1.0,"a":{"x":[]},"m":"\u0041"}"#;
        let object: Object = serde_json::from_str(text).unwrap();
        assert_eq!(object.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["z", "a", "m"]);
        assert_eq!(serde_json::to_string(&object).unwrap(), text);
    }

    #[test]
    fn the_last_of_equal_keys_counts() {
        let object: Object = serde_json::from_str(r#"{"a":1,"b":2,"a":3}"#).unwrap();
        assert_eq!(serde_json::to_string(&object).unwrap(), r#"{"a":3,"b":2}"#);
    }

    #[test]
    fn entries_come_and_go() {
        let mut object: Object = [("a", json!(1)), ("b", json!(2))].into_iter().collect();
        assert_eq!(object.insert("a", json!(9)).unwrap().as_str(), "1");
        assert_eq!(object.insert("c", json!(null)), None);
        assert_eq!(object.remove("b").unwrap().as_str(), "2");
        assert_eq!(object.remove("b"), None);
        assert_eq!(serde_json::to_string(&object).unwrap(), r#"{"a":9,"c":null}"#);
    }
}
