use mcp_protocol::{
    resources::{ReadResourceResult, ResourceContents},
    skills::{Skill, SkillResource},
};
use serde_json::{Value, json};

use super::{SkillError, entry, frontmatter, verify};

const ROOT: &str = "skill://acme/pdf-forms";

fn skill(change: impl FnOnce(&mut Value)) -> Skill {
    let digest = format!("sha256:{}", "0".repeat(64));
    let mut wire = json!({
        "uri": format!("{ROOT}/SKILL.md"),
        "frontmatter": {"name": "pdf-forms", "description": "Fills forms"},
        "resources": [
            {"uri": format!("{ROOT}/SKILL.md"), "digest": digest, "size": 16 * 1024 * 1024 - 1},
            {"uri": format!("{ROOT}/a/b.md"), "digest": digest, "size": 1},
        ],
    });
    change(&mut wire);
    serde_json::from_value(wire).unwrap()
}

type Change = fn(&mut Value);

#[test]
fn an_entry_that_breaks_a_rule_is_refused_before_anything_is_read() {
    let (root, main) = (ROOT, format!("{ROOT}/SKILL.md"));
    let fine = skill(|_| {});
    let (at, main_file) = entry::check(&fine).unwrap();
    assert_eq!((at, &*main_file.uri), (root, &*main));

    let changes: [(&str, Change); 12] = [
        ("not that of a SKILL.md", |wire| wire["uri"] = json!("skill://acme/pdf-forms")),
        ("no `name`", |wire| wire["frontmatter"]["name"] = json!(7)),
        ("no `description`", |wire| wire["frontmatter"]["description"] = json!("")),
        ("not lowercase", |wire| wire["frontmatter"]["name"] = json!("PDF")),
        ("not lowercase", |wire| wire["frontmatter"]["name"] = json!("pdf--forms")),
        ("not called `forms`", |wire| wire["frontmatter"]["name"] = json!("forms")),
        ("not in its directory", |wire| {
            wire["resources"][1]["uri"] = json!("skill://acme/pdf-forms-2/x");
        }),
        ("not in its directory", |wire| {
            wire["resources"][1]["uri"] = json!("skill://acme/pdf-forms/a/%2E%2e/x");
        }),
        ("twice", |wire| wire["resources"][1]["uri"] = wire["resources"][0]["uri"].clone()),
        ("digest", |wire| wire["resources"][1]["digest"] = json!("sha256:AB")),
        ("does not list", |wire| drop(wire["resources"].as_array_mut().unwrap().remove(0))),
        ("is not valid", |wire| wire["resources"] = json!([])),
    ];
    for (reason, change) in changes {
        let error = entry::check(&skill(change)).unwrap_err();
        assert!(matches!(error, SkillError::InvalidEntry { .. }), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
    let error = entry::check(&skill(|wire| wire["resources"] = json!("dynamic"))).unwrap_err();
    assert!(matches!(error, SkillError::Dynamic { .. }), "{error}");
}

#[test]
fn limits_are_those_of_the_extension() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let many = |count: usize, size: u64| {
        skill(|wire| {
            let files = (1..count)
                .map(|n| json!({"uri": format!("{ROOT}/{n}"), "digest": digest, "size": size}));
            let main = json!({"uri": format!("{ROOT}/SKILL.md"), "digest": digest, "size": size});
            wire["resources"] = [main].into_iter().chain(files).collect();
        })
    };
    assert!(entry::check(&many(512, 32 * 1024)).is_ok());
    for (count, size) in [(513, 1), (512, 32 * 1024 + 1), (2, u64::MAX)] {
        let error = entry::check(&many(count, size)).unwrap_err();
        assert!(matches!(error, SkillError::TooLarge { files, .. } if files == count), "{error}");
    }
}

#[test]
fn references_stay_in_the_directory_of_the_skill() {
    for (reference, path) in [
        ("a/b.md", "a/b.md"),
        ("./a//x/../b.md#part", "a/b.md"),
        ("skill://acme/pdf-forms/a/b.md", "a/b.md"),
    ] {
        assert_eq!(entry::resolve(ROOT, reference), Some(format!("{ROOT}/{path}")), "{reference}");
    }
    for reference in ["../x", "a/../../x", "/etc/passwd"] {
        assert_eq!(entry::resolve(ROOT, reference), None, "{reference}");
    }
}

#[test]
fn size_and_digest_are_of_the_bytes() {
    // The SHA-256 of `abc` as FIPS 180-2 gives it.
    let digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(verify::sha256(b"abc"), digest);
    let entry = SkillResource { uri: "x:abc".into(), digest: digest.into(), size: 3 };
    let check = |contents: Vec<ResourceContents>| {
        verify::verified(&entry, &ReadResourceResult { contents, ..Default::default() })
    };
    let text = |text: &str| ResourceContents::text("x:abc", text);
    assert_eq!(check(vec![text("abc")]).unwrap().as_text(), Some("abc"));
    assert_eq!(check(vec![ResourceContents::blob("x:abc", "YWJj")]).unwrap().bytes, b"abc");
    let refused = |contents| check(contents).unwrap_err();
    assert!(matches!(refused(vec![text("abd")]), SkillError::DigestMismatch { .. }));
    assert!(matches!(refused(vec![text("abcd")]), SkillError::SizeMismatch { actual: 4, .. }));
    let broken = ResourceContents::blob("x:abc", "YWJ");
    for contents in [vec![], vec![text("abc"), text("abc")], vec![broken]] {
        assert!(matches!(refused(contents), SkillError::Unreadable { .. }));
    }
}

fn compare(json: &Value, head: &str) -> Result<(), String> {
    let entry = skill(|wire| wire["frontmatter"] = json.clone());
    let text = format!("---\n{head}\n---\nBody\n---\n");
    frontmatter::compare(&entry, &text).map_err(|error| error.to_string())
}

#[test]
fn frontmatter_is_equal_in_content() {
    let json = json!({
        "name": "x", "description": "a: b", "none": null, "on": true, "list": [1, "2", {}],
        "version": 1, "ratio": 0.5, "deep": {"7": "07"}, "long": "one two\n", "date": "2026-01-02",
    });
    let yaml = "date: 2026-01-02\nname: x # a comment\ndescription: 'a: b'\nnone:\non: true\n\
                list: [1, \"2\", {}]\nversion: 1.0\nratio: .5\ndeep:\n  7: '07'\nlong: >\n  one\n  two";
    assert_eq!(compare(&json, yaml), Ok(()));
    assert_eq!(compare(&json, &yaml.replace('\n', "\r\n")), Ok(()));
    let changes = [
        ("none:\n", ""),
        ("true", "'true'"),
        ("1.0", "1.1"),
        ("'07'", "07"),
        (", {}", ""),
        ("2026-01-02", "2026-01-03"),
        ("name: x", "name: x\nhooks: [rm]"),
    ];
    for (from, to) in changes {
        let error = compare(&json, &yaml.replace(from, to)).unwrap_err();
        assert!(error.contains("is not what its entry says"), "{from}: {error}");
    }
}

#[test]
fn frontmatter_from_strangers_is_bounded() {
    let json = json!({"a": 1});
    let deep = format!("a: {}{}", "[".repeat(40), "]".repeat(40));
    for (yaml, reason) in [
        ("a: 1\na: 1", "twice"),
        ("x: &x [1]\na: *x", "aliases"),
        ("? [a]\n: 1", "not a word"),
        ("- a", "no fields"),
        ("", "no fields"),
        ("a: [1", ""),
        (&*deep, "levels deep"),
        ("a: 1\n...\nb: 2", "follows"),
    ] {
        let error = compare(&json, yaml).unwrap_err();
        assert!(error.contains("cannot be read") && error.contains(reason), "{yaml}: {error}");
    }
    let entry = skill(|_| {});
    for text in ["", "a: 1", "---\na: 1\n", " ---\na: 1\n---\n"] {
        let error = frontmatter::compare(&entry, text).unwrap_err();
        assert!(matches!(error, SkillError::Frontmatter { .. }), "{text}: {error}");
    }
}
