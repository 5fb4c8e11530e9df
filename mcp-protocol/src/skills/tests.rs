use serde_json::json;

use super::*;

fn entry(resources: &serde_json::Value) -> serde_json::Value {
    json!({
        "uri": "skill://acme/refunds/SKILL.md",
        "frontmatter": {"name": "refunds", "description": "Gives money back", "x": [1]},
        "resources": resources,
    })
}

#[test]
fn lists_keep_the_good_entries() {
    let file = json!({"uri": "skill://acme/refunds/SKILL.md", "digest": "sha256:00", "size": 7});
    let bad = [json!(null), json!("static"), json!({}), json!([{"uri": "x"}])];
    let mut skills = vec![entry(&json!([file])), entry(&json!("dynamic"))];
    skills.extend(bad.iter().map(entry));
    let wire = json!({"skills": skills, "nextCursor": "", "ttlMs": 5, "cacheScope": "public"});
    let list = ListSkills::decode(wire.to_string().as_bytes()).unwrap();
    assert_eq!((list.skills.len(), list.skipped.len()), (2, bad.len()));
    assert_eq!(list.skipped[0].name.as_deref(), Some("skill://acme/refunds/SKILL.md"));
    assert_eq!(list.next_cursor, Some("".into()));
    assert!(list.cache_hint().shareable);

    let [listed, dynamic] = &list.skills[..] else { panic!("two can be read") };
    assert_eq!(serde_json::to_value(listed).unwrap(), wire["skills"][0]);
    assert_eq!(serde_json::to_value(dynamic).unwrap(), wire["skills"][1]);
    assert_eq!(listed.name().as_deref(), Some("refunds"));
    assert_eq!(listed.description().as_deref(), Some("Gives money back"));
    assert_eq!(listed.root(), Some("skill://acme/refunds"));
    assert_eq!(listed.resource("skill://acme/refunds/SKILL.md").unwrap().size, 7);
    assert_eq!(dynamic.resource("skill://acme/refunds/SKILL.md"), None);
}

#[test]
fn sizes_are_exact() {
    for size in [json!(-1), json!(1.5), json!("7"), json!(null)] {
        let file = json!({"uri": "a", "digest": "b", "size": size});
        assert!(serde_json::from_value::<SkillResource>(file).is_err(), "{size}");
    }
}

#[test]
fn one_skill_and_one_directory() {
    let wire = json!({"skill": entry(&json!("dynamic")), "resultType": "complete"});
    let result = GetSkill::decode(wire.to_string().as_bytes()).unwrap();
    assert_eq!(serde_json::to_value(&result).unwrap(), wire);
    let unfinished = json!({"skill": entry(&json!("dynamic")), "resultType": "input_required"});
    assert!(GetSkill::decode(unfinished.to_string().as_bytes()).is_err());

    let params = ReadDirectoryParams::new("skill://acme");
    assert_eq!(serde_json::to_value(params).unwrap(), json!({"uri": "skill://acme"}));
    let wire =
        json!({"resources": [{"uri": "skill://acme/x", "name": "x", "mimeType": DIRECTORY}]});
    let result = ReadDirectory::decode(wire.to_string().as_bytes()).unwrap();
    assert_eq!(result.resources[0].mime_type.as_deref(), Some(DIRECTORY));
}
