//! Which events are wanted.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Event, EventKind};

/// Which events are wanted: those for which everything that is said here holds.
///
/// ```
/// use mcp_agent::streams::{Event, EventKind, Filter};
/// use serde_json::json;
///
/// let filter = Filter::new()
///     .kinds([EventKind::Log])
///     .field("/level", ["error", "critical"])
///     .field("/data/service", ["api"]);
/// let log = |level| json!({"level": level, "data": {"service": "api"}});
/// assert!(filter.matches(&Event::new("shop", EventKind::Log, log("error"))));
/// assert!(!filter.matches(&Event::new("shop", EventKind::Log, log("info"))));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use]
pub struct Filter {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    servers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kinds: Vec<EventKind>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<(String, Vec<Value>)>,
}

impl Filter {
    /// Wants everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only of these servers.
    pub fn servers<S: Into<String>>(mut self, servers: impl IntoIterator<Item = S>) -> Self {
        self.servers.extend(servers.into_iter().map(Into::into));
        self
    }

    /// Only of these kinds.
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = EventKind>) -> Self {
        self.kinds.extend(kinds);
        self
    }

    /// Only those whose data have one of these values at a JSON pointer (RFC 6901). Said of several
    /// pointers, all must hold. A gap passes nevertheless: anything may have been in it.
    pub fn field<V: Into<Value>>(
        mut self,
        pointer: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.fields.push((pointer.into(), values.into_iter().map(Into::into).collect()));
        self
    }

    /// Whether an event is wanted.
    pub fn matches(&self, event: &Event) -> bool {
        let is_gap = event.kind == EventKind::Gap;
        let has = |(pointer, values): &(String, Vec<Value>)| {
            event.data.pointer(pointer).is_some_and(|value| values.contains(value))
        };
        (self.servers.is_empty() || self.servers.contains(&event.server))
            && (self.kinds.is_empty() || self.kinds.contains(&event.kind))
            && (is_gap || self.fields.iter().all(has))
    }
}
