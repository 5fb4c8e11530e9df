//! Whether what a person filled in is what the form asks for.

use serde_json::{Number, Value};

use super::schema::{
    FormSchema, MultiSelectEnumSchema, NumberKind, NumberSchema, PrimitiveSchema, StringFormat,
    StringSchema,
};
use crate::object::Object;

/// A field of a form was not filled as the form asks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the field `{field}` {rule}")]
#[non_exhaustive]
pub struct InvalidAnswer {
    /// The field.
    pub field: String,
    /// What the form asks of it, to stand after the field's name.
    pub rule: String,
}

impl FormSchema {
    /// Checks an answer field by field. Fields that the form does not name are let through, and so
    /// is what a `pattern` says, which is not in the specification.
    ///
    /// ```
    /// use mcp_protocol::{elicitation::{FormSchema, NumberSchema}, object::Object};
    /// use serde_json::json;
    ///
    /// let form = FormSchema::new().required("age", NumberSchema::default());
    /// let answer = Object::from_iter([("age", json!("seven"))]);
    /// assert_eq!(form.check(&answer).unwrap_err().to_string(), "the field `age` must be a number");
    /// ```
    ///
    /// # Errors
    /// The first field, in the form's order, that is missing or filled otherwise.
    pub fn check(&self, answer: &Object) -> Result<(), InvalidAnswer> {
        let mut names: Vec<&str> = self.properties.iter().map(|(name, _)| name.as_str()).collect();
        names.extend(self.required.iter().map(String::as_str));
        for name in names {
            let fail = |rule: String| InvalidAnswer { field: name.to_owned(), rule };
            let Some(raw) = answer.get(name) else {
                if self.is_required(name) {
                    return Err(fail("must be filled".to_owned()));
                }
                continue;
            };
            let value: Value = raw.parse().map_err(|_| fail("must be JSON".to_owned()))?;
            let field = self.properties.iter().find(|(known, _)| known == name);
            if let Some((_, field)) = field {
                field.check(&value).map_err(fail)?;
            }
        }
        Ok(())
    }
}

impl PrimitiveSchema {
    fn check(&self, value: &Value) -> Result<(), String> {
        match self {
            Self::String(field) => field.check(value),
            Self::Number(field) => field.check(value),
            Self::Boolean(_) if value.is_boolean() => Ok(()),
            Self::Boolean(_) => Err("must be true or false".to_owned()),
            Self::SingleSelect(_) | Self::LegacyTitled(_) => {
                let options = self.options().unwrap_or_default();
                let chosen = value.as_str();
                if options.iter().any(|option| Some(option.value.as_str()) == chosen) {
                    return Ok(());
                }
                let names: Vec<_> = options.iter().map(|option| option.value.as_str()).collect();
                Err(format!("must be one of {}", names.join(", ")))
            }
            Self::MultiSelect(field) => field.check(value),
            Self::Unknown(_) => Ok(()),
        }
    }
}

impl StringSchema {
    fn check(&self, value: &Value) -> Result<(), String> {
        let text = value.as_str().ok_or("must be a text")?;
        let length = text.chars().count() as u64;
        if self.min_length.is_some_and(|least| length < least) {
            return Err(format!("must have {} characters or more", self.min_length.unwrap_or(0)));
        }
        if let Some(most) = self.max_length.filter(|most| length > *most) {
            return Err(format!("must have {most} characters or fewer"));
        }
        let (fits, kind) = match &self.format {
            Some(StringFormat::Email) => (is_email(text), "an e-mail address"),
            Some(StringFormat::Uri) => (is_uri(text), "a URI"),
            Some(StringFormat::Date) => (is_date(text), "a date such as 2026-07-28"),
            Some(StringFormat::DateTime) => {
                (is_date_time(text), "a moment such as 2026-07-28T09:30:00Z")
            }
            _ => return Ok(()),
        };
        if fits { Ok(()) } else { Err(format!("must be {kind}")) }
    }
}

impl NumberSchema {
    fn check(&self, value: &Value) -> Result<(), String> {
        let Value::Number(number) = value else {
            return Err("must be a number".to_owned());
        };
        let found = number.as_f64().ok_or("must be a number")?;
        let is_whole = number.is_i64() || number.is_u64() || found.fract() == 0.0;
        if self.kind == NumberKind::Integer && !is_whole {
            return Err("must be a whole number".to_owned());
        }
        let bound = |number: &Option<Number>| number.as_ref().and_then(Number::as_f64);
        if let Some(least) = bound(&self.minimum).filter(|least| found < *least) {
            return Err(format!("must be {least} or more"));
        }
        if let Some(most) = bound(&self.maximum).filter(|most| found > *most) {
            return Err(format!("must be {most} or less"));
        }
        Ok(())
    }
}

impl MultiSelectEnumSchema {
    fn check(&self, value: &Value) -> Result<(), String> {
        let chosen = value.as_array().ok_or("must be a list")?;
        let is_option = |one: &Value| {
            self.options.iter().any(|option| Some(option.value.as_str()) == one.as_str())
        };
        if !chosen.iter().all(is_option) {
            let names: Vec<_> = self.options.iter().map(|option| option.value.as_str()).collect();
            return Err(format!("must only have some of {}", names.join(", ")));
        }
        let count = chosen.len() as u64;
        if let Some(least) = self.min_items.filter(|least| count < *least) {
            return Err(format!("must have {least} entries or more"));
        }
        if let Some(most) = self.max_items.filter(|most| count > *most) {
            return Err(format!("must have {most} entries or fewer"));
        }
        Ok(())
    }
}

fn is_email(text: &str) -> bool {
    let is_visible = text.chars().all(|c| !c.is_whitespace() && !c.is_control());
    is_visible
        && text
            .rsplit_once('@')
            .is_some_and(|(person, host)| !person.is_empty() && !host.is_empty())
}

fn is_uri(text: &str) -> bool {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    };
    text.bytes().all(|b| b.is_ascii_graphic())
        && text.split_once(':').is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty())
}

/// `full-date` of RFC 3339.
fn is_date(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    let (Some(year), Some(month), Some(day)) = (digits(year, 4), digits(month, 2), digits(day, 2))
    else {
        return false;
    };
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// `date-time` of RFC 3339.
fn is_date_time(text: &str) -> bool {
    let Some((date, time)) = text.split_once(['T', 't', ' ']) else { return false };
    let (clock, offset) = match time.find(['Z', 'z', '+', '-']) {
        Some(place) => time.split_at(place),
        None => return false,
    };
    let is_clock = |text: &str| {
        let parts: Vec<_> = text.split(':').collect();
        let hours_and_minutes = |hour: &str, minute: &str| {
            digits(hour, 2).is_some_and(|hour| hour < 24)
                && digits(minute, 2).is_some_and(|minute| minute < 60)
        };
        match parts[..] {
            [hour, minute] => hours_and_minutes(hour, minute),
            [hour, minute, second] => {
                let (whole, fraction) = second.split_once('.').unwrap_or((second, "0"));
                hours_and_minutes(hour, minute)
                    && digits(whole, 2).is_some_and(|second| second <= 60)
                    && !fraction.is_empty()
                    && fraction.bytes().all(|b| b.is_ascii_digit())
            }
            _ => false,
        }
    };
    let is_offset =
        offset.eq_ignore_ascii_case("z") || (offset.len() == 6 && is_clock(&offset[1..]));
    is_date(date) && clock.split(':').count() == 3 && is_clock(clock) && is_offset
}

fn digits(text: &str, count: usize) -> Option<u32> {
    let is_number = text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(field: Value, answer: Value) -> Option<String> {
        let field: PrimitiveSchema = serde_json::from_value(field).unwrap();
        let form = FormSchema::new().required("x", field);
        form.check(&Object::from_iter([("x", answer)])).err().map(|invalid| invalid.rule)
    }

    #[test]
    fn every_shape_of_field_by_table() {
        let text = json!({"type": "string", "minLength": 2, "maxLength": 3});
        let format = |format: &str| json!({"type": "string", "format": format});
        let whole = json!({"type": "integer", "minimum": 1, "maximum": 9});
        let number = json!({"type": "number", "minimum": 0.5});
        let one = json!({"type": "string", "enum": ["a", "b"]});
        let titled = json!({"type": "string", "oneOf": [{"const": "a", "title": "A"}]});
        let old = json!({"type": "string", "enum": ["a"], "enumNames": ["A"]});
        let some = json!({"type": "array", "minItems": 1, "maxItems": 2,
            "items": {"type": "string", "enum": ["a", "b", "c"]}});
        let some_titled =
            json!({"type": "array", "items": {"anyOf": [{"const": "a", "title": "A"}]}});
        let good = [
            (text.clone(), json!("äö")),
            (format("email"), json!("a@b.example")),
            (format("uri"), json!("urn:isbn:1")),
            (format("date"), json!("2024-02-29")),
            (format("date-time"), json!("2026-07-28T23:59:60.5+02:00")),
            (format("colour"), json!("anything")),
            (whole.clone(), json!(9)),
            (whole.clone(), json!(3.0)),
            (number.clone(), json!(0.5)),
            (json!({"type": "boolean"}), json!(false)),
            (one.clone(), json!("b")),
            (titled.clone(), json!("a")),
            (old.clone(), json!("a")),
            (some.clone(), json!(["a", "c"])),
            (some_titled.clone(), json!([])),
        ];
        for (field, answer) in good {
            assert_eq!(rule(field.clone(), answer.clone()), None, "{field} {answer}");
        }
        let bad = [
            (text.clone(), json!("a")),
            (text.clone(), json!("abcd")),
            (text, json!(7)),
            (format("email"), json!("a b@c")),
            (format("email"), json!("@c")),
            (format("uri"), json!("no uri")),
            (format("date"), json!("2023-02-29")),
            (format("date"), json!("2026-7-28")),
            (format("date-time"), json!("2026-07-28T24:00:00Z")),
            (format("date-time"), json!("2026-07-28T10:00Z")),
            (format("date-time"), json!("2026-07-28T10:00:00")),
            (whole.clone(), json!(1.5)),
            (whole.clone(), json!(0)),
            (whole, json!(10)),
            (number, json!("1")),
            (json!({"type": "boolean"}), json!("true")),
            (one, json!("c")),
            (titled, json!("A")),
            (old, json!("A")),
            (some.clone(), json!([])),
            (some.clone(), json!(["a", "b", "c"])),
            (some.clone(), json!(["d"])),
            (some, json!("a")),
            (some_titled, json!(["A"])),
        ];
        for (field, answer) in bad {
            assert!(rule(field.clone(), answer.clone()).is_some(), "{field} {answer}");
        }
    }

    #[test]
    fn only_what_is_required_must_be_there() {
        let form = FormSchema::new()
            .optional("a", StringSchema::default())
            .required("b", StringSchema::default());
        let error = form.check(&Object::new()).unwrap_err();
        assert_eq!(error.to_string(), "the field `b` must be filled");
        assert!(form.check(&Object::from_iter([("b", json!("")), ("z", json!(1))])).is_ok());
    }
}
