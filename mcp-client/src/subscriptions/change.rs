//! What may change on a server.

use std::sync::Arc;

use mcp_protocol::{
    decode::DecodeError,
    jsonrpc::NotificationMessage,
    method::Notification,
    notifications::{
        PromptListChanged, ResourceListChanged, ResourceUpdated, ServerNotification,
        ToolListChanged,
    },
    subscriptions::SubscriptionFilter,
    tasks::{DetailedTask, TaskChanged, legacy},
};

/// Something changed, or may have. It says what to ask for again, not how it is now.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// The list of tools.
    Tools,
    /// The list of prompts.
    Prompts,
    /// The list of resources.
    Resources,
    /// A resource, or a part of one that is watched.
    Resource(Arc<str>),
    /// A task (extension), as it is now.
    Task(Arc<DetailedTask>),
    /// A task of revision 2025-11-25, as it is now. A server need not tell.
    LegacyTask(Arc<legacy::Task>),
    /// Changes may have been missed, since the server could not be heard for a while: everything
    /// that is watched may have changed.
    Gap,
}

impl Change {
    /// Reads a notification; `None` for those that tell of other things.
    pub(super) fn read(notification: &NotificationMessage) -> Option<Result<Self, DecodeError>> {
        let (method, params) = (&*notification.method, &notification.params);
        Some(match method {
            ToolListChanged::NAME => Ok(Self::Tools),
            PromptListChanged::NAME => Ok(Self::Prompts),
            ResourceListChanged::NAME => Ok(Self::Resources),
            ResourceUpdated::NAME | TaskChanged::NAME | legacy::TaskStatusChanged::NAME => {
                match ServerNotification::decode(method, params) {
                    Ok(ServerNotification::ResourceUpdated(updated)) => {
                        Ok(Self::Resource(updated.uri.into()))
                    }
                    Ok(ServerNotification::TaskChanged(task)) => Ok(Self::Task(Arc::from(task))),
                    Ok(ServerNotification::LegacyTaskChanged(task)) => {
                        Ok(Self::LegacyTask(Arc::from(task)))
                    }
                    Ok(_) => return None,
                    Err(error) => Err(error),
                }
            }
            _ => return None,
        })
    }

    /// How this change concerns who wants `wanted`.
    pub(super) fn concerns(&self, wanted: &SubscriptionFilter) -> Concern {
        let sure = |yes| if yes { Concern::Surely } else { Concern::No };
        match self {
            Self::Tools => sure(wanted.tools_list_changed),
            Self::Prompts => sure(wanted.prompts_list_changed),
            Self::Resources => sure(wanted.resources_list_changed),
            Self::Task(task) => sure(wanted.task_ids.contains(&task.task.task_id)),
            Self::LegacyTask(task) => sure(wanted.task_ids.contains(&task.task_id)),
            Self::Gap => Concern::Surely,
            Self::Resource(uri) => {
                let watched = &wanted.resource_subscriptions;
                if watched.iter().any(|one| is_within(uri, one)) {
                    Concern::Surely
                } else if watched.is_empty() {
                    Concern::No
                } else {
                    Concern::Perhaps
                }
            }
        }
    }
}

/// Whether somebody wants to hear of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Concern {
    /// It is not what is watched.
    No,
    /// It is a resource of which only the server knows what it is a part of.
    Perhaps,
    /// It is what is watched.
    Surely,
}

/// Whether a URI is another one, or below it.
fn is_within(uri: &str, whole: &str) -> bool {
    uri.strip_prefix(whole).is_some_and(|rest| {
        rest.is_empty() || whole.ends_with('/') || rest.starts_with(['/', '?', '#'])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_resource() {
        for (uri, whole, within) in [
            ("file:///a", "file:///a", true),
            ("file:///a/b", "file:///a", true),
            ("file:///a/b", "file:///a/", true),
            ("file:///a#part", "file:///a", true),
            ("file:///a?rev=2", "file:///a", true),
            ("file:///ab", "file:///a", false),
            ("file:///", "file:///a", false),
        ] {
            assert_eq!(is_within(uri, whole), within, "{uri} in {whole}");
        }
    }

    #[test]
    fn reads_what_tells_of_changes() {
        let read = |method: &str, params: &'static str| {
            Change::read(&NotificationMessage { method: method.into(), params: params.into() })
                .map(|change| change.map_err(|error| error.to_string()))
        };
        assert_eq!(read("notifications/tools/list_changed", "{}"), Some(Ok(Change::Tools)));
        assert_eq!(
            read("notifications/resources/updated", r#"{"uri":"x:y"}"#),
            Some(Ok(Change::Resource("x:y".into())))
        );
        assert!(read("notifications/resources/updated", "{}").unwrap().is_err());
        assert_eq!(read("notifications/progress", "{}"), None);
    }
}
