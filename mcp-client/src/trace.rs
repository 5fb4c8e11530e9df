//! The trace to which a request belongs, carried in `_meta` in the W3C formats.

use std::{fmt, sync::Arc};

use mcp_protocol::meta;

/// Where a request stands in a distributed trace. Sent as `traceparent`, `tracestate` and
/// `baggage` in the `_meta` of a request.
///
/// ```
/// use mcp_client::TraceContext;
///
/// let trace = TraceContext::new("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")?
///     .baggage("tenant=blue")?;
/// # Ok::<(), mcp_client::InvalidTrace>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    parent: String,
    state: Option<String>,
    baggage: Option<String>,
}

/// A text is not of the W3C format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a W3C `{field}`: {expected}")]
pub struct InvalidTrace {
    /// `traceparent`, `tracestate` or `baggage`.
    pub field: &'static str,
    /// What was given.
    pub text: String,
    /// What the format wants.
    pub expected: &'static str,
}

impl TraceContext {
    /// A trace by its `traceparent`: version, trace id, parent id and flags in lower-case
    /// hexadecimal, separated by dashes.
    ///
    /// # Errors
    /// The text is of another form.
    pub fn new(traceparent: impl Into<String>) -> Result<Self, InvalidTrace> {
        let parent = traceparent.into();
        if !is_traceparent(&parent) {
            let expected = "expected version, trace id, parent id and flags, as in \
                            00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
            return Err(InvalidTrace { field: meta::TRACEPARENT, text: parent, expected });
        }
        Ok(Self { parent, state: None, baggage: None })
    }

    /// Adds the vendors' part: `key=value` entries, separated by commas.
    ///
    /// # Errors
    /// The text is of another form.
    pub fn state(mut self, tracestate: impl Into<String>) -> Result<Self, InvalidTrace> {
        self.state = Some(entries(meta::TRACESTATE, tracestate.into())?);
        Ok(self)
    }

    /// Adds baggage: `key=value` entries, separated by commas.
    ///
    /// # Errors
    /// The text is of another form.
    pub fn baggage(mut self, baggage: impl Into<String>) -> Result<Self, InvalidTrace> {
        self.baggage = Some(entries(meta::BAGGAGE, baggage.into())?);
        Ok(self)
    }

    /// Version, trace id, parent id and flags.
    pub fn traceparent(&self) -> &str {
        &self.parent
    }

    /// The vendors' part.
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The baggage, as it is written.
    pub fn baggage_text(&self) -> Option<&str> {
        self.baggage.as_deref()
    }

    /// The entries of `_meta`, each of which needs no escapes.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            (meta::TRACEPARENT, Some(&self.parent)),
            (meta::TRACESTATE, self.state.as_ref()),
            (meta::BAGGAGE, self.baggage.as_ref()),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?.as_str())))
    }
}

fn is_traceparent(text: &str) -> bool {
    let fields: Vec<_> = text.split('-').collect();
    let [version, trace, parent, flags] = fields[..] else { return false };
    let is_hex = |field: &str, length| {
        field.len() == length && field.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    is_hex(version, 2)
        && version != "ff"
        && is_hex(trace, 32)
        && trace.bytes().any(|b| b != b'0')
        && is_hex(parent, 16)
        && parent.bytes().any(|b| b != b'0')
        && is_hex(flags, 2)
}

/// Lists of `key=value` in visible ASCII without quotes and backslashes.
fn entries(field: &'static str, text: String) -> Result<String, InvalidTrace> {
    let is_plain = |b: u8| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\');
    let is_entry =
        |entry: &str| entry.trim().split_once('=').is_some_and(|(key, _)| !key.is_empty());
    if text.bytes().all(is_plain) && text.split(',').all(is_entry) {
        Ok(text)
    } else {
        let expected = "expected key=value entries of visible ASCII, separated by commas";
        Err(InvalidTrace { field, text, expected })
    }
}

/// Says to which trace the request belongs that is about to be sent.
#[derive(Clone)]
pub(crate) struct TraceSource(Arc<dyn Fn() -> Option<TraceContext> + Send + Sync>);

impl TraceSource {
    pub(crate) fn new(source: impl Fn() -> Option<TraceContext> + Send + Sync + 'static) -> Self {
        Self(Arc::new(source))
    }

    pub(crate) fn current(&self) -> Option<TraceContext> {
        (self.0)()
    }
}

impl fmt::Debug for TraceSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TraceSource")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers: trace-context
    #[test]
    fn only_w3c_formats_are_sent() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(TraceContext::new(good).is_ok());
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert!(TraceContext::new(bad).is_err(), "{bad}");
        }
        let trace = || TraceContext::new(good).unwrap();
        for state in ["a=1", "a=1,b@v=2", "a=1, b=2"] {
            assert!(trace().state(state).is_ok(), "{state}");
        }
        for state in ["", "a", "a=1,", "=1", "a=\"1\"", "a=\n", "a=é"] {
            assert!(trace().state(state).is_err(), "{state}");
        }
        let full = trace().state("a=1").unwrap().baggage("t=2").unwrap();
        let entries: Vec<_> = full.entries().collect();
        assert_eq!(entries, [("traceparent", good), ("tracestate", "a=1"), ("baggage", "t=2")]);
    }
}
