//! The current time, anywhere.

use jiff::{
    Timestamp, Zoned,
    tz::{self, Offset, TimeZone},
};

/// A moment, in words that need no further thought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Now {
    /// As RFC 3339 has it.
    pub(super) time: String,
    /// The name of the zone, or its offset.
    pub(super) zone: String,
    /// In English.
    pub(super) weekday: String,
}

/// The current time in a zone; in this computer's zone when none is named.
pub(super) fn now(zone: Option<&str>) -> Result<Now, String> {
    at(Timestamp::now(), zone)
}

fn at(moment: Timestamp, zone: Option<&str>) -> Result<Now, String> {
    let (name, zone) = if let Some(text) = zone {
        find(text.trim())?
    } else {
        let zone = TimeZone::system();
        (zone.iana_name().map(str::to_owned), zone)
    };
    let zoned: Zoned = moment.to_zoned(zone);
    Ok(Now {
        time: zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        zone: name.unwrap_or_else(|| zoned.strftime("UTC%:z").to_string()),
        weekday: zoned.strftime("%A").to_string(),
    })
}

/// A zone by its IANA name in any case, by its city alone, or by its offset.
fn find(text: &str) -> Result<(Option<String>, TimeZone), String> {
    if let Some(offset) = offset(text) {
        return Ok((None, TimeZone::fixed(offset)));
    }
    let named = |name: &str| {
        TimeZone::get(name).ok().map(|zone| (zone.iana_name().map(str::to_owned), zone))
    };
    if let Some(found) = named(&text.replace(' ', "_")) {
        return Ok(found);
    }
    let city = text.replace(' ', "_").to_lowercase();
    let mut same = tz::db().available().filter(|name| {
        let name = name.as_str().to_lowercase();
        name.rsplit('/').next() == Some(city.as_str()) && name.contains('/')
    });
    same.next().and_then(|name| named(name.as_str())).ok_or_else(|| {
        format!("there is no time zone `{text}`; write one such as Europe/Rome or +02:00")
    })
}

/// `Z`, `UTC`, `+2`, `+02:00`, `-0330`, `UTC+9`.
fn offset(text: &str) -> Option<Offset> {
    let upper = text.to_ascii_uppercase();
    let rest = upper.strip_prefix("UTC").or_else(|| upper.strip_prefix("GMT")).unwrap_or(&upper);
    let rest = rest.trim();
    if rest.is_empty() || rest == "Z" {
        return (!upper.is_empty()).then_some(Offset::UTC);
    }
    let (sign, digits) = match rest.as_bytes().first()? {
        b'+' => (1, &rest[1..]),
        b'-' => (-1, &rest[1..]),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let number = |text: &str| {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i32>().ok().filter(|_| plain && text.len() <= 2)
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    if hours > 14 || minutes > 59 {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_time_anywhere() {
        let moment = Timestamp::from_second(1_785_000_000).unwrap();
        for (zone, time, name) in [
            ("UTC", "2026-07-25T17:20:00+00:00", "UTC+00:00"),
            ("Asia/Tokyo", "2026-07-26T02:20:00+09:00", "Asia/Tokyo"),
            ("asia/tokyo", "2026-07-26T02:20:00+09:00", "Asia/Tokyo"),
            ("tokyo", "2026-07-26T02:20:00+09:00", "Asia/Tokyo"),
            ("New York", "2026-07-25T13:20:00-04:00", "America/New_York"),
            ("+05:30", "2026-07-25T22:50:00+05:30", "UTC+05:30"),
            ("UTC-3", "2026-07-25T14:20:00-03:00", "UTC-03:00"),
            ("-0330", "2026-07-25T13:50:00-03:30", "UTC-03:30"),
        ] {
            let now = at(moment, Some(zone)).unwrap();
            assert_eq!((now.time.as_str(), now.zone.as_str()), (time, name), "{zone}");
        }
        assert_eq!(at(moment, Some("UTC")).unwrap().weekday, "Saturday");
        assert!(at(moment, None).is_ok());
        for zone in ["Atlantis", "+99:00", "+2x", "/", "+é1:00"] {
            let error = at(moment, Some(zone)).unwrap_err();
            assert!(error.contains("there is no time zone"), "{error}");
        }
    }
}
