//! Times as stores keep them: in seconds since 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

pub(super) fn time(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}
