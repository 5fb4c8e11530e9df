//! What either side tells the other without waiting for an answer.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::{
    decode::{self, DecodeError},
    elicitation::{ElicitationComplete, ElicitationCompleteParams},
    jsonrpc::RequestId,
    logging::{LoggingMessage, LoggingMessageParams},
    meta::Meta,
    method::Notification,
    raw::RawJson,
    subscriptions::{SubscriptionsAcknowledged, SubscriptionsAcknowledgedParams},
    tasks::{DetailedTask, TaskChanged, legacy},
};

/// Nothing but what stands beside the parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationParams {
    /// Entries beside the parameters.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

/// `notifications/progress`.
#[derive(Debug)]
pub enum Progress {}

impl Notification for Progress {
    const NAME: &'static str = "notifications/progress";
    type Params = ProgressParams;
}

/// How far a request has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProgressParams {
    /// The token that the request carried.
    pub progress_token: RequestId,
    /// How far; grows with every notification.
    pub progress: f64,
    /// How far it is in all, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<f64>,
    /// What is being done (since 2025-03-26). Untrusted text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Entries beside the parameters.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl ProgressParams {
    /// Progress of which neither end nor doing is known.
    pub fn new(progress_token: impl Into<RequestId>, progress: f64) -> Self {
        Self {
            progress_token: progress_token.into(),
            progress,
            total: None,
            message: None,
            meta: None,
        }
    }

    /// The part that is done, from 0 to 1, if the total is known.
    pub fn fraction(&self) -> Option<f64> {
        let total = self.total.filter(|total| *total > 0.0)?;
        Some((self.progress / total).clamp(0.0, 1.0))
    }
}

/// `notifications/cancelled`.
#[derive(Debug)]
pub enum Cancelled {}

impl Notification for Cancelled {
    const NAME: &'static str = "notifications/cancelled";
    type Params = CancelledParams;
}

/// Which request is no longer wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelledParams {
    /// The request. Optional in revision 2025-11-25, where tasks are cancelled in another way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Entries beside the parameters.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl CancelledParams {
    /// A request, without a reason.
    pub fn new(request_id: impl Into<RequestId>) -> Self {
        Self { request_id: Some(request_id.into()), ..Self::default() }
    }

    /// Says why.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}

/// `notifications/tools/list_changed`.
#[derive(Debug)]
pub enum ToolListChanged {}

impl Notification for ToolListChanged {
    const NAME: &'static str = "notifications/tools/list_changed";
    type Params = NotificationParams;
}

/// `notifications/prompts/list_changed`.
#[derive(Debug)]
pub enum PromptListChanged {}

impl Notification for PromptListChanged {
    const NAME: &'static str = "notifications/prompts/list_changed";
    type Params = NotificationParams;
}

/// `notifications/resources/list_changed`.
#[derive(Debug)]
pub enum ResourceListChanged {}

impl Notification for ResourceListChanged {
    const NAME: &'static str = "notifications/resources/list_changed";
    type Params = NotificationParams;
}

/// `notifications/resources/updated`.
#[derive(Debug)]
pub enum ResourceUpdated {}

impl Notification for ResourceUpdated {
    const NAME: &'static str = "notifications/resources/updated";
    type Params = ResourceUpdatedParams;
}

/// Which resource has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceUpdatedParams {
    /// The resource, or a part of the one that is watched.
    pub uri: String,
    /// Entries beside the parameters.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

/// Any notification of a server.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ServerNotification {
    /// How far a request has come.
    Progress(ProgressParams),
    /// A request of the server is no longer wanted, or a subscription has ended.
    Cancelled(CancelledParams),
    /// A log message.
    Message(LoggingMessageParams),
    /// List the tools again.
    ToolListChanged(NotificationParams),
    /// List the prompts again.
    PromptListChanged(NotificationParams),
    /// List the resources again.
    ResourceListChanged(NotificationParams),
    /// Read a resource again.
    ResourceUpdated(ResourceUpdatedParams),
    /// The person has finished at a page (2025-11-25).
    ElicitationComplete(ElicitationCompleteParams),
    /// A subscription has begun (2026-07-28).
    SubscriptionsAcknowledged(SubscriptionsAcknowledgedParams),
    /// A task has changed (extension).
    TaskChanged(Box<DetailedTask>),
    /// A task has changed (2025-11-25).
    LegacyTaskChanged(Box<legacy::Task>),
    /// One that this crate does not know.
    Unknown {
        /// The method.
        method: String,
        /// Its parameters.
        params: RawJson,
    },
}

impl ServerNotification {
    /// Reads a notification from its method and the JSON text of its parameters.
    ///
    /// # Errors
    /// The parameters are not those of the method.
    pub fn decode(method: &str, params: &[u8]) -> Result<Self, DecodeError> {
        Ok(match method {
            Progress::NAME => Self::Progress(decode::strict(params)?),
            Cancelled::NAME => Self::Cancelled(decode::strict(params)?),
            LoggingMessage::NAME => Self::Message(decode::strict(params)?),
            ToolListChanged::NAME => Self::ToolListChanged(decode::strict(params)?),
            PromptListChanged::NAME => Self::PromptListChanged(decode::strict(params)?),
            ResourceListChanged::NAME => Self::ResourceListChanged(decode::strict(params)?),
            ResourceUpdated::NAME => Self::ResourceUpdated(decode::strict(params)?),
            ElicitationComplete::NAME => Self::ElicitationComplete(decode::strict(params)?),
            SubscriptionsAcknowledged::NAME => {
                Self::SubscriptionsAcknowledged(decode::strict(params)?)
            }
            TaskChanged::NAME => Self::TaskChanged(decode::strict(params)?),
            legacy::TaskStatusChanged::NAME => Self::LegacyTaskChanged(decode::strict(params)?),
            _ => Self::Unknown { method: method.to_owned(), params: decode::strict(params)? },
        })
    }
}
