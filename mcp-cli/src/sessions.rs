//! Where conversations are kept.

use std::{fs, path::PathBuf};

use etcetera::BaseStrategy as _;
use mcp_agent::{
    run::Run,
    store::{SqliteStore, Store as _, StoreError, StoreKey, Stored},
};

use crate::{
    error_report::{Report, Result},
    exit_code::ErrorCode,
};

/// Opens `~/.local/state/mcp/sessions.db`, sealed with the key beside it.
pub(crate) fn open() -> Result<SqliteStore> {
    let folder = folder().ok_or_else(|| {
        Report::new(ErrorCode::Unexpected, "there is no home folder to keep sessions in")
    })?;
    fs::create_dir_all(&folder).map_err(|error| {
        Report::new(ErrorCode::Unexpected, format!("cannot make {}", folder.display()))
            .cause(error.to_string())
    })?;
    let key = StoreKey::of_file(&folder.join("sessions.key")).map_err(|error| report(&error))?;
    Ok(SqliteStore::open(folder.join("sessions.db"), key).map_err(|error| report(&error))?)
}

fn folder() -> Option<PathBuf> {
    let folders = etcetera::base_strategy::choose_base_strategy().ok()?;
    Some(folders.state_dir().unwrap_or_else(|| folders.data_dir()).join("mcp"))
}

/// The session of this name, or the latest.
pub(crate) async fn find(store: &SqliteStore, name: Option<&str>) -> Result<Stored> {
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        return Ok(store.find(name).await.map_err(|error| report(&error))?);
    }
    let all = store.list().await.map_err(|error| report(&error))?;
    let latest = all.into_iter().next();
    Ok(latest.ok_or_else(|| Report::new(ErrorCode::Usage, "no session is kept yet"))?)
}

/// Loads the session of this name, or the latest.
pub(crate) async fn load(store: &SqliteStore, name: Option<&str>) -> Result<Run> {
    let stored = find(store, name).await?;
    Ok(store.load(&stored.id, None).await.map_err(|error| report(&error))?)
}

/// A store that failed.
pub(crate) fn report(error: &StoreError) -> Report {
    let code = match error {
        StoreError::Unknown { .. } | StoreError::Ambiguous { .. } => ErrorCode::Usage,
        _ => ErrorCode::Unexpected,
    };
    let report = Report::new(code, error.to_string()).causes_of(error);
    match code {
        ErrorCode::Usage => report.help("`mcp sessions list` shows them"),
        _ => report,
    }
}
