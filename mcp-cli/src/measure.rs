//! Times and sizes, as typed and as shown.

use std::time::Duration;

use serde_json::Value;

/// Reads `90s`, `1.5m`, `250ms`, `1h`, or a bare number of seconds.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds_per_unit = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("`{unit}` is no unit of time; write ms, s, m or h")),
    };
    let number: f64 = number.trim().parse().map_err(|_| "write a time such as 30s".to_owned())?;
    let duration = Duration::try_from_secs_f64(number * seconds_per_unit)
        .map_err(|_| "the time is out of range".to_owned())?;
    if duration.is_zero() { Err("the time must be more than 0".to_owned()) } else { Ok(duration) }
}

/// Such as `12 ms`, `0.9 s`, `10.0 s`, `2m 05s`.
pub(crate) fn show_time(duration: Duration) -> String {
    let millis = duration.as_millis();
    match millis {
        0..500 => format!("{millis} ms"),
        500..120_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        _ => format!("{}m {:02}s", millis / 60_000, millis % 60_000 / 1000),
    }
}

/// Such as `66 B`, `1.8 KiB`.
pub(crate) fn show_bytes(bytes: usize) -> String {
    const KIB: usize = 1024;
    const MIB: usize = 1024 * KIB;
    const GIB: usize = 1024 * MIB;
    match bytes {
        0..KIB => format!("{bytes} B"),
        KIB..MIB => format!("{}.{} KiB", bytes / KIB, bytes % KIB * 10 / KIB),
        MIB..GIB => format!("{}.{} MiB", bytes / MIB, bytes % MIB * 10 / MIB),
        _ => format!("{}.{} GiB", bytes / GIB, bytes % GIB / (GIB / 10)),
    }
}

/// A count, such as `1 tool`, `2 tools`.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A number in JSON, whole where it is whole.
#[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
pub(crate) fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 {
        Value::from(value as i64)
    } else {
        Value::from(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_shows() {
        for (text, millis) in
            [("90s", 90_000), ("1.5m", 90_000), ("250ms", 250), ("1h", 3_600_000), ("2", 2000)]
        {
            assert_eq!(parse_time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "-1s", "0", "5 weeks", "inf", "nan"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
        for (millis, text) in
            [(0, "0 ms"), (499, "499 ms"), (900, "0.9 s"), (10_040, "10.0 s"), (125_000, "2m 05s")]
        {
            assert_eq!(show_time(Duration::from_millis(millis)), text);
        }
        for (bytes, text) in
            [(66, "66 B"), (1900, "1.8 KiB"), (3 << 20, "3.0 MiB"), (1 << 30, "1.0 GiB")]
        {
            assert_eq!(show_bytes(bytes), text);
        }
    }
}
