//! What can be said of a skill from its entry alone.

use std::collections::HashSet;

use mcp_protocol::skills::{Skill, SkillResource, SkillResources};

use super::SkillError;

/// How many files every client accepts.
const MAX_FILES: usize = 512;
/// How many bytes every client accepts, all files together.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Checks an entry before anything is read. Gives the directory and the entry of `SKILL.md`.
pub(super) fn check(skill: &Skill) -> Result<(&str, &SkillResource), SkillError> {
    let invalid = |reason: String| SkillError::InvalidEntry { uri: skill.uri.clone(), reason };
    let root = skill.root().ok_or_else(|| invalid("it is not that of a SKILL.md".to_owned()))?;
    let name = skill.name().ok_or_else(|| invalid("it has no `name`".to_owned()))?;
    if skill.description().is_none_or(|text| text.is_empty()) {
        return Err(invalid("it has no `description`".to_owned()));
    }
    if !is_name(&name) {
        return Err(invalid("`name` is not lowercase words with hyphens between".to_owned()));
    }
    if root.rsplit('/').next() != Some(&name) {
        return Err(invalid(format!("its directory is not called `{name}`")));
    }
    let SkillResources::Listed(files) = &skill.resources else {
        return Err(SkillError::Dynamic { uri: skill.uri.clone() });
    };
    let bytes = files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.size));
    if files.len() > MAX_FILES || bytes > MAX_BYTES {
        return Err(SkillError::TooLarge { uri: skill.uri.clone(), files: files.len(), bytes });
    }
    let mut seen = HashSet::new();
    for file in files {
        if !is_within(root, &file.uri) {
            return Err(invalid(format!("{} is not in its directory", file.uri)));
        }
        if !seen.insert(&file.uri) {
            return Err(invalid(format!("{} is listed twice", file.uri)));
        }
        if !is_digest(&file.digest) {
            return Err(invalid(format!("the digest of {} is malformed", file.uri)));
        }
    }
    let main = skill.resource(&skill.uri);
    Ok((root, main.ok_or_else(|| invalid("it does not list its SKILL.md".to_owned()))?))
}

/// The URI of a file by a reference as instructions make it: relative to the skill's directory, or
/// whole. `None` if it leads out of the directory.
pub(super) fn resolve(root: &str, reference: &str) -> Option<String> {
    let path = reference.split_once('#').map_or(reference, |(path, _)| path);
    if path.contains("://") {
        return Some(path.to_owned());
    }
    if path.starts_with('/') {
        return None;
    }
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()?),
            segment => segments.push(segment),
        }
    }
    Some(format!("{root}/{}", segments.join("/")))
}

/// Whether a URI is that of a file below a directory, without steps up or aside.
fn is_within(root: &str, uri: &str) -> bool {
    let path = uri.strip_prefix(root).and_then(|rest| rest.strip_prefix('/'));
    path.is_some_and(|path| {
        path.split('/').all(|segment| {
            let plain = segment.to_ascii_lowercase().replace("%2e", ".");
            !matches!(&*plain, "" | "." | "..")
        })
    })
}

/// Whether a name follows the Agent Skills specification.
fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.split('-').all(|word| {
            !word.is_empty()
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

fn is_digest(digest: &str) -> bool {
    digest.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}
