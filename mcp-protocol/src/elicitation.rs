//! Asking the person in front of the client: a form to fill, or a page to visit.

mod answer;
mod schema;
mod schema_wire;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use answer::InvalidAnswer;
pub use schema::{
    BooleanSchema, EnumOption, FormSchema, LegacyTitledEnumSchema, MultiSelectEnumSchema,
    NumberKind, NumberSchema, PrimitiveSchema, SingleSelectEnumSchema, StringFormat, StringSchema,
};

use crate::{
    meta::Meta,
    method::{Method, Notification},
    object::Object,
    tasks::legacy::TaskMetadata,
};

/// `elicitation/create`, from server to client.
#[derive(Debug)]
pub enum Elicit {}

impl Method for Elicit {
    const NAME: &'static str = "elicitation/create";
    type Params = ElicitParams;
    type Output = ElicitResult;
}

/// What to ask the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WireParams", into = "WireParams")]
#[non_exhaustive]
pub enum ElicitParams {
    /// A form. What is asked must not be secret.
    Form(ElicitFormParams),
    /// A page (since 2025-11-25). Never open it without the person's consent, and never look at it.
    Url(ElicitUrlParams),
}

impl ElicitParams {
    /// What to tell the person.
    pub fn message(&self) -> &str {
        match self {
            Self::Form(form) => &form.message,
            Self::Url(url) => &url.message,
        }
    }
}

/// A form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElicitFormParams {
    /// What to tell the person.
    pub message: String,
    /// The fields.
    pub requested_schema: FormSchema,
    /// Asks for a task (2025-11-25 only).
    pub task: Option<TaskMetadata>,
    /// Entries beside the parameters.
    pub meta: Option<Meta>,
}

impl ElicitFormParams {
    /// A form.
    pub fn new(message: impl Into<String>, requested_schema: FormSchema) -> Self {
        Self { message: message.into(), requested_schema, task: None, meta: None }
    }
}

/// A page to visit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WireParams", into = "WireParams")]
pub struct ElicitUrlParams {
    /// Why to visit it.
    pub message: String,
    /// The address. Show it whole before it is opened.
    pub url: String,
    /// What `notifications/elicitation/complete` will name (2025-11-25 only).
    pub elicitation_id: Option<String>,
    /// Asks for a task (2025-11-25 only).
    pub task: Option<TaskMetadata>,
    /// Entries beside the parameters.
    pub meta: Option<Meta>,
}

impl ElicitUrlParams {
    /// A page.
    pub fn new(message: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            url: url.into(),
            elicitation_id: None,
            task: None,
            meta: None,
        }
    }
}

/// Both modes at once, since `mode` may come last or not at all.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireParams {
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_schema: Option<FormSchema>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    elicitation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<TaskMetadata>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<Meta>,
}

impl TryFrom<WireParams> for ElicitParams {
    type Error = String;

    fn try_from(wire: WireParams) -> Result<Self, String> {
        match wire.mode.as_deref() {
            // Revision 2025-06-18 had forms only and no mode.
            None | Some("form") => {
                let requested_schema =
                    wire.requested_schema.ok_or("a form needs `requestedSchema`")?;
                let WireParams { message, task, meta, .. } = wire;
                Ok(Self::Form(ElicitFormParams { message, requested_schema, task, meta }))
            }
            Some("url") => ElicitUrlParams::try_from(wire).map(Self::Url),
            Some(other) => Err(format!("unknown elicitation mode `{other}`")),
        }
    }
}

impl TryFrom<WireParams> for ElicitUrlParams {
    type Error = String;

    fn try_from(wire: WireParams) -> Result<Self, String> {
        let url = wire.url.ok_or("a page to visit needs `url`")?;
        let WireParams { message, elicitation_id, task, meta, .. } = wire;
        Ok(Self { message, url, elicitation_id, task, meta })
    }
}

impl From<ElicitParams> for WireParams {
    fn from(params: ElicitParams) -> Self {
        match params {
            ElicitParams::Form(form) => Self {
                mode: Some("form".to_owned()),
                message: form.message,
                requested_schema: Some(form.requested_schema),
                url: None,
                elicitation_id: None,
                task: form.task,
                meta: form.meta,
            },
            ElicitParams::Url(url) => url.into(),
        }
    }
}

impl From<ElicitUrlParams> for WireParams {
    fn from(params: ElicitUrlParams) -> Self {
        Self {
            mode: Some("url".to_owned()),
            message: params.message,
            requested_schema: None,
            url: Some(params.url),
            elicitation_id: params.elicitation_id,
            task: params.task,
            meta: params.meta,
        }
    }
}

/// What the person did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElicitResult {
    /// Their decision.
    pub action: ElicitAction,
    /// What they filled in; only with [`ElicitAction::Accept`] of a form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Object>,
    /// Entries beside the result.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl ElicitResult {
    /// A form, filled. The content should satisfy the form's schema.
    pub fn accept(content: Object) -> Self {
        Self { action: ElicitAction::Accept, content: Some(content), meta: None }
    }

    /// Consent to visit a page.
    pub fn accept_url() -> Self {
        Self { action: ElicitAction::Accept, content: None, meta: None }
    }

    /// An explicit no.
    pub fn decline() -> Self {
        Self { action: ElicitAction::Decline, content: None, meta: None }
    }

    /// No decision: the question was closed.
    pub fn cancel() -> Self {
        Self { action: ElicitAction::Cancel, content: None, meta: None }
    }
}

/// A person's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ElicitAction {
    /// Yes.
    Accept,
    /// No.
    Decline,
    /// Neither.
    Cancel,
}

/// `notifications/elicitation/complete`, from server to client (2025-11-25 only): the person has
/// finished at a page.
#[derive(Debug)]
pub enum ElicitationComplete {}

impl Notification for ElicitationComplete {
    const NAME: &'static str = "notifications/elicitation/complete";
    type Params = ElicitationCompleteParams;
}

/// Which page is finished. Ignore ids that are not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ElicitationCompleteParams {
    /// As in [`ElicitUrlParams`].
    pub elicitation_id: String,
    /// Entries beside the parameters.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}
