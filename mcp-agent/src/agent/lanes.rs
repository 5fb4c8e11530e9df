//! Which calls of a turn run side by side, and which one after the other.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{
    run::Run,
    toolbox::{PreparedCall, ToolFacts},
};

/// In what order the calls of one turn run. Their results keep the model's order in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CallOrder {
    /// Those that may change something at the same server run in the model's order; all others
    /// side by side. A tool changes nothing if it says that it only reads.
    #[default]
    ByHints,
    /// All side by side.
    SideBySide,
    /// One after the other.
    OneByOne,
}

/// Calls that run one after the other. Lanes run side by side.
pub(super) type Lane = Vec<PreparedCall>;

/// Parts the calls of a turn.
pub(super) fn lanes(calls: Vec<PreparedCall>, run: &Run, order: CallOrder) -> Vec<Lane> {
    let mut lanes: Vec<Lane> = Vec::new();
    let mut writers: HashMap<String, usize> = HashMap::new();
    for call in calls {
        let facts = run.facts(&call.name);
        let place = match (order, facts) {
            (CallOrder::OneByOne, _) => (!lanes.is_empty()).then_some(0),
            (CallOrder::ByHints, ToolFacts { server: Some(server), annotations, .. })
                if !annotations.is_read_only() =>
            {
                let next = lanes.len();
                Some(*writers.entry(server).or_insert(next)).filter(|place| *place < next)
            }
            _ => None,
        };
        match place.and_then(|place| lanes.get_mut(place)) {
            Some(lane) => lane.push(call),
            None => lanes.push(vec![call]),
        }
    }
    lanes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mcp_protocol::tools::ToolAnnotations;
    use serde_json::Map;

    use super::*;
    use crate::{run::RunSettings, transcript::Transcript};

    fn parted(order: CallOrder) -> Vec<String> {
        let reads = ToolAnnotations { read_only_hint: Some(true), ..ToolAnnotations::default() };
        let facts = BTreeMap::from([
            ("a_read".to_owned(), ToolFacts::of_server("a", "read").annotated(reads)),
            ("a_write".to_owned(), ToolFacts::of_server("a", "write")),
            ("a_drop".to_owned(), ToolFacts::of_server("a", "drop")),
            ("b_write".to_owned(), ToolFacts::of_server("b", "write")),
        ]);
        let run = Run::new(Transcript::new(), [], RunSettings::default()).with_facts(facts);
        let names = ["a_write", "a_read", "own", "b_write", "a_drop", "a_read", "own"];
        let calls = names.map(|name| PreparedCall::new("1", name, Map::new()));
        let lanes = lanes(calls.to_vec(), &run, order);
        let names = |lane: &Lane| lane.iter().map(|call| &*call.name).collect::<Vec<_>>().join(" ");
        lanes.iter().map(names).collect()
    }

    #[test]
    fn only_what_writes_at_the_same_server_waits() {
        let expected = ["a_write a_drop", "a_read", "own", "b_write", "a_read", "own"];
        assert_eq!(parted(CallOrder::ByHints), expected);
    }

    #[test]
    fn both_ways_can_be_chosen() {
        assert_eq!(parted(CallOrder::SideBySide).len(), 7);
        let one = ["a_write a_read own b_write a_drop a_read own"];
        assert_eq!(parted(CallOrder::OneByOne), one);
    }
}
