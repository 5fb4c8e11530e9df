//! Asking to be told of changes (2026-07-28): one request whose stream stays open.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::{
    jsonrpc::RequestId,
    meta::Meta,
    method::{Method, Notification},
    outcome::{ResultType, only_complete},
    tolerant::{is_false, or_default},
};

/// `subscriptions/listen`. The answer comes when the server ends the subscription.
#[derive(Debug)]
pub enum SubscriptionsListen {}

impl Method for SubscriptionsListen {
    const NAME: &'static str = "subscriptions/listen";
    type Params = SubscriptionsListenParams;
    type Output = SubscriptionsListenResult;
}

/// What to be told of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionsListenParams {
    /// The kinds of change.
    pub notifications: SubscriptionFilter,
    /// Entries beside the parameters.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl SubscriptionsListenParams {
    /// The kinds of change.
    pub fn new(notifications: SubscriptionFilter) -> Self {
        Self { notifications, meta: None }
    }
}

/// Kinds of change. A server sends nothing that is not named here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionFilter {
    /// The list of tools.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub tools_list_changed: bool,
    /// The list of prompts.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub prompts_list_changed: bool,
    /// The list of resources.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub resources_list_changed: bool,
    /// Single resources, by URI.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub resource_subscriptions: Vec<String>,
    /// Single tasks, by id (extension).
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub task_ids: Vec<String>,
}

impl SubscriptionFilter {
    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is named here and not in `honoured`, which is what a server left out.
    #[must_use]
    pub fn missing_from(&self, honoured: &Self) -> Self {
        let without = |wanted: &[String], given: &[String]| {
            wanted.iter().filter(|one| !given.contains(one)).cloned().collect()
        };
        Self {
            tools_list_changed: self.tools_list_changed && !honoured.tools_list_changed,
            prompts_list_changed: self.prompts_list_changed && !honoured.prompts_list_changed,
            resources_list_changed: self.resources_list_changed && !honoured.resources_list_changed,
            resource_subscriptions: without(
                &self.resource_subscriptions,
                &honoured.resource_subscriptions,
            ),
            task_ids: without(&self.task_ids, &honoured.task_ids),
        }
    }
}

/// The server has ended the subscription in good order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionsListenResult {
    /// The kind of result.
    #[serde(default, deserialize_with = "only_complete", skip_serializing_if = "Option::is_none")]
    pub result_type: Option<ResultType>,
    /// Entries beside the result; the subscription's id among them.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

/// `notifications/subscriptions/acknowledged`: the first message of a subscription.
#[derive(Debug)]
pub enum SubscriptionsAcknowledged {}

impl Notification for SubscriptionsAcknowledged {
    const NAME: &'static str = "notifications/subscriptions/acknowledged";
    type Params = SubscriptionsAcknowledgedParams;
}

/// What the server will tell of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionsAcknowledgedParams {
    /// The part of the wish that it grants.
    pub notifications: SubscriptionFilter,
    /// Entries beside the parameters; the subscription's id among them.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl SubscriptionsAcknowledgedParams {
    /// The subscription that has begun.
    pub fn subscription_id(&self) -> Option<RequestId> {
        self.meta.as_ref()?.subscription_id()
    }
}
