//! The layers that calls go through, as the command line sets them.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    args::{CallLayers, LayerOptions, Named},
    connect::Chosen,
    error_report::{Report, Result},
    exit_code::ErrorCode,
};
use mcp_agent::{
    layers::{
        AuditLog, BreakerPolicy, CacheRules, ConcurrencyLimits, Rate, RateRules, RetryRules, Trust,
        WhenFull,
    },
    stack::{ServerLimits, StackOptions},
};

/// How many calls run at a time where nobody says another number.
const CALLS_AT_ONCE: usize = 10;

impl CallLayers {
    /// The layers around one call. `servers` are those that may be called.
    ///
    /// It has no breaker, and no limit of its time beyond that of silence.
    pub(crate) fn options(&self, servers: &[&str], trusted: Vec<String>) -> Result<StackOptions> {
        let mut options = StackOptions::default().breaker(None).deadline(None);
        options.retry =
            (self.retries > 0).then(|| RetryRules::default().max_attempts(self.retries + 1));
        options.trust = self.trust(servers, trusted)?;
        if let Some(file) = &self.audit {
            options.audit = Some(AuditLog::open(file).map_err(|error| {
                let what = format!("cannot record calls in {}", file.display());
                Report::new(ErrorCode::Usage, what).cause(error.to_string())
            })?);
        }
        Ok(options)
    }

    fn trust(&self, servers: &[&str], trusted: Vec<String>) -> Result<Trust> {
        if self.believe.iter().any(|name| name == "*") {
            return Ok(Trust::Everybody);
        }
        for name in &self.believe {
            if !servers.contains(&name.as_str()) {
                return Err(not_used(name, "--believe", servers).into());
            }
        }
        Ok(Trust::Servers(trusted.into_iter().chain(self.believe.iter().cloned()).collect()))
    }
}

impl LayerOptions {
    /// The layers around the calls of these servers.
    pub(crate) fn options(&self, chosen: &Chosen) -> Result<StackOptions> {
        let servers = chosen.servers.as_slice();
        let names: Vec<_> = servers.iter().map(|server| server.name.as_str()).collect();
        let trusted = servers.iter().filter(|server| server.tools.trusted);
        let trusted = trusted.map(|server| server.name.clone()).collect();
        let defaults = StackOptions::default();
        let mut options = self.call.options(&names, trusted)?;
        options.deadline = defaults.deadline;
        options.breaker = (self.breaker_failures > 0).then(|| {
            BreakerPolicy::default()
                .failure_threshold(self.breaker_failures)
                .recovery_timeout(self.breaker_pause)
        });
        let said = self.max_calls_at_once.and_then(|calls| usize::try_from(calls).ok());
        let calls = said.or(chosen.max_concurrent_calls).unwrap_or(CALLS_AT_ONCE);
        // One server that hangs leaves some places to the others.
        let each = calls - calls / 5;
        options.concurrency = ConcurrencyLimits::default().global(calls).per_server(each);
        options.cache = cache(&self.cache_ttl, &names)?;
        let (all, some) = rates(&self.rates, &names)?;
        let when_full = match self.rate_wait {
            None => WhenFull::Wait,
            Some(time) if time.is_zero() => WhenFull::Refuse,
            Some(time) => WhenFull::WaitAtMost(time),
        };
        options.rate = all.map(|rules| rules.when_full(when_full));
        let mut limits: BTreeMap<&str, ServerLimits> = BTreeMap::new();
        for server in servers {
            let mut own = ServerLimits::default();
            let mut has_own = false;
            if let Some(rules) = some.get(&server.name) {
                own = own.rate(rules.clone().when_full(when_full));
                has_own = true;
            }
            if let Some(calls) = server.max_concurrent_calls {
                own = own.concurrency(calls);
                has_own = true;
            }
            if has_own {
                limits.insert(&server.name, own);
            }
        }
        for (server, own) in limits {
            options = options.server(server, own);
        }
        Ok(options)
    }
}

fn cache(times: &[Named<Duration>], servers: &[&str]) -> Result<Option<CacheRules>> {
    if times.is_empty() {
        return Ok(None);
    }
    let for_all = times.iter().rev().find(|time| time.name.is_none());
    let mut rules = CacheRules::new(for_all.map_or(Duration::ZERO, |time| time.value));
    for Named { name, value } in times {
        let Some(name) = name else { continue };
        if tool_of(name, servers).is_none() {
            return Err(not_used(name, "--cache-ttl", servers).into());
        }
        rules = rules.tool(name, *value);
    }
    Ok(Some(rules))
}

/// The rules of all servers, and of those that have their own.
fn rates(
    rates: &[Named<Rate>],
    servers: &[&str],
) -> Result<(Option<RateRules>, BTreeMap<String, RateRules>)> {
    let for_all = rates.iter().rev().find(|rate| rate.name.is_none());
    let for_all = for_all.map(|rate| RateRules::server(rate.value));
    let mut some: BTreeMap<String, RateRules> = BTreeMap::new();
    let own = || for_all.clone().unwrap_or_default();
    for Named { name, value } in rates {
        let Some(name) = name else { continue };
        if servers.contains(&name.as_str()) {
            some.entry(name.clone()).or_insert_with(own).server = Some(*value);
        } else if let Some((server, tool)) = tool_of(name, servers) {
            some.entry(server.to_owned()).or_insert_with(own).tools.insert(tool.to_owned(), *value);
        } else {
            return Err(not_used(name, "--rate", servers).into());
        }
    }
    Ok((for_all, some))
}

/// Names of servers may contain dots as well.
fn tool_of<'a>(name: &'a str, servers: &[&'a str]) -> Option<(&'a str, &'a str)> {
    let parts = servers.iter().filter_map(|server| {
        let tool = name.strip_prefix(server)?.strip_prefix('.')?;
        Some((*server, tool))
    });
    parts.filter(|(_, tool)| !tool.is_empty()).max_by_key(|(server, _)| server.len())
}

fn not_used(name: &str, option: &str, servers: &[&str]) -> Report {
    Report::new(ErrorCode::Usage, format!("{option} names `{name}`, which is not used here"))
        .help(format!("used: {}", servers.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named<T>(name: &str, value: T) -> Named<T> {
        let name = (!name.is_empty()).then(|| name.to_owned());
        Named { name, value }
    }

    #[test]
    fn the_configuration_bounds_calls_unless_the_command_line_does() {
        use clap::Parser as _;
        use mcp_client::config::{ServerConfig, TransportConfig};

        let parse = |words: &[&str]| {
            let words = ["mcp", "chat"].iter().chain(words);
            let cli = crate::args::Cli::try_parse_from(words).unwrap();
            let crate::args::Command::Chat(chat) = cli.command else { panic!("no chat") };
            chat.layers
        };
        let http = TransportConfig::Http { url: "http://h".into(), headers: [].into() };
        let mut one = ServerConfig::new("one", http);
        one.max_concurrent_calls = Some(2);
        let mut chosen = Chosen { servers: vec![one], ..Chosen::default() };
        for (words, said, want) in
            [(&[][..], None, 10), (&[], Some(5), 5), (&["--max-calls-at-once", "7"], Some(5), 7)]
        {
            chosen.max_concurrent_calls = said;
            let options = parse(words).options(&chosen).unwrap();
            assert_eq!(options.concurrency.global, want);
            assert_eq!(options.servers["one"].concurrency, Some(2));
        }
    }

    #[test]
    fn rates_are_for_all_for_a_server_or_for_a_tool() {
        let servers = ["db", "mcp.example.com"];
        let rate = |calls| Rate::new(calls, Duration::from_secs(1));
        let (all, some) = rates(
            &[
                named("db.query", rate(1)),
                named("", rate(9)),
                named("mcp.example.com", rate(3)),
                named("mcp.example.com.a.b", rate(2)),
            ],
            &servers,
        )
        .unwrap();
        assert_eq!(all, Some(RateRules::server(rate(9))));
        assert_eq!(some["db"], RateRules::server(rate(9)).tool("query", rate(1)));
        assert_eq!(some["mcp.example.com"], RateRules::server(rate(3)).tool("a.b", rate(2)));
        rates(&[named("web", rate(1))], &servers).unwrap_err();
        rates(&[named("db.", rate(1))], &servers).unwrap_err();
    }

    #[test]
    fn results_are_kept_for_all_or_for_a_tool() {
        let minute = Duration::from_secs(60);
        assert_eq!(cache(&[], &["db"]).unwrap(), None);
        let rules = cache(&[named("db.schema", 9 * minute), named("", minute)], &["db"]).unwrap();
        assert_eq!(rules, Some(CacheRules::new(minute).tool("db.schema", 9 * minute)));
        cache(&[named("db", minute)], &["db"]).unwrap_err();
    }
}
