//! The fields of a form: a flat subset of JSON Schema.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess},
    ser::SerializeMap,
};
use serde_json::Number;

use crate::{
    object::Object,
    open_enum::open_enum,
    raw::RawJson,
    tolerant::{optional_whole, or_default},
};

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

/// The members by which the shapes of a choice are told apart.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireEnum {
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(rename = "enum", skip_serializing_if = "Option::is_none")]
    values: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enum_names: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    one_of: Option<Vec<EnumOption>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<WireItems>,
    #[serde(default, deserialize_with = "optional_whole", skip_serializing_if = "Option::is_none")]
    min_items: Option<u64>,
    #[serde(default, deserialize_with = "optional_whole", skip_serializing_if = "Option::is_none")]
    max_items: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<RawJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireItems {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(rename = "enum", skip_serializing_if = "Option::is_none")]
    values: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none", alias = "oneOf")]
    any_of: Option<Vec<EnumOption>>,
}

impl<'de> Deserialize<'de> for PrimitiveSchema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawJson::deserialize(deserializer)?;
        read_field(raw).map_err(de::Error::custom)
    }
}

fn read_field(raw: RawJson) -> Result<PrimitiveSchema, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Shape {
        r#type: Option<RawJson>,
        r#enum: Option<RawJson>,
        one_of: Option<RawJson>,
        items: Option<RawJson>,
    }
    let shape: Shape = raw.parse()?;
    let kind: Option<String> = shape.r#type.and_then(|kind| kind.parse().ok());
    Ok(match kind.as_deref() {
        Some("string") if shape.r#enum.is_some() || shape.one_of.is_some() => {
            read_single(raw.parse()?)?
        }
        Some("string") => PrimitiveSchema::String(raw.parse()?),
        Some("number") => PrimitiveSchema::Number(raw.parse()?),
        Some("integer") => {
            PrimitiveSchema::Number(NumberSchema { kind: NumberKind::Integer, ..raw.parse()? })
        }
        Some("boolean") => PrimitiveSchema::Boolean(raw.parse()?),
        Some("array") if shape.items.is_some() => read_multi(raw.parse()?)?,
        _ => PrimitiveSchema::Unknown(raw),
    })
}

fn read_single(wire: WireEnum) -> Result<PrimitiveSchema, serde_json::Error> {
    let default = wire.default.map(|raw| raw.parse()).transpose()?;
    let WireEnum { title, description, .. } = wire;
    if let (Some(values), Some(names)) = (&wire.values, &wire.enum_names) {
        let (values, names) = (values.clone(), names.clone());
        let field = LegacyTitledEnumSchema { title, description, values, names, default };
        return Ok(PrimitiveSchema::LegacyTitled(field));
    }
    let options = options(wire.values, wire.one_of);
    Ok(PrimitiveSchema::SingleSelect(SingleSelectEnumSchema {
        title,
        description,
        options,
        default,
    }))
}

fn read_multi(wire: WireEnum) -> Result<PrimitiveSchema, serde_json::Error> {
    let default = wire.default.map(|raw| raw.parse()).transpose()?;
    let (values, titled) = wire.items.map_or((None, None), |items| (items.values, items.any_of));
    Ok(PrimitiveSchema::MultiSelect(MultiSelectEnumSchema {
        title: wire.title,
        description: wire.description,
        options: options(values, titled),
        min_items: wire.min_items,
        max_items: wire.max_items,
        default,
    }))
}

fn options(values: Option<Vec<String>>, titled: Option<Vec<EnumOption>>) -> Vec<EnumOption> {
    titled.unwrap_or_else(|| {
        values.unwrap_or_default().into_iter().map(EnumOption::untitled).collect()
    })
}

/// The options as the wire has them: values alone, or values with titles.
fn wire_options(options: &[EnumOption]) -> (Option<Vec<String>>, Option<Vec<EnumOption>>) {
    if options.iter().all(|option| option.title.is_none()) {
        return (Some(options.iter().map(|option| option.value.clone()).collect()), None);
    }
    let titled = options
        .iter()
        .map(|option| EnumOption::titled(&option.value, option.display_name()))
        .collect();
    (None, Some(titled))
}

#[derive(Serialize)]
struct Typed<'a, T> {
    r#type: &'static str,
    #[serde(flatten)]
    field: &'a T,
}

impl Serialize for PrimitiveSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let empty = || WireEnum {
            title: None,
            description: None,
            values: None,
            enum_names: None,
            one_of: None,
            items: None,
            min_items: None,
            max_items: None,
            default: None,
        };
        match self {
            Self::String(field) => Typed { r#type: "string", field }.serialize(serializer),
            Self::Number(field) => {
                let r#type = match field.kind {
                    NumberKind::Number => "number",
                    NumberKind::Integer => "integer",
                };
                Typed { r#type, field }.serialize(serializer)
            }
            Self::Boolean(field) => Typed { r#type: "boolean", field }.serialize(serializer),
            Self::SingleSelect(field) => {
                let (values, one_of) = wire_options(&field.options);
                let field = WireEnum {
                    title: field.title.clone(),
                    description: field.description.clone(),
                    values,
                    one_of,
                    default: self.default_value().map(Into::into),
                    ..empty()
                };
                Typed { r#type: "string", field: &field }.serialize(serializer)
            }
            Self::MultiSelect(field) => {
                let (values, any_of) = wire_options(&field.options);
                let kind = values.is_some().then(|| "string".to_owned());
                let field = WireEnum {
                    title: field.title.clone(),
                    description: field.description.clone(),
                    items: Some(WireItems { kind, values, any_of }),
                    min_items: field.min_items,
                    max_items: field.max_items,
                    default: self.default_value().map(Into::into),
                    ..empty()
                };
                Typed { r#type: "array", field: &field }.serialize(serializer)
            }
            Self::LegacyTitled(field) => {
                let field = WireEnum {
                    title: field.title.clone(),
                    description: field.description.clone(),
                    values: Some(field.values.clone()),
                    enum_names: Some(field.names.clone()),
                    default: self.default_value().map(Into::into),
                    ..empty()
                };
                Typed { r#type: "string", field: &field }.serialize(serializer)
            }
            Self::Unknown(raw) => raw.serialize(serializer),
        }
    }
}

impl Serialize for FormSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Properties<'a>(&'a [(String, PrimitiveSchema)]);
        impl Serialize for Properties<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().map(|(name, field)| (name, field)))
            }
        }
        let mut map = serializer.serialize_map(None)?;
        if let Some(schema) = &self.schema {
            map.serialize_entry("$schema", schema)?;
        }
        map.serialize_entry("type", "object")?;
        map.serialize_entry("properties", &Properties(&self.properties))?;
        if !self.required.is_empty() {
            map.serialize_entry("required", &self.required)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for FormSchema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default)]
        struct Properties(Vec<(String, PrimitiveSchema)>);
        impl<'de> Deserialize<'de> for Properties {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl<'de> de::Visitor<'de> for Visitor {
                    type Value = Properties;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an object of fields")
                    }
                    fn visit_map<A: MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> Result<Properties, A::Error> {
                        let mut fields = Vec::new();
                        while let Some(field) = map.next_entry()? {
                            fields.push(field);
                        }
                        Ok(Properties(fields))
                    }
                }
                deserializer.deserialize_map(Visitor)
            }
        }
        #[derive(Deserialize)]
        struct Wire {
            #[serde(rename = "$schema")]
            schema: Option<String>,
            #[serde(default, deserialize_with = "or_default")]
            properties: Properties,
            #[serde(default, deserialize_with = "or_default")]
            required: Vec<String>,
        }
        let Wire { schema, properties, required } = Wire::deserialize(deserializer)?;
        Ok(Self { properties: properties.0, required, schema })
    }
}
