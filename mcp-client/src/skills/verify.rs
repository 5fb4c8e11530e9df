//! Whether a file is the one that an entry describes.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mcp_protocol::{
    resources::{ReadResourceResult, ResourceBody},
    skills::SkillResource,
};
use ring::digest::{SHA256, digest};

use super::{SkillError, SkillFile};

/// The one file of an answer, if it is the one of the entry.
pub(super) fn verified(
    entry: &SkillResource,
    answer: &ReadResourceResult,
) -> Result<SkillFile, SkillError> {
    let uri = || entry.uri.clone();
    let unreadable = |reason: String| SkillError::Unreadable { uri: uri(), reason };
    let [contents] = &answer.contents[..] else {
        let reason = format!("was answered with {} files, not one", answer.contents.len());
        return Err(unreadable(reason));
    };
    let bytes = match &contents.body {
        ResourceBody::Text(text) => text.clone().into_bytes(),
        ResourceBody::Blob(base64) => STANDARD
            .decode(base64)
            .map_err(|error| unreadable(format!("is not valid base64: {error}")))?,
    };
    let actual = bytes.len() as u64;
    if actual != entry.size {
        return Err(SkillError::SizeMismatch { uri: uri(), expected: entry.size, actual });
    }
    if sha256(&bytes) != entry.digest {
        return Err(SkillError::DigestMismatch { uri: uri() });
    }
    Ok(SkillFile { uri: uri(), mime_type: contents.mime_type.clone(), bytes })
}

/// In the form that entries have.
pub(super) fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(71);
    text.push_str("sha256:");
    for byte in digest(&SHA256, bytes).as_ref() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
