//! Queues and channels.

use serde::Serialize;

use super::{ResourceError, TypedResource, Verb, typed::values};

impl TypedResource {
    /// Sends a message to a queue or channel. A string is sent as it is, everything else as JSON.
    ///
    /// # Errors
    /// The message cannot be JSON, or the call failed.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the call; the message may have been sent.
    pub async fn publish(
        &self,
        topic: &str,
        message: &(impl Serialize + Sync + ?Sized),
    ) -> Result<(), ResourceError> {
        let message = serde_json::to_value(message).map_err(|error| ResourceError::Argument {
            verb: Verb::Publish,
            name: "message",
            reason: error.to_string(),
        })?;
        let message = match message {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        let values = values([("topic", topic.into()), ("message", message.into())]);
        self.take(Verb::Publish, &values).await.map(drop)
    }
}
