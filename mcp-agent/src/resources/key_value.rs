//! Keys and values.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    ResourceError, TypedResource, Verb,
    shape::Found,
    typed::{shaped, values},
};

impl TypedResource {
    /// The value of a key; `None` where there is none. What [`set`](Self::set) stored is read as it
    /// was. Of what others stored, a text that is JSON is read as JSON, any other as a string.
    ///
    /// # Errors
    /// The call failed, or the value does not read as `T`.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the call.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, ResourceError> {
        let Some((found, step)) = self.take(Verb::Get, &of_key(key)).await? else {
            return Ok(None);
        };
        found.into_type().map(Some).map_err(|source| shaped(Verb::Get, step, source))
    }

    /// The value of a key as the text that is stored; `None` where there is none.
    ///
    /// # Errors
    /// The call failed.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the call.
    pub async fn get_text(&self, key: &str) -> Result<Option<String>, ResourceError> {
        Ok(match self.take(Verb::Get, &of_key(key)).await? {
            None => None,
            Some((Found::Text(text) | Found::Value(Value::String(text)), _)) => Some(text),
            Some((Found::Value(value), _)) => Some(value.to_string()),
            Some((other, step)) => {
                return other.into_type().map_err(|source| shaped(Verb::Get, step, source));
            }
        })
    }

    /// Stores a value, as JSON. A string is stored without quotes unless it would then read as
    /// something else, such as `"42"`.
    ///
    /// # Errors
    /// The value cannot be JSON, or the call failed.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the call; the value may have been stored.
    pub async fn set(
        &self,
        key: &str,
        value: &(impl Serialize + Sync + ?Sized),
    ) -> Result<(), ResourceError> {
        self.store(key, stored(value)?, None).await
    }

    /// Stores a value that the server forgets after this time, in whole seconds and at least one.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    ///
    /// # Cancel safety
    /// As [`set`](Self::set).
    pub async fn set_for(
        &self,
        key: &str,
        value: &(impl Serialize + Sync + ?Sized),
        time: Duration,
    ) -> Result<(), ResourceError> {
        self.store(key, stored(value)?, Some(time)).await
    }

    /// Stores a text as it is.
    ///
    /// # Errors
    /// The call failed.
    ///
    /// # Cancel safety
    /// As [`set`](Self::set).
    pub async fn set_text(&self, key: &str, text: &str) -> Result<(), ResourceError> {
        self.store(key, text.to_owned(), None).await
    }

    async fn store(
        &self,
        key: &str,
        text: String,
        time: Option<Duration>,
    ) -> Result<(), ResourceError> {
        let mut values = values([("key", key.into()), ("value", text.into())]);
        if let Some(time) = time {
            let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
            values.insert("ttl_seconds".to_owned(), seconds.max(1).into());
        }
        if time.is_some() && !self.profile.uses(Verb::Set, "ttl_seconds") {
            return Err(ResourceError::Argument {
                verb: Verb::Set,
                name: "ttl_seconds",
                reason: "the server cannot forget by time".to_owned(),
            });
        }
        self.take(Verb::Set, &values).await.map(drop)
    }

    /// Deletes a key. One that is not there is no error, unless the server says so.
    ///
    /// # Errors
    /// The call failed.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the call; the key may have been deleted.
    pub async fn delete(&self, key: &str) -> Result<(), ResourceError> {
        self.take(Verb::Delete, &of_key(key)).await.map(drop)
    }

    /// The keys that match a pattern of the server's kind.
    ///
    /// # Errors
    /// The call failed.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the call.
    pub async fn keys(&self, pattern: &str) -> Result<Vec<String>, ResourceError> {
        match self.take(Verb::Keys, &values([("pattern", pattern.into())])).await? {
            None => Ok(Vec::new()),
            Some((found, step)) => {
                found.into_type().map_err(|source| shaped(Verb::Keys, step, source))
            }
        }
    }
}

fn of_key(key: &str) -> Map<String, Value> {
    values([("key", key.into())])
}

fn stored(value: &(impl Serialize + ?Sized)) -> Result<String, ResourceError> {
    let value = serde_json::to_value(value).map_err(|error| ResourceError::Argument {
        verb: Verb::Set,
        name: "value",
        reason: error.to_string(),
    })?;
    Ok(as_text(value))
}

/// A value as one text, from which it can be read again.
fn as_text(value: Value) -> String {
    match value {
        Value::String(text) if serde_json::from_str::<Value>(&text).is_err() => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_stored_is_read_as_it_was(text in ".*", number in any::<i64>()) {
            for value in [Value::from(text.clone()), Value::from(number), number.to_string().into(),
                format!("\"{text}\"").into(), Value::Null, serde_json::json!({"a": [text.clone()]})]
            {
                let read: Value = Found::Text(as_text(value.clone())).into_type().unwrap();
                prop_assert_eq!(read, value);
            }
        }
    }
}
