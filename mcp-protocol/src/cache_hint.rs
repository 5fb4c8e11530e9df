//! How long a result may be reused, and by whom (2026-07-28).

use std::time::Duration;

use crate::open_enum::open_enum;

open_enum! {
    /// Who may share a cached result.
    pub enum CacheScope {
        /// Anybody.
        Public = "public",
        /// Only who has the same authorization.
        Private = "private",
    }
}

/// What a server says about reusing one result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheHint {
    /// How long after its arrival the result counts as fresh; zero when nothing was said.
    pub fresh_for: Duration,
    /// Whether the result may be shared across authorizations. Only an explicit `public` allows it.
    pub shareable: bool,
}

impl CacheHint {
    /// From the fields `ttlMs` and `cacheScope`.
    pub fn new(ttl_ms: Option<u64>, scope: Option<&CacheScope>) -> Self {
        Self {
            fresh_for: Duration::from_millis(ttl_ms.unwrap_or(0)),
            shareable: scope == Some(&CacheScope::Public),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers: cache-private
    #[test]
    fn shares_only_what_is_public() {
        assert_eq!(CacheHint::new(None, None), CacheHint::default());
        let hint = CacheHint::new(Some(1500), Some(&CacheScope::Public));
        assert_eq!(hint.fresh_for, Duration::from_millis(1500));
        assert!(hint.shareable);
        assert!(!CacheHint::new(Some(1), Some(&"team".into())).shareable);
    }
}
