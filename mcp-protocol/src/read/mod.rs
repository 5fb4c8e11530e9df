//! JSON text into types, in one pass.
//!
//! The quick way, beside `serde_json`, which stays the judge: what is read here, `serde_json` reads to
//! the same value, and whatever is refused here is given to `serde_json`, which reads it or says what
//! is wrong. So a refusal carries no message and costs nothing, and rare spellings need no code.
//!
//! What makes it quick: UTF-8 is checked once for the whole text, strings are searched 16 bytes at
//! a time, an escaped string is written once into memory of the right size, and values that stay
//! text are skipped without recursion.

mod access;
mod skip;
mod strings;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor, value::BorrowedStrDeserializer},
};

use self::access::{Elements, Members, RawMember, VariantName};

/// The name under which `serde_json`'s `RawValue` asks for the text of a value.
const RAW: &str = "$serde_json::private::RawValue";

/// The name of a struct that wants its tag before its other members, wherever it was written.
pub(crate) const TAG_FIRST: &str = "$mcp_protocol::tag_first";

/// The key of a tag.
pub(crate) const TAG: &str = "type";

/// How deep values may nest, as in `serde_json`.
const MAX_DEPTH: u8 = 127;

/// Reads one value.
pub(crate) fn from_slice<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Result<T, Refused> {
    let text = simdutf8::basic::from_utf8(json).map_err(|_| Refused)?;
    let mut reader = Reader { text, at: 0, room: MAX_DEPTH };
    let value = T::deserialize(&mut reader)?;
    reader.skip_space();
    if reader.at == text.len() { Ok(value) } else { Err(Refused) }
}

/// Not read here. Whether the text is wrong or only unusual is for `serde_json` to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not read")
    }
}

impl std::error::Error for Refused {}

impl de::Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }

    fn invalid_type(_: de::Unexpected<'_>, _: &dyn de::Expected) -> Self {
        Self
    }

    fn missing_field(_: &'static str) -> Self {
        Self
    }
}

/// A place in the text.
#[derive(Clone, Copy)]
struct Reader<'de> {
    text: &'de str,
    at: usize,
    /// How many levels may still be entered.
    room: u8,
}

impl<'de> Reader<'de> {
    fn bytes(&self) -> &'de [u8] {
        self.text.as_bytes()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes().get(self.at) {
            self.at += 1;
        }
    }

    /// The next byte that is not space.
    fn peek(&mut self) -> Result<u8, Refused> {
        self.skip_space();
        self.bytes().get(self.at).copied().ok_or(Refused)
    }

    fn expect(&mut self, byte: u8) -> Result<(), Refused> {
        if self.peek()? == byte {
            self.at += 1;
            Ok(())
        } else {
            Err(Refused)
        }
    }

    fn word(&mut self, word: &str) -> Result<(), Refused> {
        if self.bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            Err(Refused)
        }
    }

    /// Reads what lies between a pair of brackets, of which the first was seen.
    fn inside<T>(
        &mut self,
        end: u8,
        read: impl FnOnce(&mut Self) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        self.at += 1;
        self.room = self.room.checked_sub(1).ok_or(Refused)?;
        let value = read(self)?;
        self.room += 1;
        self.expect(end)?;
        Ok(value)
    }

    fn number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Refused> {
        let start = self.at;
        let whole = self.skip_number()?;
        let token = &self.text[start..self.at];
        // As many digits fit into either type; `-0` is no integer to serde_json.
        if whole && token.len() <= 18 && token != "-0" {
            return match token.parse::<i64>() {
                Ok(number) if number < 0 => visitor.visit_i64(number),
                Ok(number) => visitor.visit_u64(number.unsigned_abs()),
                Err(_) => Err(Refused),
            };
        }
        serde_json::Deserializer::from_str(token).deserialize_any(visitor).map_err(|_| Refused)
    }

    fn raw<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Refused> {
        self.skip_space();
        let start = self.at;
        self.skip_value()?;
        visitor.visit_map(RawMember(Some(&self.text[start..self.at])))
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.peek()? {
            b'"' => self.string(visitor),
            b'{' => self.inside(b'}', |reader| visitor.visit_map(Members::of(reader))),
            b'[' => self.inside(b']', |reader| visitor.visit_seq(Elements::of(reader))),
            b'-' | b'0'..=b'9' => self.number(visitor),
            b't' => self.word("true").and_then(|()| visitor.visit_bool(true)),
            b'f' => self.word("false").and_then(|()| visitor.visit_bool(false)),
            b'n' => self.word("null").and_then(|()| visitor.visit_unit()),
            _ => Err(Refused),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        if self.peek()? == b'"' { self.string(visitor) } else { Err(Refused) }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_str(visitor)
    }

    /// `serde_json` gives bytes that need not be UTF-8.
    fn deserialize_bytes<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Refused> {
        Err(Refused)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Refused> {
        Err(Refused)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        if self.peek()? == b'n' {
            self.word("null")?;
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        if name == RAW { self.raw(visitor) } else { visitor.visit_newtype_struct(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        if self.peek()? != b'[' {
            return Err(Refused);
        }
        self.inside(b']', |reader| visitor.visit_seq(Elements::of(reader)))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        if self.peek()? != b'{' {
            return Err(Refused);
        }
        self.inside(b'}', |reader| visitor.visit_map(Members::of(reader)))
    }

    /// A struct written as a list is left to `serde_json`.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        if name != TAG_FIRST {
            return self.deserialize_map(visitor);
        }
        if self.peek()? != b'{' {
            return Err(Refused);
        }
        self.inside(b'}', |reader| visitor.visit_map(Members::tag_first(reader)?))
    }

    /// A variant that carries something is left to `serde_json`.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let name = self.deserialize_str(VariantName)?;
        visitor.visit_enum(BorrowedStrDeserializer::new(name))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.skip_value()?;
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 unit unit_struct
    }
}
