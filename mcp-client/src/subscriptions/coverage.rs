//! How far the wishes of the watchers are met.

use mcp_protocol::subscriptions::SubscriptionFilter;

/// How a [`Watch`](super::Watch) is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchState {
    /// The server has not said yet whether it will tell.
    Opening,
    /// The server tells of everything that is watched.
    Live,
    /// The server does not tell of everything. The rest is asked for from time to time.
    Polling,
    /// The server cannot be heard now. When it can, [`Change::Gap`](super::Change::Gap) follows.
    Interrupted,
    /// The server does not tell of everything, and the rest cannot be asked for.
    Unavailable,
    /// The connection is over.
    Ended,
}

/// What the server tells, and what it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Coverage {
    pub(super) phase: Phase,
    /// The server tells of these.
    pub(super) told: SubscriptionFilter,
    /// The server will not tell of these.
    pub(super) refused: SubscriptionFilter,
    /// These are asked for instead.
    pub(super) polled: SubscriptionFilter,
    /// Of these nothing will be heard.
    pub(super) unavailable: SubscriptionFilter,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Opening,
    Interrupted,
    Ended,
}

impl Coverage {
    /// How who wants `wanted` is served.
    pub(super) fn state_of(&self, wanted: &SubscriptionFilter) -> WatchState {
        if self.phase == Phase::Ended {
            return WatchState::Ended;
        }
        let untold = wanted.missing_from(&self.told);
        if untold.is_empty() {
            return WatchState::Live;
        }
        let silent = untold.missing_from(&self.polled);
        if silent.is_empty() {
            WatchState::Polling
        } else if silent.missing_from(&self.unavailable).is_empty() {
            WatchState::Unavailable
        } else if self.phase == Phase::Interrupted {
            WatchState::Interrupted
        } else {
            WatchState::Opening
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_table() {
        let tools = SubscriptionFilter { tools_list_changed: true, ..Default::default() };
        let both = SubscriptionFilter { prompts_list_changed: true, ..tools.clone() };
        let prompts = both.missing_from(&tools);
        let none = SubscriptionFilter::default();
        let table = [
            (Phase::Opening, &none, &none, &none, WatchState::Opening),
            (Phase::Interrupted, &none, &none, &none, WatchState::Interrupted),
            (Phase::Opening, &both, &none, &none, WatchState::Live),
            (Phase::Opening, &tools, &none, &none, WatchState::Opening),
            (Phase::Opening, &tools, &prompts, &none, WatchState::Polling),
            (Phase::Interrupted, &none, &both, &none, WatchState::Polling),
            (Phase::Opening, &tools, &none, &prompts, WatchState::Unavailable),
            (Phase::Opening, &none, &tools, &prompts, WatchState::Unavailable),
            (Phase::Interrupted, &none, &tools, &none, WatchState::Interrupted),
            (Phase::Ended, &both, &none, &none, WatchState::Ended),
        ];
        for (phase, told, polled, unavailable, expected) in table {
            let [told, polled, unavailable] = [told, polled, unavailable].map(Clone::clone);
            let coverage = Coverage { phase, told, polled, unavailable, ..Coverage::default() };
            assert_eq!(coverage.state_of(&both), expected, "{coverage:?}");
        }
        assert_eq!(Coverage::default().state_of(&none), WatchState::Live);
    }
}
