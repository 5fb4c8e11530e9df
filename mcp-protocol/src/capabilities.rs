//! What each side offers. Open sets: members that this crate does not know are kept.

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{extensions::Extensions, object::Object, tolerant::or_default};

/// A capability whose settings this crate does not read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offered(pub Object);

/// What a client can do for a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientCapabilities {
    /// Input from a person (since 2025-06-18).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elicitation: Option<ElicitationCapability>,
    /// Messages from a model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<SamplingCapability>,
    /// A list of folders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roots: Option<RootsCapability>,
    /// Requests of the server that may become tasks (2025-11-25 only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks: Option<TasksCapability>,
    /// Extensions by their ids, with their settings.
    #[serde(skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
    /// What has no standard yet.
    #[serde(skip_serializing_if = "Object::is_empty")]
    pub experimental: Object,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub other: Object,
}

impl ClientCapabilities {
    /// By what a client has handlers for: elicitation in both modes, sampling without tools, roots.
    pub fn new(elicitation: bool, sampling: bool, roots: bool) -> Self {
        Self {
            elicitation: elicitation.then(ElicitationCapability::all),
            sampling: sampling.then(SamplingCapability::default),
            roots: roots.then(RootsCapability::default),
            ..Self::default()
        }
    }
}

/// Which modes of elicitation; neither means form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElicitationCapability {
    /// Forms by schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<Offered>,
    /// Pages to visit (since 2025-11-25).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Offered>,
}

impl ElicitationCapability {
    /// Both modes.
    pub fn all() -> Self {
        Self { form: Some(Offered::default()), url: Some(Offered::default()) }
    }

    /// Whether forms are offered: said so, or nothing said.
    pub fn offers_form(&self) -> bool {
        self.form.is_some() || self.url.is_none()
    }

    /// Whether pages to visit are offered.
    pub fn offers_url(&self) -> bool {
        self.url.is_some()
    }
}

/// What sampling can do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SamplingCapability {
    /// Tools in sampling requests (since 2025-11-25).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Offered>,
    /// `includeContext` other than `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<Offered>,
}

/// A list of folders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RootsCapability {
    /// Whether changes are announced (up to 2025-11-25).
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "std::ops::Not::not")]
    pub list_changed: bool,
}

/// What a server offers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerCapabilities {
    /// Tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<ListCapability>,
    /// Resources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourcesCapability>,
    /// Prompts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompts: Option<ListCapability>,
    /// Completion of arguments. Revision 2024-11-05 had no flag for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completions: Option<Offered>,
    /// Log messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<Offered>,
    /// Requests that may become tasks (2025-11-25 only; later an extension).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks: Option<TasksCapability>,
    /// Extensions by their ids, with their settings.
    #[serde(skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
    /// What has no standard yet.
    #[serde(skip_serializing_if = "Object::is_empty")]
    pub experimental: Object,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub other: Object,
}

/// A list that may announce changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListCapability {
    /// Whether changes are announced.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "std::ops::Not::not")]
    pub list_changed: bool,
}

/// Resources that may announce changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourcesCapability {
    /// Whether changes of the list are announced.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "std::ops::Not::not")]
    pub list_changed: bool,
    /// Whether single resources can be watched.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "std::ops::Not::not")]
    pub subscribe: bool,
}

/// What can be done with tasks in revision 2025-11-25.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TasksCapability {
    /// `tasks/list`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<Offered>,
    /// `tasks/cancel`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Offered>,
    /// The requests that may become tasks, by the two halves of their names.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Object::is_empty")]
    pub requests: Object,
}

impl TasksCapability {
    /// Whether a request such as `tools/call` may become a task.
    pub fn covers(&self, method: &str) -> bool {
        let Some((topic, verb)) = method.split_once('/') else { return false };
        self.requests
            .get(topic)
            .and_then(|verbs| verbs.parse::<Object>().ok())
            .is_some_and(|verbs| verbs.get(verb).is_some_and(|offer| !offer.is_null()))
    }
}

impl<'de> Deserialize<'de> for ClientCapabilities {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut members = Object::deserialize(deserializer)?;
        Ok(Self {
            elicitation: take(&mut members, "elicitation")?,
            sampling: take(&mut members, "sampling")?,
            roots: take(&mut members, "roots")?,
            tasks: take(&mut members, "tasks")?,
            extensions: take(&mut members, "extensions")?.unwrap_or_default(),
            experimental: take(&mut members, "experimental")?.unwrap_or_default(),
            other: members,
        })
    }
}

impl<'de> Deserialize<'de> for ServerCapabilities {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut members = Object::deserialize(deserializer)?;
        Ok(Self {
            tools: take(&mut members, "tools")?,
            resources: take(&mut members, "resources")?,
            prompts: take(&mut members, "prompts")?,
            completions: take(&mut members, "completions")?,
            logging: take(&mut members, "logging")?,
            tasks: take(&mut members, "tasks")?,
            extensions: take(&mut members, "extensions")?.unwrap_or_default(),
            experimental: take(&mut members, "experimental")?.unwrap_or_default(),
            other: members,
        })
    }
}

/// Takes one capability out. Some peers write `true` for a capability without settings, and `false`
/// or `null` for one they lack.
fn take<T, E>(members: &mut Object, name: &str) -> Result<Option<T>, E>
where
    T: de::DeserializeOwned + Default,
    E: de::Error,
{
    let Some(raw) = members.remove(name) else { return Ok(None) };
    match raw.as_str() {
        "null" | "false" => Ok(None),
        "true" => Ok(Some(T::default())),
        _ => raw.parse().map(Some).map_err(|error| E::custom(format!("`{name}`: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // covers: unknown-fields
    #[test]
    fn keeps_what_it_does_not_know() {
        let wire = json!({
            "tools": {"listChanged": true},
            "resources": {"subscribe": true},
            "logging": {},
            "teleport": {"range": 3},
            "extensions": {"com.example/x": {"depth": 2}},
            "tasks": {"list": {}, "requests": {"tools": {"call": {}}}},
        });
        let read: ServerCapabilities = serde_json::from_value(wire.clone()).unwrap();
        assert!(read.tools.as_ref().unwrap().list_changed);
        assert!(read.other.contains_key("teleport"));
        assert!(read.tasks.as_ref().unwrap().covers("tools/call"));
        assert!(!read.tasks.as_ref().unwrap().covers("sampling/createMessage"));
        assert_eq!(serde_json::to_value(&read).unwrap(), wire);
    }

    #[test]
    fn tolerates_flags_for_objects() {
        let read: ServerCapabilities =
            serde_json::from_str(r#"{"tools":true,"prompts":false,"logging":null}"#).unwrap();
        assert_eq!(read.tools, Some(ListCapability::default()));
        assert_eq!((read.prompts, read.logging), (None, None));
    }

    #[test]
    fn names_the_bad_capability() {
        let error = serde_json::from_str::<ClientCapabilities>(r#"{"roots":[1,2]}"#).unwrap_err();
        assert!(error.to_string().contains("`roots`"), "{error}");
    }

    // covers: elicitation-modes
    #[test]
    fn form_is_the_default_mode() {
        for (wire, form, url) in [
            (json!({}), true, false),
            (json!({"form": {}}), true, false),
            (json!({"url": {}}), false, true),
            (json!({"form": {}, "url": {}}), true, true),
        ] {
            let read: ElicitationCapability = serde_json::from_value(wire).unwrap();
            assert_eq!((read.offers_form(), read.offers_url()), (form, url));
        }
    }
}
