//! The members of one entry, read with errors that name them.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use super::{
    Dialect, Template,
    document::{Node, Value},
};

/// Reads members under any of several names and remembers which were read.
pub(super) struct Fields<'a> {
    entries: &'a [(String, Node)],
    pub(super) dialect: Dialect,
    known: RefCell<Vec<&'a str>>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(node: &'a Node, dialect: Dialect) -> Option<Self> {
        let entries = node.entries()?;
        Some(Self { entries, dialect, known: RefCell::default() })
    }

    /// The first of these members that is there and not null.
    pub(super) fn node(&self, names: &[&str]) -> Option<(&'a str, &'a Node)> {
        let mut found = None;
        for (key, node) in self.entries {
            if names.contains(&key.as_str()) {
                self.known.borrow_mut().push(key);
                if node.value != Value::Null {
                    found = Some((key.as_str(), node));
                }
            }
        }
        found
    }

    /// The members that nobody asked for.
    pub(super) fn unknown(&self) -> serde_json::Map<String, serde_json::Value> {
        let known = self.known.borrow();
        self.entries
            .iter()
            .filter(|(key, _)| !known.contains(&key.as_str()))
            .map(|(key, node)| (key.clone(), node.to_json()))
            .collect()
    }

    fn template_of(&self, text: &str) -> Template {
        Template::parse(text, self.dialect)
    }

    pub(super) fn plain(&self, names: &[&str]) -> Result<Option<String>, String> {
        match self.node(names) {
            None => Ok(None),
            Some((_, Node { value: Value::Text(text), .. })) => Ok(Some(text.clone())),
            Some((name, _)) => Err(format!("`{name}` must be a string")),
        }
    }

    pub(super) fn template(&self, names: &[&str]) -> Result<Option<Template>, String> {
        Ok(self.plain(names)?.map(|text| self.template_of(&text)))
    }

    pub(super) fn plains(&self, names: &[&str]) -> Result<Option<Vec<String>>, String> {
        let Some((name, node)) = self.node(names) else { return Ok(None) };
        let wrong = || format!("`{name}` must be a list of strings");
        let Value::List(items) = &node.value else { return Err(wrong()) };
        let text = |item: &Node| match &item.value {
            Value::Text(text) => Ok(text.clone()),
            // People write numbers here; the meaning is plain.
            Value::Number(number) => Ok(number.to_string()),
            _ => Err(wrong()),
        };
        items.iter().map(text).collect::<Result<_, _>>().map(Some)
    }

    pub(super) fn templates(&self, names: &[&str]) -> Result<Vec<Template>, String> {
        let texts = self.plains(names)?.unwrap_or_default();
        Ok(texts.iter().map(|text| self.template_of(text)).collect())
    }

    pub(super) fn template_map(
        &self,
        names: &[&str],
    ) -> Result<BTreeMap<String, Template>, String> {
        let Some((name, node)) = self.node(names) else { return Ok(BTreeMap::new()) };
        let entries =
            node.entries().ok_or_else(|| format!("`{name}` must be an object of strings"))?;
        let mut map = BTreeMap::new();
        for (key, value) in entries {
            let text = match &value.value {
                Value::Text(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(flag) => flag.to_string(),
                _ => return Err(format!("`{name}.{key}` must be a string")),
            };
            map.insert(key.clone(), self.template_of(&text));
        }
        Ok(map)
    }

    pub(super) fn flag(&self, names: &[&str]) -> Result<Option<bool>, String> {
        match self.node(names) {
            None => Ok(None),
            Some((_, Node { value: Value::Bool(flag), .. })) => Ok(Some(*flag)),
            Some((name, _)) => Err(format!("`{name}` must be true or false")),
        }
    }

    pub(super) fn whole(&self, names: &[&str]) -> Result<Option<u64>, String> {
        let Some((name, node)) = self.node(names) else { return Ok(None) };
        match &node.value {
            Value::Number(number) if number.as_u64().is_some() => Ok(number.as_u64()),
            _ => Err(format!("`{name}` must be a whole number")),
        }
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, String> {
        match self.node(&[name]) {
            None => Ok(None),
            Some((_, Node { value: Value::Number(number), .. })) => Ok(number.as_f64()),
            Some(_) => Err(format!("`{name}` must be a number")),
        }
    }

    pub(super) fn millis(&self, names: &[&str]) -> Result<Option<Duration>, String> {
        self.time(names, "milliseconds", Duration::from_millis)
    }

    pub(super) fn seconds(&self, names: &[&str]) -> Result<Option<Duration>, String> {
        let Some((name, node)) = self.node(names) else { return Ok(None) };
        let Value::Number(number) = &node.value else {
            return Err(format!("`{name}` must be a number of seconds"));
        };
        number
            .as_f64()
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .map(Some)
            .ok_or_else(|| format!("`{name}` must be a number of seconds"))
    }

    fn time(
        &self,
        names: &[&str],
        unit: &str,
        duration: fn(u64) -> Duration,
    ) -> Result<Option<Duration>, String> {
        let Some((name, node)) = self.node(names) else { return Ok(None) };
        match &node.value {
            Value::Number(number) if number.as_u64().is_some() => Ok(number.as_u64().map(duration)),
            _ => Err(format!("`{name}` must be a whole number of {unit}")),
        }
    }

    /// A member that is an object, with its own members.
    pub(super) fn inside(&self, names: &[&str]) -> Result<Option<Self>, String> {
        let Some((name, node)) = self.node(names) else { return Ok(None) };
        let inside = Self::new(node, self.dialect);
        inside.ok_or_else(|| format!("`{name}` must be an object")).map(Some)
    }
}
