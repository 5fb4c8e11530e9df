//! Lists in which one bad entry does not hide the good ones.

use serde::de::DeserializeOwned;

use crate::{
    decode::{self, DecodeError},
    object::Object,
    raw::RawJson,
};

/// An entry of a list that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedItem {
    /// Its place in the list as sent, from 0.
    pub index: usize,
    /// Its name, if that at least could be read.
    pub name: Option<String>,
    /// What is wrong, naming the field.
    pub error: String,
    /// The entry as sent.
    pub raw: RawJson,
}

/// A page of a list.
pub(crate) trait ListResult: DeserializeOwned {
    /// The key of the list.
    const ITEMS: &'static str;
    /// The key of an entry's name.
    const NAME: &'static str;
    type Item: DeserializeOwned;
    fn parts(&mut self) -> (&mut Vec<Self::Item>, &mut Vec<SkippedItem>);
}

/// Reads a page at once, and entry by entry only if that fails.
pub(crate) fn decode<L: ListResult>(json: &[u8]) -> Result<L, DecodeError> {
    decode::strict(json).or_else(|error| entry_by_entry(json).ok_or(error)?)
}

/// `None` if the entries are not what is wrong.
#[cold]
fn entry_by_entry<L: ListResult>(json: &[u8]) -> Option<Result<L, DecodeError>> {
    let mut page: Object = serde_json::from_slice(json).ok()?;
    let entries: Vec<RawJson> = page.get(L::ITEMS)?.parse().ok()?;
    page.insert(L::ITEMS, RawJson::parse_text("[]").ok()?);
    let rest = serde_json::to_vec(&page).ok()?;
    Some(decode::strict::<L>(&rest).map(|mut result| {
        let (items, skipped) = result.parts();
        for (index, raw) in entries.into_iter().enumerate() {
            match decode::strict(raw.as_str().as_bytes()) {
                Ok(item) => items.push(item),
                Err(error) => {
                    let name = raw
                        .parse::<Object>()
                        .ok()
                        .and_then(|entry| entry.get(L::NAME)?.parse().ok());
                    skipped.push(SkippedItem { index, name, error: error.to_string(), raw });
                }
            }
        }
        result
    }))
}
