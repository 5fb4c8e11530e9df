//! Private files, with the errors of a token store.

use std::path::Path;

use super::{TokenStoreError, file::file_error};
use crate::private_file;
pub(super) use crate::private_file::for_owner_only;

pub(super) fn create_folder(path: &Path) -> Result<(), TokenStoreError> {
    private_file::create_folder(path).map_err(|source| file_error(path, source))
}

pub(super) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, TokenStoreError> {
    private_file::read_if_there(path).map_err(|source| file_error(path, source))
}

pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), TokenStoreError> {
    private_file::replace(path, bytes).map_err(|source| file_error(path, source))
}
