//! Saying that something is wrong with a server, once when it begins and once when it ends.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use serde::Serialize;
use tokio::{
    task::AbortHandle,
    time::{Instant, timeout},
};

use super::{Hub, ServerState, ServerStatus, slot::chain};
use crate::{ConnectFailure, config::glob_matches};

/// How often conditions are looked at that come with time.
const CHECK: Duration = Duration::from_secs(1);

/// A named condition, for all servers or some.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRule {
    /// What to call it.
    pub name: String,
    /// The servers, by name patterns; all when empty. That of a server with replicas means each of
    /// them.
    pub servers: Vec<String>,
    /// When to say it.
    pub condition: AlertCondition,
}

impl AlertRule {
    /// A rule for all servers.
    pub fn new(name: impl Into<String>, condition: AlertCondition) -> Self {
        Self { name: name.into(), servers: Vec::new(), condition }
    }
}

/// What is wrong with a server.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum AlertCondition {
    /// It should be up and has not been for so long, whatever was tried meanwhile.
    Down {
        /// How long.
        after: Duration,
    },
    /// Too large a share of the exchanges of the last minute had no answer.
    FailureRate {
        /// The share, 0 to 1, that is still good.
        above: f64,
        /// Fewer exchanges in the last minute say nothing.
        at_least: usize,
    },
    /// Answers take too long.
    Latency {
        /// Of this share (0 to 1) of the last answers, such as 0.95.
        share: f64,
        /// The time that is still good.
        above: Duration,
    },
    /// Somebody has to log in, or give other credentials.
    NeedsAuth,
    /// Tools are others than were agreed to; see [`Hub::report_drift`].
    Drift,
}

/// Something that has begun or ended to be wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Alert {
    /// The rule's name.
    pub alert: String,
    /// The server's name.
    pub server: String,
    /// Whether it is wrong now; false says that it is well again.
    pub firing: bool,
    /// What is wrong in particular, in words.
    pub detail: String,
}

impl Alert {
    /// An alert from elsewhere, such as that a server's tools are others than were accepted.
    pub fn new(
        alert: impl Into<String>,
        server: impl Into<String>,
        firing: bool,
        detail: impl Into<String>,
    ) -> Self {
        Self { alert: alert.into(), server: server.into(), firing, detail: detail.into() }
    }
}

type Sink = Arc<dyn Fn(&Alert) + Send + Sync>;

/// Alerts that are told for as long as this lives.
pub struct Alerts {
    sink: Sink,
    book: Arc<Mutex<AlertBook>>,
    task: AbortHandle,
}

impl Hub {
    /// Tells when one of the conditions begins and ends to be met. The callback runs on a task of
    /// its own and must not block; [`Webhook::sink`](super::Webhook::sink) is one.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use mcp_client::{AlertCondition, AlertRule, Hub};
    ///
    /// # fn example(hub: &Hub) {
    /// let down = AlertCondition::Down { after: Duration::from_secs(30) };
    /// let alerts = hub.alerts(vec![AlertRule::new("down", down)], |alert| {
    ///     println!("{} {}: {}", alert.server, alert.alert, alert.detail);
    /// });
    /// # }
    /// ```
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn alerts(
        &self,
        rules: Vec<AlertRule>,
        sink: impl Fn(&Alert) + Send + Sync + 'static,
    ) -> Alerts {
        let sink: Sink = Arc::new(sink);
        let book = Arc::new(Mutex::new(AlertBook::new(rules)));
        let watching = watch(Arc::downgrade(&self.0), Arc::clone(&book), Arc::clone(&sink));
        #[expect(clippy::disallowed_methods, reason = "aborted with the handle")]
        let task = tokio::spawn(watching).abort_handle();
        Alerts { sink, book, task }
    }
}

impl Alerts {
    /// What is wrong now.
    pub fn firing(&self) -> Vec<Alert> {
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.firing.values().cloned().collect()
    }

    /// Tells an alert that comes from elsewhere.
    pub fn tell(&self, alert: &Alert) {
        (self.sink)(alert);
    }
}

impl Drop for Alerts {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Alerts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alerts").field("firing", &self.firing()).finish_non_exhaustive()
    }
}

/// Looks at the servers for as long as there is a hub.
async fn watch(hub: Weak<super::Shared>, book: Arc<Mutex<AlertBook>>, sink: Sink) {
    let Some(first) = hub.upgrade() else { return };
    let mut changes = first.board.changes.subscribe();
    drop(first);
    loop {
        changes.mark_unchanged();
        let Some(shared) = hub.upgrade() else { return };
        let servers = Hub(shared).status();
        let told = {
            let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
            book.look(Instant::now(), &servers)
        };
        drop(servers);
        for alert in &told {
            sink(alert);
        }
        // A second without a change is as good as one.
        if let Ok(Err(_)) = timeout(CHECK, changes.changed()).await {
            return;
        }
    }
}

/// Which conditions are met. A value: it takes the time, and does nothing by itself.
#[derive(Debug)]
struct AlertBook {
    rules: Vec<AlertRule>,
    /// Since when servers are not up that should be.
    down_since: BTreeMap<String, Instant>,
    /// By rule and server.
    firing: BTreeMap<(usize, String), Alert>,
}

impl AlertBook {
    fn new(rules: Vec<AlertRule>) -> Self {
        Self { rules, down_since: BTreeMap::new(), firing: BTreeMap::new() }
    }

    /// What begins and ends.
    fn look(&mut self, now: Instant, servers: &[ServerStatus]) -> Vec<Alert> {
        let servers: Vec<_> = servers
            .iter()
            .flat_map(|server| server.each().map(|replica| (&server.name, replica)))
            .collect();
        let is_known = |name: &str| servers.iter().any(|(_, server)| server.name == name);
        self.down_since.retain(|name, _| is_known(name));
        let mut told = Vec::new();
        // A server that is gone is wrong no more.
        self.firing.retain(|(_, server), alert| {
            if !is_known(server) {
                told.push(Alert { firing: false, ..alert.clone() });
            }
            is_known(server)
        });
        for (known_as, server) in &servers {
            match server.state {
                // A start that follows a failure is a part of being down.
                ServerState::Starting | ServerState::Down(_) | ServerState::NeedsAuth(_) => {
                    self.down_since.entry(server.name.clone()).or_insert(now);
                }
                _ => drop(self.down_since.remove(&server.name)),
            }
            for (index, rule) in self.rules.iter().enumerate() {
                let named = |pattern: &String| {
                    glob_matches(pattern, &server.name) || glob_matches(pattern, known_as)
                };
                if !rule.servers.is_empty() && !rule.servers.iter().any(named) {
                    continue;
                }
                let since = self.down_since.get(&server.name);
                let detail = rule.condition.met(now, server, since);
                let key = (index, server.name.clone());
                match (detail, self.firing.contains_key(&key)) {
                    (Some(detail), false) => {
                        let alert = Alert::new(&rule.name, &server.name, true, detail);
                        told.push(alert.clone());
                        self.firing.insert(key, alert);
                    }
                    (None, true) => {
                        if let Some(alert) = self.firing.remove(&key) {
                            told.push(Alert { firing: false, ..alert });
                        }
                    }
                    _ => {}
                }
            }
        }
        told
    }
}

impl AlertCondition {
    /// What is wrong, if it is.
    fn met(&self, now: Instant, server: &ServerStatus, since: Option<&Instant>) -> Option<String> {
        let health = &server.health;
        match *self {
            Self::Down { after } => {
                let down = now.duration_since(*since?);
                let why = match &server.state {
                    ServerState::Down(failure) | ServerState::NeedsAuth(failure) => told(failure),
                    _ => "it is still starting".to_owned(),
                };
                (down >= after).then(|| format!("down for {} s: {why}", down.as_secs()))
            }
            Self::FailureRate { above, at_least } => {
                let rate = health.failure_rate(now);
                let met = rate > above && health.calls_per_minute(now) >= at_least;
                met.then(|| format!("{:.1} % of the last minute's calls failed", rate * 100.0))
            }
            Self::Latency { share, above } => {
                let latency = health.latency(share).filter(|latency| *latency > above)?;
                // Old answers say nothing of how it is now.
                let met = health.calls_per_minute(now) > 0;
                met.then(|| format!("p{:.0} is {} ms", share * 100.0, latency.as_millis()))
            }
            Self::NeedsAuth => match &server.state {
                ServerState::NeedsAuth(failure) => Some(told(failure)),
                _ => None,
            },
            Self::Drift => {
                let tools = server.drift.join(", ");
                (!tools.is_empty()).then(|| format!("not as agreed to: {tools}"))
            }
        }
    }
}

/// What went wrong. Of a command only the program is named: arguments may be secrets, and not
/// everybody who hears of alerts may see the configuration.
fn told(failure: &ConnectFailure) -> String {
    let (text, endpoint) = (chain(failure), failure.endpoint());
    match program(endpoint) {
        program if program.len() < endpoint.len() => text.replace(endpoint, program),
        _ => text,
    }
}

/// The first word of a command line; addresses have one.
fn program(endpoint: &str) -> &str {
    let end = match endpoint.strip_prefix('\'') {
        // A quote in quotes is written as `'\''`, which ends them and begins them again.
        Some(quoted) => quoted.find("' ").map(|end| end + 2),
        None => endpoint.find(' '),
    };
    end.map_or(endpoint, |end| &endpoint[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Health;

    fn server(state: ServerState, health: Health) -> ServerStatus {
        ServerStatus {
            name: "one".to_owned(),
            endpoint: String::new(),
            origin: None,
            state,
            took: Duration::ZERO,
            retry_at: None,
            failures: 0,
            restarts: 0,
            health,
            replicas: Vec::new(),
            drift: Vec::new(),
        }
    }

    fn down() -> ServerState {
        ServerState::Down(Arc::new(ConnectFailure::Lost {
            endpoint: "prog".into(),
            stderr: Vec::new(),
        }))
    }

    #[test]
    fn of_a_command_the_program_is_named() {
        for (endpoint, shown) in [
            ("npx -y server --pin 4711", "npx"),
            ("'/opt/my servers/one' --pin 4711", "'/opt/my servers/one'"),
            (r"'/opt/it'\''s here/one' --pin 4711", r"'/opt/it'\''s here/one'"),
            ("prog", "prog"),
            ("https://h/mcp", "https://h/mcp"),
        ] {
            let failure = ConnectFailure::Lost { endpoint: endpoint.into(), stderr: Vec::new() };
            assert_eq!(told(&failure), format!("the connection to {shown} ended"));
        }
    }

    fn book(condition: AlertCondition) -> AlertBook {
        AlertBook::new(vec![AlertRule::new("rule", condition)])
    }

    #[tokio::test(start_paused = true)]
    async fn down_is_told_once_and_its_end_once() {
        let second = Duration::from_secs(1);
        let mut book = book(AlertCondition::Down { after: 30 * second });
        let start = Instant::now();
        let mut look = |after: u32, state: ServerState| {
            book.look(start + after * second, &[server(state, Health::default())])
                .into_iter()
                .map(|alert| (alert.firing, alert.detail))
                .collect::<Vec<_>>()
        };
        assert_eq!(look(0, down()), []);
        // Tries to start it do not make it up.
        assert_eq!(look(20, ServerState::Starting), []);
        let detail = "down for 30 s: the connection to prog ended".to_owned();
        assert_eq!(look(30, down()), [(true, detail.clone())]);
        assert_eq!(look(31, down()), []);
        assert_eq!(look(40, ServerState::Disabled), [(false, detail)]);
        assert_eq!(look(41, down()), []);
        assert_eq!(look(50, ServerState::Disabled), []);
    }

    #[tokio::test(start_paused = true)]
    async fn rates_and_latencies_need_calls() {
        let now = Instant::now();
        let mut bad = Health::default();
        for _ in 0..5 {
            bad.answered(now, Duration::from_millis(900));
            bad.failed(now, "gone");
        }
        let rate = AlertCondition::FailureRate { above: 0.4, at_least: 10 };
        let slow = AlertCondition::Latency { share: 0.95, above: Duration::from_millis(500) };
        for (condition, detail) in
            [(rate, "50.0 % of the last minute's calls failed"), (slow, "p95 is 900 ms")]
        {
            let mut book = book(condition);
            let servers = [server(ServerState::Stopped, bad.clone())];
            assert_eq!(book.look(now, &servers)[0].detail, detail);
            let later = now + Duration::from_secs(61);
            assert!(!book.look(later, &servers)[0].firing);
            let quiet = [server(ServerState::Stopped, Health::default())];
            assert_eq!(book.look(now, &quiet), []);
        }
    }

    #[tokio::test]
    async fn drift_is_told_while_it_lasts() {
        let mut book = book(AlertCondition::Drift);
        let mut one = server(ServerState::Stopped, Health::default());
        one.drift = vec!["read".to_owned(), "write".to_owned()];
        let now = Instant::now();
        let told = book.look(now, std::slice::from_ref(&one));
        assert_eq!(told[0].detail, "not as agreed to: read, write");
        assert_eq!(book.look(now, std::slice::from_ref(&one)), []);
        one.drift.clear();
        assert!(!book.look(now, &[one])[0].firing);
    }

    #[tokio::test]
    async fn rules_are_for_the_servers_they_name_and_end_with_them() {
        let mut book = book(AlertCondition::Down { after: Duration::ZERO });
        book.rules[0].servers = vec!["t*".to_owned()];
        let now = Instant::now();
        let mut two = server(down(), Health::default());
        two.name = "two".to_owned();
        let told = book.look(now, &[server(down(), Health::default()), two]);
        assert_eq!(told.iter().map(|alert| alert.server.as_str()).collect::<Vec<_>>(), ["two"]);
        let told = book.look(now, &[]);
        assert_eq!((told.len(), told[0].firing), (1, false));
        assert_eq!(
            serde_json::to_value(&told[0]).unwrap()["detail"],
            "down for 0 s: the connection to prog ended"
        );
    }
}
