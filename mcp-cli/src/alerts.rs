//! Alerts of `mcp serve`: which there are, and where they go.

use std::{collections::BTreeMap, env, fmt, time::Duration};

use mcp_client::{AlertCondition, AlertRule, Alerts, Hub, Secret, Webhook};
use serde::Deserialize;

use crate::{
    error_report::{Report, Result},
    exit_code::ErrorCode,
};

/// An alert as it is written down. Times are seconds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlertEntry {
    name: String,
    #[serde(default)]
    servers: Vec<String>,
    when: When,
    /// For `down`.
    after: Option<f64>,
    /// For `failures`, a share of 0 to 1; for `latency`, a time.
    above: Option<f64>,
    /// For `failures`.
    at_least: Option<usize>,
    /// For `latency`.
    share: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum When {
    Down,
    Failures,
    Latency,
    NeedsAuth,
    Drift,
}

/// Where alerts go.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookEntry {
    url: String,
    /// Headers, by the variables of the environment that hold their values.
    #[serde(default)]
    headers_env: BTreeMap<String, String>,
}

/// Tells of what is wrong as long as it lives.
pub(crate) struct Alerting {
    _alerts: Alerts,
    _webhook: Webhook,
}

impl fmt::Debug for Alerting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alerting").finish_non_exhaustive()
    }
}

/// The rules that are written down.
pub(crate) fn rules(
    entries: &[AlertEntry],
    webhook: Option<&WebhookEntry>,
) -> Result<Vec<AlertRule>> {
    if !entries.is_empty() && webhook.is_none() {
        let text = "there are alerts, and no [webhook] that they go to";
        return Err(Report::new(ErrorCode::Config, text).into());
    }
    entries.iter().map(AlertEntry::rule).collect()
}

/// Begins to tell.
pub(crate) fn begin(
    entries: &[AlertEntry],
    webhook: Option<&WebhookEntry>,
    hub: &Hub,
) -> Result<Option<Alerting>> {
    let rules = rules(entries, webhook)?;
    let Some(entry) = webhook else { return Ok(None) };
    let mut headers = Vec::new();
    for (name, variable) in &entry.headers_env {
        let value = env::var(variable).map_err(|_| {
            let text = format!("the variable `{variable}`, which [webhook] names, is not set");
            Report::new(ErrorCode::Config, text)
        })?;
        headers.push((name.clone(), Secret::new(value)));
    }
    let webhook = Webhook::new(&entry.url, headers).map_err(|error| {
        Report::new(ErrorCode::Config, "the [webhook] cannot be used").cause(error.to_string())
    })?;
    let alerts = hub.alerts(rules, webhook.sink());
    Ok(Some(Alerting { _alerts: alerts, _webhook: webhook }))
}

impl AlertEntry {
    fn rule(&self) -> Result<AlertRule> {
        let Self { name, when, after, above, at_least, share, .. } = self;
        let condition = match (when, after, above, at_least, share) {
            (When::Down, Some(after), None, None, None) => {
                seconds(*after).map(|after| AlertCondition::Down { after })
            }
            (When::Failures, None, Some(above), at_least, None) => {
                let at_least = at_least.unwrap_or(20);
                is_share(*above).then_some(AlertCondition::FailureRate { above: *above, at_least })
            }
            (When::Latency, None, Some(above), None, share) => {
                let share = share.unwrap_or(0.95);
                let above = seconds(*above).filter(|_| is_share(share));
                above.map(|above| AlertCondition::Latency { share, above })
            }
            (When::NeedsAuth, None, None, None, None) => Some(AlertCondition::NeedsAuth),
            (When::Drift, None, None, None, None) => Some(AlertCondition::Drift),
            _ => None,
        };
        let Some(condition) = condition else {
            let text = format!("the alert `{name}` cannot be understood");
            let help = "down: after; failures: above (a share) and perhaps at_least; latency: \
                        above (seconds) and perhaps share; needs-auth and drift: nothing more";
            return Err(Report::new(ErrorCode::Config, text).help(help).into());
        };
        let mut rule = AlertRule::new(name, condition);
        rule.servers.clone_from(&self.servers);
        Ok(rule)
    }
}

fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

fn is_share(share: f64) -> bool {
    (0.0..=1.0).contains(&share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_takes_what_is_its_own() {
        for (text, good) in [
            ("when = 'down'\nafter = 60", true),
            ("when = 'down'", false),
            ("when = 'down'\nafter = -1", false),
            ("when = 'failures'\nabove = 0.2", true),
            ("when = 'failures'\nabove = 20", false),
            ("when = 'latency'\nabove = 1.5\nshare = 0.9", true),
            ("when = 'needs-auth'\nservers = ['prod-*']", true),
            ("when = 'drift'\nafter = 1", false),
        ] {
            let entry: AlertEntry =
                toml_edit::de::from_str(&format!("name = 'x'\n{text}")).unwrap();
            assert_eq!(entry.rule().is_ok(), good, "{text}");
        }
    }
}
