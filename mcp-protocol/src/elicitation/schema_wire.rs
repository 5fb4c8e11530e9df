//! How the fields of a form look on the wire.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess},
    ser::SerializeMap,
};

use super::schema::{
    EnumOption, FormSchema, LegacyTitledEnumSchema, MultiSelectEnumSchema, NumberKind,
    NumberSchema, PrimitiveSchema, SingleSelectEnumSchema,
};
use crate::{
    object::without_repeats,
    raw::RawJson,
    tolerant::{optional_whole, or_default},
};

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
                        Ok(Properties(without_repeats(fields)))
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
