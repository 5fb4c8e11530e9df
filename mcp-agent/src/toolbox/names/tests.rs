use std::collections::HashSet;

use proptest::prelude::*;

use super::{MAX_LENGTH, distinct, expose_all, exposed, fits};

#[track_caller]
fn check(server: &str, tool: &str, expected: &str) {
    assert_eq!(exposed(server, tool), expected);
}

#[test]
fn plain_where_it_fits() {
    check("files", "read_file", "mcp__files__read_file");
    check("a-b", "c__d", "mcp__a-b__c__d");
    check("_x", "_y", "mcp___x___y");
}

#[test]
fn hashed_where_it_does_not_fit_or_could_be_misread() {
    check("files", "read.file", "mcp__files__read_file_6mrg5s95");
    check("a__b", "c", "mcp__a__b__c_q8rurh49");
    check("a", "b__c", "mcp__a__b__c");
    check("wetter", "temperatur für morgen", "mcp__wetter__temperatur_f_r_morgen_ajkdgd36");
    let long = "x".repeat(80);
    assert_eq!(exposed("s", &long).len(), MAX_LENGTH);
}

#[test]
fn names_of_local_tools_give_way() {
    let taken = HashSet::from(["add".to_owned()]);
    let name = distinct("add", "local", &taken);
    assert_ne!(name, "add");
    assert!(fits(&name));
}

fn awkward() -> impl Strategy<Value = String> {
    prop_oneof!["[ab_]{0,6}", "[a-z_.-]{1,70}", "\\PC{0,20}"]
}

proptest! {
    // covers: tool-names
    #[test]
    fn always_valid_and_never_alike(tools in prop::collection::hash_set((awkward(), awkward()), 0..60)) {
        let names = expose_all(tools.iter().map(|(server, tool)| (server.as_str(), tool.as_str())));
        prop_assert!(names.iter().all(|name| fits(name)));
        prop_assert_eq!(names.iter().collect::<HashSet<_>>().len(), tools.len());
    }

    #[test]
    fn independent_of_the_other_tools(server in awkward(), tool in awkward(), other in "[a-z]{1,9}") {
        let alone = expose_all([(server.as_str(), tool.as_str())]);
        let among = expose_all([("other", other.as_str()), (server.as_str(), tool.as_str())]);
        prop_assert_eq!(&alone[0], &among[1]);
    }
}
