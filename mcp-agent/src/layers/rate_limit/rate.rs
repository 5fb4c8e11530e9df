//! So many calls in so much time.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

use governor::Quota;

/// So many calls in so much time, and how many may come at once.
///
/// ```
/// use std::time::Duration;
///
/// use mcp_agent::layers::Rate;
///
/// let rate: Rate = "60/min:10".parse()?;
/// assert_eq!(rate, Rate::new(60, Duration::from_secs(60)).burst(10));
/// # Ok::<(), mcp_agent::layers::InvalidRate>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    calls: NonZeroU32,
    per: Duration,
    burst: NonZeroU32,
}

/// A text is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no rate: write such as 5/s, 60/min or 1000/h, and :10 behind it for a burst")]
pub struct InvalidRate(String);

impl Rate {
    /// So many calls, at least one, in so much time. All of them may come at once.
    pub fn new(calls: u32, per: Duration) -> Self {
        let calls = NonZeroU32::new(calls).unwrap_or(NonZeroU32::MIN);
        Self { calls, per: per.max(Duration::from_millis(1)), burst: calls }
    }

    /// So many calls a minute.
    pub fn per_minute(calls: u32) -> Self {
        Self::new(calls, Duration::from_secs(60))
    }

    /// How many calls, at least one, may come at once.
    #[must_use]
    pub fn burst(mut self, calls: u32) -> Self {
        self.burst = NonZeroU32::new(calls).unwrap_or(NonZeroU32::MIN);
        self
    }

    /// The time in which one more call may begin.
    pub fn interval(self) -> Duration {
        (self.per / self.calls.get()).max(Duration::from_nanos(1))
    }

    /// How many calls may come at once.
    pub fn burst_size(self) -> u32 {
        self.burst.get()
    }

    pub(super) fn quota(self) -> Quota {
        // Only a period of nothing is refused.
        let quota = Quota::with_period(self.interval());
        quota.unwrap_or_else(|| Quota::per_second(self.calls)).allow_burst(self.burst)
    }
}

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        let invalid = || InvalidRate(text.to_owned());
        let (rate, burst) = match text.split_once(':') {
            Some((rate, burst)) => (rate, Some(burst)),
            None => (text, None),
        };
        let (calls, unit) = rate.split_once('/').ok_or_else(invalid)?;
        let number = |text: &str| {
            text.trim().parse().ok().filter(|calls: &u32| *calls > 0).ok_or_else(invalid)
        };
        let seconds = match unit.trim() {
            "s" | "sec" | "second" => 1,
            "m" | "min" | "minute" => 60,
            "h" | "hour" => 3600,
            _ => return Err(invalid()),
        };
        let rate = Self::new(number(calls)?, Duration::from_secs(seconds));
        Ok(match burst {
            Some(burst) => rate.burst(number(burst)?),
            None => rate,
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.per.as_secs() {
            1 => write!(f, "{}/s", self.calls)?,
            60 => write!(f, "{}/min", self.calls)?,
            3600 => write!(f, "{}/h", self.calls)?,
            _ => write!(f, "{}/{:?}", self.calls, self.per)?,
        }
        if self.burst == self.calls { Ok(()) } else { write!(f, ":{}", self.burst) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for text in ["5/s", "60/min", "60/min:10", "1000/h:1"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        for text in ["", "5", "0/s", "5/day", "5/s:0", "-1/s", "5/s:", "x/min"] {
            assert_eq!(text.parse::<Rate>(), Err(InvalidRate(text.to_owned())));
        }
    }
}
