//! The fields of a form: a flat subset of JSON Schema.

use serde::{Deserialize, Serialize};
use serde_json::Number;

use crate::{object::Object, open_enum::open_enum, raw::RawJson, tolerant::optional_whole};

/// A form: fields in the server's order, and which of them must be filled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormSchema {
    /// The fields by name.
    pub properties: Vec<(String, PrimitiveSchema)>,
    /// The names that must be filled.
    pub required: Vec<String>,
    /// The dialect, if it is named.
    pub schema: Option<String>,
}

impl FormSchema {
    /// A form without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field that may stay empty.
    #[must_use]
    pub fn optional(mut self, name: impl Into<String>, field: impl Into<PrimitiveSchema>) -> Self {
        self.properties.push((name.into(), field.into()));
        self
    }

    /// Adds a field that must be filled.
    #[must_use]
    pub fn required(mut self, name: impl Into<String>, field: impl Into<PrimitiveSchema>) -> Self {
        let name = name.into();
        self.required.push(name.clone());
        self.optional(name, field)
    }

    /// Whether a field must be filled.
    pub fn is_required(&self, name: &str) -> bool {
        self.required.iter().any(|required| required == name)
    }

    /// The values with which a form starts.
    pub fn defaults(&self) -> Object {
        self.properties
            .iter()
            .filter_map(|(name, field)| Some((name.as_str(), field.default_value()?)))
            .collect()
    }
}

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrimitiveSchema {
    /// Free text.
    String(StringSchema),
    /// A number.
    Number(NumberSchema),
    /// Yes or no.
    Boolean(BooleanSchema),
    /// One of several options.
    SingleSelect(SingleSelectEnumSchema),
    /// Some of several options (since 2025-11-25).
    MultiSelect(MultiSelectEnumSchema),
    /// One of several options, with names in a list of their own (2025-06-18; kept for old
    /// servers).
    LegacyTitled(LegacyTitledEnumSchema),
    /// A shape that this crate does not know.
    Unknown(RawJson),
}

/// Free text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StringSchema {
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// In characters.
    #[serde(default, deserialize_with = "optional_whole", skip_serializing_if = "Option::is_none")]
    pub min_length: Option<u64>,
    /// In characters.
    #[serde(default, deserialize_with = "optional_whole", skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u64>,
    /// A regular expression; not in the specification, but sent by servers that generate forms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// What the text stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<StringFormat>,
    /// What it starts with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

open_enum! {
    /// What a text stands for.
    pub enum StringFormat {
        /// An e-mail address.
        Email = "email",
        /// A URI.
        Uri = "uri",
        /// A day, as in RFC 3339.
        Date = "date",
        /// A moment, as in RFC 3339.
        DateTime = "date-time",
    }
}

/// A number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberSchema {
    /// Whole or not.
    #[serde(skip)]
    pub kind: NumberKind,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The least allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum: Option<Number>,
    /// The greatest allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum: Option<Number>,
    /// What it starts with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Number>,
}

/// Whether a number must be whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NumberKind {
    /// Any number.
    #[default]
    Number,
    /// Whole numbers.
    Integer,
}

/// Yes or no.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BooleanSchema {
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it starts with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<bool>,
}

/// One option of a choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnumOption {
    /// What is sent.
    #[serde(rename = "const")]
    pub value: String,
    /// What is shown; the value itself where there is no title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

impl EnumOption {
    /// An option that is shown as it is sent.
    pub fn untitled(value: impl Into<String>) -> Self {
        Self { value: value.into(), title: None }
    }

    /// An option with a title.
    pub fn titled(value: impl Into<String>, title: impl Into<String>) -> Self {
        Self { value: value.into(), title: Some(title.into()) }
    }

    /// What to show a person.
    pub fn display_name(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.value)
    }
}

/// One of several options: `enum` on the wire when no option has a title, else `oneOf`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SingleSelectEnumSchema {
    /// For people.
    pub title: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// What to choose from.
    pub options: Vec<EnumOption>,
    /// What is chosen at the start.
    pub default: Option<String>,
}

/// Some of several options: `enum` on the wire when no option has a title, else `anyOf`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MultiSelectEnumSchema {
    /// For people.
    pub title: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// What to choose from.
    pub options: Vec<EnumOption>,
    /// The fewest to choose.
    pub min_items: Option<u64>,
    /// The most to choose.
    pub max_items: Option<u64>,
    /// What is chosen at the start.
    pub default: Option<Vec<String>>,
}

/// One of several options, with names in a list of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LegacyTitledEnumSchema {
    /// For people.
    pub title: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// What to choose from.
    pub values: Vec<String>,
    /// What is shown for each value, in the same order.
    pub names: Vec<String>,
    /// What is chosen at the start.
    pub default: Option<String>,
}

impl PrimitiveSchema {
    /// For people.
    pub fn title(&self) -> Option<&str> {
        match self {
            Self::String(field) => field.title.as_deref(),
            Self::Number(field) => field.title.as_deref(),
            Self::Boolean(field) => field.title.as_deref(),
            Self::SingleSelect(field) => field.title.as_deref(),
            Self::MultiSelect(field) => field.title.as_deref(),
            Self::LegacyTitled(field) => field.title.as_deref(),
            Self::Unknown(_) => None,
        }
    }

    /// For people.
    pub fn description(&self) -> Option<&str> {
        match self {
            Self::String(field) => field.description.as_deref(),
            Self::Number(field) => field.description.as_deref(),
            Self::Boolean(field) => field.description.as_deref(),
            Self::SingleSelect(field) => field.description.as_deref(),
            Self::MultiSelect(field) => field.description.as_deref(),
            Self::LegacyTitled(field) => field.description.as_deref(),
            Self::Unknown(_) => None,
        }
    }

    /// The options, if it is a choice.
    pub fn options(&self) -> Option<Vec<EnumOption>> {
        match self {
            Self::SingleSelect(field) => Some(field.options.clone()),
            Self::MultiSelect(field) => Some(field.options.clone()),
            Self::LegacyTitled(field) => {
                let mut names = field.names.iter();
                let option = |value: &String| EnumOption {
                    value: value.clone(),
                    title: names.next().cloned(),
                };
                Some(field.values.iter().map(option).collect())
            }
            _ => None,
        }
    }

    /// What the field starts with.
    pub fn default_value(&self) -> Option<serde_json::Value> {
        match self {
            Self::String(field) => field.default.clone().map(Into::into),
            Self::Number(field) => field.default.clone().map(Into::into),
            Self::Boolean(field) => field.default.map(Into::into),
            Self::SingleSelect(field) => field.default.clone().map(Into::into),
            Self::MultiSelect(field) => field.default.clone().map(Into::into),
            Self::LegacyTitled(field) => field.default.clone().map(Into::into),
            Self::Unknown(raw) => raw.parse::<Object>().ok()?.get("default")?.parse().ok(),
        }
    }
}

macro_rules! into_primitive {
    ($($variant:ident($schema:ty)),+ $(,)?) => {
        $(impl From<$schema> for PrimitiveSchema {
            fn from(field: $schema) -> Self {
                Self::$variant(field)
            }
        })+
    };
}

into_primitive!(
    String(StringSchema),
    Number(NumberSchema),
    Boolean(BooleanSchema),
    SingleSelect(SingleSelectEnumSchema),
    MultiSelect(MultiSelectEnumSchema),
    LegacyTitled(LegacyTitledEnumSchema),
);
