//! Values of the message that Streamable HTTP repeats in headers (2026-07-28): how they are written.
//!
//! What cannot stand in a header as it is goes as `=?base64?…?=`, the base64 of its UTF-8.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};

const OPENING: &str = "=?base64?";
const CLOSING: &str = "?=";

/// Some writers of base64 leave the padding out.
const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A header value that claims to be base64 and is not, or not of UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the base64 of UTF-8 text")]
pub struct InvalidEncoding(pub String);

/// Writes a value so that it survives as an HTTP header: `Mcp-Name` and `Mcp-Param-*`.
///
/// ```
/// use mcp_protocol::header_values::encode;
///
/// assert_eq!(encode("us-west1"), "us-west1");
/// assert_eq!(encode(" é"), "=?base64?IMOp?=");
/// ```
pub fn encode(value: &str) -> Cow<'_, str> {
    if is_plain(value) {
        Cow::Borrowed(value)
    } else {
        Cow::Owned(format!("{OPENING}{}{CLOSING}", STANDARD.encode(value)))
    }
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// The value claims to be base64 and is not, or not of UTF-8.
pub fn decode(value: &str) -> Result<Cow<'_, str>, InvalidEncoding> {
    let Some(encoded) = enclosed(value) else { return Ok(Cow::Borrowed(value)) };
    TOLERANT
        .decode(encoded)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map(Cow::Owned)
        .ok_or_else(|| InvalidEncoding(value.to_owned()))
}

/// Whether a name can be that of a header: a token of RFC 9110, section 5.6.2.
pub fn is_token(name: &str) -> bool {
    let is_tchar = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.bytes().all(is_tchar)
}

fn is_plain(value: &str) -> bool {
    value.bytes().all(|b| matches!(b, b' '..=b'~'))
        && !value.starts_with(' ')
        && !value.ends_with(' ')
        && enclosed(value).is_none()
}

fn enclosed(value: &str) -> Option<&str> {
    // `=?base64?=` is too short to hold both marks, but reads as if it did.
    let rest = value.strip_prefix(OPENING)?;
    if rest == "=" { Some("") } else { rest.strip_suffix(CLOSING) }
}
