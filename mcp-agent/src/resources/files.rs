//! Files and folders.

use serde::{Deserialize, Serialize};

use super::{
    ResourceError, ShapeError, TypedResource, Verb,
    shape::Found,
    typed::{shaped, values},
};

/// A file or folder in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// Below the folder that was listed, with `/` between its parts.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
}

/// What an [`Entry`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EntryKind {
    /// Something that can be read.
    File,
    /// Something that can be listed.
    Folder,
}

impl TypedResource {
    /// Reads a file as text.
    ///
    /// # Errors
    /// The call failed, or the server says that it did.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the call.
    pub async fn read(&self, path: &str) -> Result<String, ResourceError> {
        let (found, step) = self.find(Verb::Read, &values([("path", path.into())])).await?;
        match found {
            Found::Text(text) => Ok(text),
            other => other.into_type().map_err(|source| shaped(Verb::Read, step, source)),
        }
    }

    /// Reads a file as bytes.
    ///
    /// # Errors
    /// As [`read`](Self::read); the server gave no bytes.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the call.
    pub async fn read_bytes(&self, path: &str) -> Result<Vec<u8>, ResourceError> {
        let (found, step) = self.find(Verb::ReadBytes, &values([("path", path.into())])).await?;
        match found {
            Found::Bytes(bytes) => Ok(bytes),
            Found::Text(text) => Ok(text.into_bytes()),
            _ => Err(shaped(Verb::ReadBytes, step, ShapeError::NoBytes)),
        }
    }

    /// Lists a folder, as its server orders it.
    ///
    /// # Errors
    /// The call failed, or the server says that it did.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the call.
    pub async fn list(&self, path: &str) -> Result<Vec<Entry>, ResourceError> {
        self.entries(Verb::List, path).await
    }

    /// Lists a folder and all below it, each folder before what is in it.
    ///
    /// # Errors
    /// The call failed, or the server says that it did.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the call.
    pub async fn list_recursive(&self, path: &str) -> Result<Vec<Entry>, ResourceError> {
        self.entries(Verb::ListRecursive, path).await
    }

    async fn entries(&self, verb: Verb, path: &str) -> Result<Vec<Entry>, ResourceError> {
        match self.take(verb, &values([("path", path.into())])).await? {
            None => Ok(Vec::new()),
            Some((found, step)) => found.into_type().map_err(|source| shaped(verb, step, source)),
        }
    }

    /// Writes a file, in place of what it held.
    ///
    /// # Errors
    /// The call failed, or the server says that it did.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the call; the file may have been written.
    pub async fn write(&self, path: &str, content: &str) -> Result<(), ResourceError> {
        let values = values([("path", path.into()), ("content", content.into())]);
        self.take(Verb::Write, &values).await.map(drop)
    }
}
