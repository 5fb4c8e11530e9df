//! The last touches to a result, as its client's lifecycle wants it.

use mcp_protocol::{
    error_code,
    implementation::Implementation,
    jsonrpc::ErrorObject,
    meta::{self, Meta},
    object::Object,
    raw::RawJson,
    version::Era,
};
use serde::Serialize;

/// Fills in what every result of the modern lifecycle has, and of lists and contents that nobody
/// may keep them: who else may see them is for their servers to say.
macro_rules! finish {
    ($result:expr, $era:expr) => {{
        let mut result = $result;
        let is_modern = $era == mcp_protocol::version::Era::Modern;
        result.result_type = is_modern.then_some(mcp_protocol::outcome::ResultType::Complete);
        result.meta = $crate::service::aggregate::finish::meta_of(result.meta.take(), $era);
        $crate::service::aggregate::finish::write(&result)
    }};
    ($result:expr, $era:expr, uncached) => {{
        let mut result = $result;
        let is_modern = $era == mcp_protocol::version::Era::Modern;
        result.ttl_ms = is_modern.then_some(0);
        result.cache_scope = is_modern.then_some(mcp_protocol::cache_hint::CacheScope::Private);
        finish!(result, $era)
    }};
}

/// The entries that a server gave, with this server's name in place of its own.
pub(super) fn meta_of(given: Option<Meta>, era: Era) -> Option<Meta> {
    let mut entries = given.map(|meta| meta.entries()).unwrap_or_default();
    entries.remove(meta::SERVER_INFO);
    if era == Era::Modern {
        name(&mut entries);
    }
    (!entries.is_empty()).then(|| Meta::new(&entries))
}

/// The `_meta` of modern results that are made here.
pub(super) fn who() -> Meta {
    let mut entries = Object::default();
    name(&mut entries);
    Meta::new(&entries)
}

fn name(entries: &mut Object) {
    if let Ok(info) = RawJson::from_value(&implementation()) {
        entries.insert(meta::SERVER_INFO, info);
    }
}

pub(super) fn implementation() -> Implementation {
    Implementation::new("mcp-service", env!("CARGO_PKG_VERSION"))
}

pub(super) fn write<T: Serialize>(result: &T) -> Result<RawJson, ErrorObject> {
    RawJson::from_value(result)
        .map_err(|error| ErrorObject::new(error_code::INTERNAL_ERROR, error.to_string()))
}
