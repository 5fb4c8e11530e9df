//! Names in a list that many servers share.

use std::collections::{HashMap, HashSet};

/// One name for each item, no two alike. What only one server has keeps its own name; where several
/// have the same, each becomes `server__name`. So does a name that looks like that of another
/// server's item: whatever a server calls its tools, `server__name` is never somebody else's.
pub(super) fn shared(items: &[(&str, &str)]) -> Vec<String> {
    let mut owners: HashMap<&str, usize> = HashMap::new();
    let mut prefixed: HashMap<String, Vec<&str>> = HashMap::new();
    for (server, name) in items {
        *owners.entry(name).or_default() += 1;
        prefixed.entry(with_prefix(server, name)).or_default().push(server);
    }
    let stays = |server: &str, name: &str| {
        owners.get(name) == Some(&1)
            && prefixed.get(name).is_none_or(|owners| owners.iter().all(|owner| *owner == server))
    };
    let mut names = vec![String::new(); items.len()];
    let mut taken = HashSet::new();
    // Those with a prefix come first: nobody else may take them.
    for is_plain in [false, true] {
        for (given, (server, name)) in names.iter_mut().zip(items) {
            if stays(server, name) != is_plain {
                continue;
            }
            let is_free = is_plain && taken.insert((*name).to_owned());
            *given = if is_free { (*name).to_owned() } else { take(&mut taken, server, name) };
        }
    }
    names
}

fn with_prefix(server: &str, name: &str) -> String {
    format!("{server}__{name}")
}

/// A name with a prefix, and with a number if it is taken.
fn take(taken: &mut HashSet<String>, server: &str, name: &str) -> String {
    let stem = with_prefix(server, name);
    let mut own = stem.clone();
    let mut number = 1;
    while !taken.insert(own.clone()) {
        number += 1;
        own = format!("{stem}_{number}");
    }
    own
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_prefix_only_where_two_have_the_same() {
        let items = [("a", "search"), ("b", "search"), ("b", "open"), ("c", "b__close")];
        assert_eq!(shared(&items), ["a__search", "b__search", "open", "b__close"]);
    }

    #[test]
    fn nobody_takes_the_prefixed_name_of_another() {
        let items = [("c", "a__search"), ("a", "search"), ("b", "search")];
        assert_eq!(shared(&items), ["c__a__search", "a__search", "b__search"]);
        // Nor one that another gets as soon as a third server comes.
        let items = [("c", "a__search"), ("a", "search"), ("d", "c__a__search")];
        assert_eq!(shared(&items), ["c__a__search", "search", "d__c__a__search"]);
        // Alone, a server has its own names.
        assert_eq!(shared(&[("a", "a__search"), ("a", "search")]), ["a__search", "search"]);
        let items = [("a", "a__search"), ("a", "search"), ("b", "search")];
        assert_eq!(shared(&items), ["a__a__search", "a__search", "b__search"]);
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
