//! Whether a series grows.

/// How much the series grows from its first to its last value: the slope by Theil and Sen, the
/// median of the slopes between all pairs, which single outliers do not move.
pub(crate) fn growth(values: &[f64]) -> f64 {
    let mut slopes = Vec::new();
    for (from, first) in values.iter().enumerate() {
        for (to, second) in values.iter().enumerate().skip(from + 1) {
            slopes.push((second - first) / count(to - from));
        }
    }
    median(&mut slopes) * count(values.len().saturating_sub(1))
}

/// The middle one; 0 without any.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_are_no_slope_and_leaks_are() {
        let flat = [50.0, 51.0, 50.0, 90.0, 49.0, 50.0, 51.0, 50.0];
        assert!(growth(&flat).abs() < 1.0, "{}", growth(&flat));
        let leak: Vec<f64> =
            (0..20).map(|number| 50.0 + f64::from(number) + f64::from(number % 3)).collect();
        assert!((growth(&leak) - 19.0).abs() < 2.0, "{}", growth(&leak));
        assert!(growth(&[]).abs() < f64::EPSILON && growth(&[7.0]).abs() < f64::EPSILON);
    }
}
