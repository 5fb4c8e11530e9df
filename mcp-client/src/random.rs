//! Chance, to spread what many clients would otherwise do at the same moment.

use std::hash::{BuildHasher as _, RandomState};

/// A number from 0 to 1, not to be relied on for secrets.
pub(crate) fn fraction() -> f64 {
    let random = RandomState::new().hash_one(0_u8) >> 32;
    f64::from(u32::try_from(random).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_differs_and_stays_within_bounds() {
        let drawn: Vec<_> = (0..100).map(|_| super::fraction()).collect();
        assert!(drawn.iter().all(|one| (0.0..=1.0).contains(one)), "{drawn:?}");
        assert!(drawn.iter().any(|one| *one < 0.5) && drawn.iter().any(|one| *one > 0.5));
    }
}
