//! Names in a list that many servers share.

use std::collections::{HashMap, HashSet};

/// One name for each item, no two alike. What only one server has keeps its own name; where several
/// have the same, each becomes `server__name`.
pub(super) fn shared(items: &[(&str, &str)]) -> Vec<String> {
    let mut owners: HashMap<&str, usize> = HashMap::new();
    for (_, name) in items {
        *owners.entry(name).or_default() += 1;
    }
    let is_alone = |name: &str| owners.get(name) == Some(&1);
    // Names that stay as they are come first: nobody else may take them.
    let mut taken: HashSet<String> = items
        .iter()
        .filter(|(_, name)| is_alone(name))
        .map(|(_, name)| (*name).to_owned())
        .collect();
    items
        .iter()
        .map(|(server, name)| {
            if is_alone(name) {
                return (*name).to_owned();
            }
            let stem = format!("{server}__{name}");
            let mut own = stem.clone();
            let mut number = 1;
            while !taken.insert(own.clone()) {
                number += 1;
                own = format!("{stem}_{number}");
            }
            own
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_prefix_only_where_two_have_the_same() {
        let items = [("a", "search"), ("b", "search"), ("b", "open"), ("c", "a__search")];
        assert_eq!(shared(&items), ["a__search_2", "b__search", "open", "a__search"]);
    }

    proptest! {
        #[test]
        fn no_two_are_alike(items in prop::collection::vec(("[ab_]{1,3}", "[ab_]{1,4}"), 0..24)) {
            let items: HashSet<_> = items.into_iter().collect();
            let items: Vec<_> = items.iter().map(|(s, n)| (s.as_str(), n.as_str())).collect();
            let names = shared(&items);
            prop_assert_eq!(names.iter().collect::<HashSet<_>>().len(), items.len());
        }
    }
}
