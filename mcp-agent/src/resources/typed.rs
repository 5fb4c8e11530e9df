//! A server that is used by verbs.

use std::{fmt, sync::Arc};

use mcp_client::Client;
use mcp_protocol::resources::ResourceTemplate;
use serde_json::{Map, Value};

use super::{
    InvalidProfile, Profile, ResourceError, Step, Target, Verb,
    profile::placeholder,
    shape::{Found, Raw, with_values},
};
use crate::caller::{Call, Caller, Operation, ServerCaller, SharedCaller, ToolHints};

/// A server that is used by verbs, as its [`Profile`] says. Cloning is cheap.
///
/// What it calls goes through the [`Caller`] that it was made with, so the layers of a
/// [`Stack`](crate::stack::Stack) apply: those that change nothing by their meaning, such as
/// [`read`](Self::read) and [`get`](Self::get), count as read-only.
#[derive(Clone)]
pub struct TypedResource {
    caller: SharedCaller,
    server: Arc<str>,
    pub(super) profile: Arc<Profile>,
}

impl TypedResource {
    /// The server of this name behind a caller, such as the stack of
    /// [`McpToolset::stack`](crate::toolbox::McpToolset::stack). Whether it has the profile's tools
    /// shows when they are called.
    ///
    /// # Errors
    /// The profile cannot work.
    pub fn new(
        caller: impl Caller + 'static,
        server: impl Into<Arc<str>>,
        profile: Profile,
    ) -> Result<Self, InvalidProfile> {
        profile.check()?;
        let caller = SharedCaller::new(caller);
        Ok(Self { caller, server: server.into(), profile: Arc::new(profile) })
    }

    /// One client, without layers. Its tools are listed first and must be those of the profile.
    ///
    /// # Errors
    /// The profile cannot work, the tools cannot be listed, or one is missing.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the listing.
    pub async fn of_client(
        server: impl Into<Arc<str>>,
        client: Client,
        profile: Profile,
    ) -> Result<Self, ResourceError> {
        let server = server.into();
        if let Some(&verb) = profile.verbs.keys().next()
            && client.server().capabilities.tools.is_some()
        {
            let listed = client.list_tools().await.map_err(|error| ResourceError::Call {
                verb,
                source: crate::caller::CallError::failed(&server, error),
            })?;
            if let Some((verb, tool)) = profile.missing(&listed.items) {
                let names: Vec<_> =
                    listed.items.iter().map(|tool| format!("`{}`", tool.name)).collect();
                return Err(ResourceError::NoTool {
                    server,
                    verb,
                    tool: tool.to_owned(),
                    has: if names.is_empty() { "none".to_owned() } else { names.join(", ") },
                });
            }
        }
        let caller = ServerCaller::of_clients([(Arc::clone(&server), client)]);
        Ok(Self::new(caller, server, profile)?)
    }

    /// The server, as configured.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// What it can do, and how.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Takes a verb's steps; `None` where the server says that there is nothing.
    pub(super) async fn take(
        &self,
        verb: Verb,
        values: &Map<String, Value>,
    ) -> Result<Option<(Found, &Step)>, ResourceError> {
        let steps = self.profile.verbs.get(&verb).map(Vec::as_slice).unwrap_or_default();
        let Some((last, first)) = steps.split_last() else {
            return Err(ResourceError::NoVerb {
                server: Arc::clone(&self.server),
                verb,
                has: self.profile.verbs.keys().copied().collect(),
            });
        };
        for step in first {
            self.call(verb, step, values).await?;
        }
        let raw = self.call(verb, last, values).await?;
        let says = |text: &Option<String>| text.as_ref().map(|text| with_values(text, values));
        if says(&last.absent).is_some_and(|absent| raw.text == absent) {
            return Ok(None);
        }
        match raw.read(last, values).map_err(|source| shaped(verb, last, source))? {
            Found::Absent => Ok(None),
            found => Ok(Some((found, last))),
        }
    }

    /// As [`take`](Self::take), where there is always something.
    pub(super) async fn find(
        &self,
        verb: Verb,
        values: &Map<String, Value>,
    ) -> Result<(Found, &Step), ResourceError> {
        let found = self.take(verb, values).await?;
        found.ok_or_else(|| ResourceError::Shape {
            verb,
            by: self.server.to_string(),
            source: super::ShapeError::Absent,
        })
    }

    async fn call(
        &self,
        verb: Verb,
        step: &Step,
        values: &Map<String, Value>,
    ) -> Result<Raw, ResourceError> {
        let operation = match &step.target {
            Target::Tool { name, arguments } => Operation::CallTool {
                name: name.as_str().into(),
                arguments: fill_members(arguments, values),
            },
            Target::Resource { uri } => {
                let texts = values.iter().filter_map(|(name, value)| match value {
                    Value::String(text) => Some((name.clone(), text.clone())),
                    Value::Number(number) => Some((name.clone(), number.to_string())),
                    _ => None,
                });
                let uri = ResourceTemplate::new(uri, "").expand(texts).map_err(|_| {
                    ResourceError::Profile(InvalidProfile::Template { verb, uri: uri.clone() })
                })?;
                Operation::ReadResource { uri: uri.into() }
            }
        };
        let hints = ToolHints { read_only: verb.is_read(), idempotent: verb.is_read() };
        let call = Call::new(Arc::clone(&self.server), operation).hints(hints);
        let reply = self.caller.call(call).await;
        let reply = reply.map_err(|source| ResourceError::Call { verb, source })?;
        let raw = Raw::of(reply.answer).map_err(|source| shaped(verb, step, source))?;
        let failed = step.failed.as_ref().map(|failed| with_values(failed, values));
        if raw.is_error || failed.is_some_and(|failed| raw.text.starts_with(&failed)) {
            return Err(ResourceError::Failed { verb, message: raw.text });
        }
        Ok(raw)
    }
}

/// A result of a step has another shape.
pub(super) fn shaped(verb: Verb, step: &Step, source: super::ShapeError) -> ResourceError {
    let by = match &step.target {
        Target::Tool { name, .. } => name.clone(),
        Target::Resource { uri } => uri.clone(),
    };
    ResourceError::Shape { verb, by, source }
}

/// Named values of a verb.
pub(super) fn values<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn fill_members(members: &Map<String, Value>, values: &Map<String, Value>) -> Map<String, Value> {
    let filled =
        members.iter().filter_map(|(name, value)| Some((name.clone(), fill(value, values)?)));
    filled.collect()
}

fn fill(value: &Value, values: &Map<String, Value>) -> Option<Value> {
    Some(match value {
        Value::String(text) => match placeholder(text) {
            Some(name) => values.get(name)?.clone(),
            None => value.clone(),
        },
        Value::Array(items) => items.iter().filter_map(|item| fill(item, values)).collect(),
        Value::Object(members) => Value::Object(fill_members(members, values)),
        _ => value.clone(),
    })
}

impl fmt::Debug for TypedResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedResource")
            .field("server", &self.server)
            .field("profile", &self.profile.name)
            .finish_non_exhaustive()
    }
}
