//! Which of several servers that do the same gets the next call. A value: it takes the time and
//! chance, and does nothing by itself.

use std::time::Duration;

use tokio::time::Instant;

/// How to choose among replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Balance {
    /// One after the other.
    RoundRobin,
    /// Any.
    Random,
    /// The one with the fewest calls under way.
    LeastInFlight,
    /// Of two at random, the one that takes less time for what it has to do.
    #[default]
    PowerOfTwo,
}

/// Which calls stay with one replica. Calls belong together when they come with the same key, such
/// as those of one conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Affinity {
    /// Those that belong together, where the server speaks the legacy lifecycle: it may keep a
    /// state with its session. In the modern lifecycle every call stands for itself.
    #[default]
    Sessions,
    /// Those that belong together.
    Always,
    /// None.
    Never,
}

/// How calls are spread over replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReplicaRules {
    /// How to choose.
    pub balance: Balance,
    /// Which calls stay together.
    pub affinity: Affinity,
    /// When one is left out.
    pub ejection: Ejection,
}

/// When a replica gets no calls for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ejection {
    /// After so many failures in a row; never when 0.
    pub failures: u32,
    /// For how long the first time; each further time in a row as much longer.
    pub time: Duration,
    /// The share of the replicas (0 to 1) that may be ejected at the same time. The last one that
    /// is left never is.
    pub share: f64,
    /// How long a replica that comes back gets fewer calls than the others.
    pub slow_start: Duration,
}

impl Default for Ejection {
    /// After 5 failures in a row, for 30 s, half of them at most, with 30 s of slow start.
    fn default() -> Self {
        Self {
            failures: 5,
            time: Duration::from_secs(30),
            share: 0.5,
            slow_start: Duration::from_secs(30),
        }
    }
}

/// The weight of the newest latency in the average.
const NEWEST: f64 = 0.3;
/// After so long without an answer, an average counts for about a third: whoever was slow once is
/// tried again.
const MEMORY: Duration = Duration::from_secs(10);
/// No replica gets less than this part of what it would get, so that it can show itself.
const LEAST: f64 = 0.1;

/// What is known of one replica.
#[derive(Clone, Copy, Debug, Default)]
struct Replica {
    in_flight: u32,
    /// The average latency in seconds, newer answers counting more, and when the last one came.
    latency: Option<(f64, Instant)>,
    /// Failures in a row.
    failures: u32,
    /// How often it was ejected in a row.
    ejections: u32,
    ejected_until: Option<Instant>,
    /// Since when it gets calls again.
    back_since: Option<Instant>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// With an answer, after so long.
    Answered(Duration),
    /// Without one.
    Failed,
    /// It was given up; that says nothing.
    Dropped,
}

#[derive(Debug)]
pub(super) struct Balancer {
    balance: Balance,
    ejection: Ejection,
    replicas: Vec<Replica>,
    next: usize,
}

impl Balancer {
    pub(super) fn new(count: usize, balance: Balance, ejection: Ejection) -> Self {
        Self { balance, ejection, replicas: vec![Replica::default(); count], next: 0 }
    }

    /// Chooses among those that are up and not excluded, and counts the call as begun. `chance`
    /// gives numbers from 0 to 1. When all that are up are ejected, they are used all the same.
    pub(super) fn choose(
        &mut self,
        now: Instant,
        is_up: impl Fn(usize) -> bool,
        mut chance: impl FnMut() -> f64,
    ) -> Option<usize> {
        for replica in &mut self.replicas {
            if replica.ejected_until.is_some_and(|until| until <= now) {
                // ## Ejected => Slow start
                replica.ejected_until = None;
                replica.back_since = Some(now);
                replica.failures = 0;
            }
        }
        let up: Vec<_> = (0..self.replicas.len()).filter(|index| is_up(*index)).collect();
        let mut open: Vec<_> = up
            .iter()
            .copied()
            .filter(|index| self.replicas[*index].ejected_until.is_none())
            .collect();
        if open.is_empty() {
            open = up;
        }
        // Whoever is new to the work gets a part of it.
        let warm: Vec<_> =
            open.iter().copied().filter(|index| chance() <= self.warmth(*index, now)).collect();
        let open = if warm.is_empty() { open } else { warm };
        let chosen = match self.balance {
            Balance::RoundRobin => {
                let after = open.iter().copied().find(|index| *index >= self.next);
                after.or_else(|| open.first().copied())?
            }
            Balance::Random => one_of(&open, chance())?,
            Balance::LeastInFlight => {
                // Equals take turns.
                let key = |index: &usize| {
                    let turn = (*index + self.replicas.len() - self.next) % self.replicas.len();
                    (self.replicas[*index].in_flight, turn)
                };
                open.iter().copied().min_by_key(key)?
            }
            Balance::PowerOfTwo => {
                let one = one_of(&open, chance())?;
                let rest: Vec<_> = open.iter().copied().filter(|index| *index != one).collect();
                match one_of(&rest, chance()) {
                    Some(other) if self.load(other, now) < self.load(one, now) => other,
                    _ => one,
                }
            }
        };
        self.next = (chosen + 1) % self.replicas.len();
        self.begin(chosen);
        Some(chosen)
    }

    /// Counts a call as begun.
    pub(super) fn begin(&mut self, index: usize) {
        self.replicas[index].in_flight += 1;
    }

    /// Counts a call as ended. Gives whether the replica is ejected for it.
    pub(super) fn end(&mut self, index: usize, now: Instant, ended: Ended) -> bool {
        let replica = &mut self.replicas[index];
        replica.in_flight = replica.in_flight.saturating_sub(1);
        match ended {
            Ended::Dropped => false,
            Ended::Answered(took) => {
                let took = took.as_secs_f64();
                let average = replica.latency.map_or(took, |(average, _)| average);
                replica.latency = Some((average + NEWEST * (took - average), now));
                replica.failures = 0;
                if replica.ejected_until.is_none() {
                    replica.ejections = 0;
                }
                false
            }
            Ended::Failed => {
                replica.failures = replica.failures.saturating_add(1);
                self.eject(index, now)
            }
        }
    }

    fn eject(&mut self, index: usize, now: Instant) -> bool {
        let count = self.replicas.len();
        let ejected = self.ejected(now);
        let replica = &mut self.replicas[index];
        let Ejection { failures, time, share, .. } = self.ejection;
        #[expect(clippy::cast_precision_loss, reason = "a few replicas")]
        let allowed = (ejected + 1) as f64 <= share * count as f64 && ejected + 1 < count;
        if failures == 0
            || replica.failures < failures
            || replica.ejected_until.is_some()
            || !allowed
        {
            return false;
        }
        // ## In use => Ejected
        replica.ejections = replica.ejections.saturating_add(1);
        replica.ejected_until = Some(now + time.saturating_mul(replica.ejections.min(10)));
        replica.back_since = None;
        true
    }

    /// How many get no calls now.
    fn ejected(&self, now: Instant) -> usize {
        let is_out = |replica: &&Replica| replica.ejected_until.is_some_and(|until| until > now);
        self.replicas.iter().filter(is_out).count()
    }

    pub(super) fn is_ejected(&self, index: usize, now: Instant) -> bool {
        self.replicas[index].ejected_until.is_some_and(|until| until > now)
    }

    pub(super) fn in_flight(&self, index: usize) -> u32 {
        self.replicas[index].in_flight
    }

    /// The part of its calls that it gets.
    fn warmth(&self, index: usize, now: Instant) -> f64 {
        let slow_start = self.ejection.slow_start.as_secs_f64();
        match self.replicas[index].back_since {
            Some(since) if slow_start > 0.0 => {
                (now.duration_since(since).as_secs_f64() / slow_start).clamp(LEAST, 1.0)
            }
            _ => 1.0,
        }
    }

    /// How long a call would take there, more or less.
    fn load(&self, index: usize, now: Instant) -> f64 {
        let Replica { in_flight, latency, .. } = self.replicas[index];
        // Whoever has not answered yet is worth a try.
        let expected = latency.map_or(0.0, |(average, at)| {
            let age = now.saturating_duration_since(at).as_secs_f64() / MEMORY.as_secs_f64();
            average * (-age).exp()
        });
        f64::from(in_flight + 1) * expected.max(1e-6)
    }
}

fn one_of(among: &[usize], chance: f64) -> Option<usize> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let index = (chance.clamp(0.0, 1.0) * among.len() as f64) as usize;
    among.get(index.min(among.len().checked_sub(1)?)).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn balancer(count: usize, balance: Balance) -> Balancer {
        Balancer::new(count, balance, Ejection::default())
    }

    fn choose(balancer: &mut Balancer, now: Instant, chance: f64) -> usize {
        balancer.choose(now, |_| true, || chance).unwrap()
    }

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn each_way_to_choose() {
        let now = Instant::now();
        let mut turns = balancer(3, Balance::RoundRobin);
        let chosen: Vec<_> = (0..5).map(|_| choose(&mut turns, now, 0.0)).collect();
        assert_eq!(chosen, [0, 1, 2, 0, 1]);
        assert_eq!(turns.choose(now, |index| index != 2, || 0.0), Some(0), "2 is down");
        assert_eq!(turns.choose(now, |_| false, || 0.0), None);

        let mut random = balancer(4, Balance::Random);
        let chosen = [0.0, 0.3, 0.6, 1.0].map(|chance| choose(&mut random, now, chance));
        assert_eq!(chosen, [0, 1, 2, 3]);

        let mut least = balancer(3, Balance::LeastInFlight);
        assert_eq!([0; 3].map(|_| choose(&mut least, now, 0.0)), [0, 1, 2]);
        least.end(1, now, Ended::Answered(MS));
        assert_eq!(choose(&mut least, now, 0.0), 1);

        let mut two = balancer(2, Balance::PowerOfTwo);
        for (index, took) in [(0, 50 * MS), (1, MS)] {
            two.begin(index);
            two.end(index, now, Ended::Answered(took));
        }
        assert_eq!([0.0, 1.0].map(|chance| choose(&mut two, now, chance)), [1, 1], "it is faster");
        for _ in 0..2 {
            two.end(1, now + MEMORY, Ended::Answered(20 * MS));
        }
        assert_eq!(choose(&mut two, now + MEMORY, 1.0), 1);
        let later = now + 4 * MEMORY;
        two.end(1, later, Ended::Answered(20 * MS));
        assert_eq!(choose(&mut two, later, 1.0), 0, "what was slow long ago is tried again");
        two.end(0, later, Ended::Answered(50 * MS));
        for _ in 0..100 {
            two.begin(1);
        }
        assert_eq!(choose(&mut two, now, 0.0), 0, "it has less to do");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_eject_and_the_way_back_is_slow() {
        let mut balancer = balancer(2, Balance::RoundRobin);
        let start = Instant::now();
        let fail = |balancer: &mut Balancer, now| {
            balancer.begin(0);
            balancer.end(0, now, Ended::Failed)
        };
        let ejected: Vec<_> = (0..6).map(|_| fail(&mut balancer, start)).collect();
        assert_eq!(ejected, [false, false, false, false, true, false]);
        assert_eq!([0.0; 3].map(|_| choose(&mut balancer, start, 0.0)), [1, 1, 1]);
        // The other one fails too: somebody has to stay.
        for _ in 0..10 {
            balancer.begin(1);
            assert!(!balancer.end(1, start, Ended::Failed));
        }
        let back = start + Duration::from_secs(30);
        // By chance it gets a tenth of its calls at first, and all of them in the end.
        assert_eq!(choose(&mut balancer, back, 0.5), 1);
        assert_eq!(choose(&mut balancer, back, 0.05), 0);
        assert_eq!(choose(&mut balancer, back + Duration::from_secs(30), 1.0), 1);
        assert_eq!(choose(&mut balancer, back + Duration::from_secs(30), 1.0), 0);
    }

    proptest! {
        /// Whatever happens, somebody is chosen as long as somebody is up, never one that is down,
        /// and never are more ejected than may be.
        #[test]
        fn somebody_is_always_left(
            count in 1_usize..6,
            balance in prop_oneof![
                Just(Balance::RoundRobin), Just(Balance::Random),
                Just(Balance::LeastInFlight), Just(Balance::PowerOfTwo),
            ],
            share in 0.0..1.0_f64,
            steps in proptest::collection::vec(
                (any::<bool>(), 0.0..=1.0_f64, 0_u64..20_000, any::<u8>()), 1..100,
            ),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let mut now = runtime.block_on(async { Instant::now() });
            let ejection = Ejection { failures: 2, share, ..Ejection::default() };
            let mut balancer = Balancer::new(count, balance, ejection);
            for (fails, chance, millis, up) in steps {
                now += Duration::from_millis(millis);
                let is_up = |index: usize| up & (1 << index) != 0;
                let chosen = balancer.choose(now, is_up, || chance);
                prop_assert_eq!(chosen.is_some(), (0..count).any(is_up));
                let Some(chosen) = chosen else { continue };
                prop_assert!(is_up(chosen));
                let ended = if fails { Ended::Failed } else { Ended::Answered(MS) };
                balancer.end(chosen, now, ended);
                let ejected = balancer.ejected(now);
                prop_assert!(ejected < count);
                #[expect(clippy::cast_precision_loss, reason = "a few")]
                let within = ejected as f64 <= share * count as f64;
                prop_assert!(within);
                prop_assert_eq!(balancer.in_flight(chosen), 0);
            }
        }
    }
}
