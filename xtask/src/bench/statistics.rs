//! The little statistics there is.

/// The middle value, or the mean of the two in the middle; `None` of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values.get(middle).copied()
    } else {
        Some(f64::midpoint(*values.get(middle.checked_sub(1)?)?, *values.get(middle)?))
    }
}

/// Three figures that count, with thousands apart: `1,234`, `12.3`, `0.31`.
pub(crate) fn show(value: f64) -> String {
    if value >= 99.95 {
        let whole = format!("{value:.0}");
        let mut shown = String::new();
        for (place, digit) in whole.chars().enumerate() {
            if place > 0 && (whole.len() - place) % 3 == 0 {
                shown.push(',');
            }
            shown.push(digit);
        }
        shown
    } else if value >= 9.995 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0]), Some(3.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![1.0, 2.0]), Some(1.5));
    }

    #[test]
    fn three_figures() {
        for (value, shown) in [
            (0.312, "0.31"),
            (9.996, "10.0"),
            (12.34, "12.3"),
            (99.96, "100"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(show(value), shown);
        }
    }
}
