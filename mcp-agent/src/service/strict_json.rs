//! Members of requests as JSON Schema has them, where serde's own idea of them is another.

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::{Number, Value};

/// Beyond this the numbers of JSON do not tell neighbours apart.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A whole number, if there is one. `7.0` is one too.
pub(super) fn whole_number<'de, D: Deserializer<'de>, T: TryFrom<u64>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let Some(number) = Option::<Number>::deserialize(deserializer)? else { return Ok(None) };
    let whole = number.as_u64().or_else(|| {
        let number = number.as_f64().filter(|n| n.fract() == 0.0 && (0.0..EXACT).contains(n));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole, and within bounds"
        )]
        number.map(|number| number as u64)
    });
    let fitting = whole.and_then(|number| T::try_from(number).ok()).map(Some);
    fitting.ok_or_else(|| D::Error::custom(format!("{number} is not a whole number that fits")))
}

/// Objects whose `role` says what they are.
pub(super) fn by_role<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    tagged(deserializer, "role")
}

/// Objects whose `type` says what they are.
pub(super) fn by_type<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    tagged(deserializer, "type")
}

/// Serde would take a number for the place of a variant.
fn tagged<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
    tag: &str,
) -> Result<Vec<T>, D::Error> {
    let values = Vec::<Value>::deserialize(deserializer)?;
    let read = values.into_iter().map(|value| match value.get(tag) {
        Some(Value::String(_)) => serde_json::from_value(value).map_err(D::Error::custom),
        _ => Err(D::Error::custom(format!("`{tag}` must be there, and a string"))),
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "type", rename_all = "lowercase")]
    enum Part {
        Text {},
    }

    #[derive(Debug, Deserialize)]
    struct Body {
        #[serde(default, deserialize_with = "whole_number")]
        limit: Option<u32>,
        #[serde(default, deserialize_with = "by_type")]
        parts: Vec<Part>,
    }

    #[test]
    fn whole_numbers_are_whole_however_they_are_written() {
        for (written, read) in [
            (json!({"limit": 7}), Some(7)),
            (json!({"limit": 7.0}), Some(7)),
            (json!({"limit": null}), None),
            (json!({}), None),
        ] {
            assert_eq!(serde_json::from_value::<Body>(written).unwrap().limit, read);
        }
        for wrong in [json!(7.5), json!(-1), json!(-1.0), json!(4_294_967_296_u64), json!("7")] {
            serde_json::from_value::<Body>(json!({ "limit": wrong })).unwrap_err();
        }
    }

    #[test]
    fn kinds_are_words() {
        let body: Body = serde_json::from_value(json!({"parts": [{"type": "text"}]})).unwrap();
        assert_eq!(body.parts, [Part::Text {}]);
        for wrong in [json!({"type": 0}), json!({}), json!("text")] {
            serde_json::from_value::<Body>(json!({ "parts": [wrong] })).unwrap_err();
        }
    }
}
