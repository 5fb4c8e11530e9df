//! Revisions of the protocol, and the two lifecycles that they belong to.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

/// The two ways in which client and server live together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Era {
    /// Revisions up to 2025-11-25: an `initialize` handshake, sessions.
    Legacy,
    /// Revisions from 2026-07-28: no handshake, every request stands alone.
    Modern,
}

/// A revision of the protocol, named by its date.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProtocolVersion(Cow<'static, str>);

impl ProtocolVersion {
    /// 2024-11-05, the first.
    pub const V2024_11_05: Self = Self(Cow::Borrowed("2024-11-05"));
    /// 2025-03-26.
    pub const V2025_03_26: Self = Self(Cow::Borrowed("2025-03-26"));
    /// 2025-06-18.
    pub const V2025_06_18: Self = Self(Cow::Borrowed("2025-06-18"));
    /// 2025-11-25, the last with a handshake.
    pub const V2025_11_25: Self = Self(Cow::Borrowed("2025-11-25"));
    /// 2026-07-28, the first without.
    pub const V2026_07_28: Self = Self(Cow::Borrowed("2026-07-28"));
    /// The newest known.
    pub const LATEST: Self = Self::V2026_07_28;
    /// The newest known with an `initialize` handshake.
    pub const LATEST_LEGACY: Self = Self::V2025_11_25;
    /// All known, the newest first.
    pub const SUPPORTED: [Self; 5] = [
        Self::V2026_07_28,
        Self::V2025_11_25,
        Self::V2025_06_18,
        Self::V2025_03_26,
        Self::V2024_11_05,
    ];

    /// A version by its name, known or not.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self(name.into())
    }

    /// The name, such as `2025-11-25`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this crate knows the revision.
    pub fn is_supported(&self) -> bool {
        Self::SUPPORTED.contains(self)
    }

    /// The lifecycle that the revision belongs to. Names are dates, so they sort by age.
    pub fn era(&self) -> Era {
        if self.as_str() < Self::V2026_07_28.as_str() { Era::Legacy } else { Era::Modern }
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
