//! How long operations took and how they ended, as OpenTelemetry's conventions for MCP count them.

use std::{
    fmt::{self, Write},
    time::Duration,
};

/// The upper bounds of the classes, in milliseconds: those that the conventions advise.
const BOUNDS_MS: [u64; 14] =
    [10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000];

/// How long operations took, those that failed apart by why: a histogram for each `error.type` of
/// OpenTelemetry's conventions for MCP, with the bounds that those advise.
///
/// ```
/// use std::time::Duration;
///
/// let mut durations = mcp_client::Durations::default();
/// durations.add(Duration::from_millis(30), None);
/// durations.add(Duration::from_secs(2), Some("tool_error"));
/// let mut text = String::new();
/// durations.write_prometheus(&mut text, "took_seconds", r#"method="ping""#)?;
/// assert!(text.contains(r#"took_seconds_count{method="ping"} 1"#));
/// assert!(text.contains(r#"took_seconds_sum{method="ping",error_type="tool_error"} 2"#));
/// # Ok::<(), std::fmt::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    good: Histogram,
    /// By why they failed, of which there are a few words.
    failed: Vec<(&'static str, Histogram)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Histogram {
    classes: [u64; BOUNDS_MS.len() + 1],
    total: Duration,
}

impl Histogram {
    fn add(&mut self, took: Duration) {
        let class = BOUNDS_MS.iter().position(|bound| took <= Duration::from_millis(*bound));
        self.classes[class.unwrap_or(BOUNDS_MS.len())] += 1;
        self.total = self.total.saturating_add(took);
    }

    fn join(&mut self, other: &Self) {
        for (class, more) in self.classes.iter_mut().zip(other.classes) {
            *class += more;
        }
        self.total = self.total.saturating_add(other.total);
    }

    fn count(&self) -> u64 {
        self.classes.iter().sum()
    }
}

impl Durations {
    /// Counts an operation that is over, with the word for why it failed if it did.
    pub fn add(&mut self, took: Duration, error: Option<&'static str>) {
        self.of(error).add(took);
    }

    /// Counts what another one has counted, too.
    pub fn join(&mut self, other: &Self) {
        self.good.join(&other.good);
        for (error, histogram) in &other.failed {
            self.of(Some(error)).join(histogram);
        }
    }

    /// How many operations are counted.
    pub fn count(&self) -> u64 {
        self.good.count() + self.failed.iter().map(|(_, failed)| failed.count()).sum::<u64>()
    }

    fn of(&mut self, error: Option<&'static str>) -> &mut Histogram {
        let Some(error) = error else { return &mut self.good };
        let known = self.failed.iter().position(|(known, _)| *known == error);
        let at = known.unwrap_or_else(|| {
            self.failed.push((error, Histogram::default()));
            self.failed.len() - 1
        });
        &mut self.failed[at].1
    }

    /// Writes the samples of a histogram in the text format of Prometheus (version 0.0.4), for
    /// each error by itself. The labels are as they stand between the braces, without a comma at
    /// the end. What was never counted is not written.
    ///
    /// # Errors
    /// The text cannot be written to.
    pub fn write_prometheus(&self, out: &mut impl Write, name: &str, labels: &str) -> fmt::Result {
        let good = std::iter::once((None, &self.good));
        let failed = self.failed.iter().map(|(error, histogram)| (Some(*error), histogram));
        for (error, histogram) in good.chain(failed).filter(|(_, one)| one.count() > 0) {
            let comma = if labels.is_empty() { "" } else { "," };
            let labels = match error {
                Some(error) => format!("{labels}{comma}error_type=\"{error}\""),
                None => labels.to_owned(),
            };
            let comma = if labels.is_empty() { "" } else { "," };
            let mut count = 0;
            for (bound, class) in BOUNDS_MS.iter().zip(histogram.classes) {
                count += class;
                let bound = Duration::from_millis(*bound).as_secs_f64();
                writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}")?;
            }
            let (all, total) = (histogram.count(), histogram.total.as_secs_f64());
            writeln!(out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {all}")?;
            let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
            writeln!(out, "{name}_sum{labels} {total}")?;
            writeln!(out, "{name}_count{labels} {all}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_histogram() {
        let mut one = Durations::default();
        one.add(Duration::from_millis(10), None);
        one.add(Duration::from_millis(11), None);
        one.add(Duration::from_secs(301), Some("lost"));
        let mut all = Durations::default();
        all.add(Duration::from_secs(1), Some("lost"));
        all.join(&one);
        assert_eq!(all.count(), 4);
        let mut text = String::new();
        all.write_prometheus(&mut text, "t", "a=\"b\"").unwrap();
        for line in [
            "t_bucket{a=\"b\",le=\"0.01\"} 1",
            "t_bucket{a=\"b\",le=\"0.02\"} 2",
            "t_bucket{a=\"b\",le=\"+Inf\"} 2",
            "t_sum{a=\"b\"} 0.021",
            "t_bucket{a=\"b\",error_type=\"lost\",le=\"300\"} 1",
            "t_bucket{a=\"b\",error_type=\"lost\",le=\"+Inf\"} 2",
            "t_count{a=\"b\",error_type=\"lost\"} 2",
        ] {
            assert!(text.lines().any(|written| written == line), "{line}\n{text}");
        }
        text.clear();
        Durations::default().write_prometheus(&mut text, "t", "").unwrap();
        assert_eq!(text, "");
    }
}
