//! One more server in files of every program.

use std::path::Path;

use super::{super::*, sample};

fn entry(name: &str, arg: &str) -> ServerEntry {
    let transport = TransportEntry::Stdio {
        command: Template::text("npx"),
        args: vec![Template::text("-y"), Template::text(arg)],
        env: [("TOKEN".to_owned(), Template::environment("TOKEN"))].into(),
        env_file: None,
        cwd: None,
    };
    ServerEntry::new(name, transport, Origin { file: "registry".into(), line: 0 })
}

#[test]
fn every_program_that_writes_json_or_toml_gets_one_more() {
    for dialect in Dialect::ALL {
        let (file, text) = sample(dialect);
        let file = Path::new(file);
        let added = add(text, file, &entry("new-one", "pkg@1"), IfThere::Refuse);
        if dialect == Dialect::Goose {
            assert!(added.is_err(), "YAML is not changed");
            continue;
        }
        let added = added.unwrap_or_else(|error| panic!("{dialect:?}: {error}"));
        let before = declare(text, file, None).unwrap();
        let after = declare(&added.text, file, None).unwrap();
        assert_eq!(after.dialect, Some(dialect));
        assert_eq!(after.entries.len(), before.entries.len() + 1, "{dialect:?}");
        for old in &before.entries {
            let kept = after.entry(&old.name).unwrap();
            assert_eq!((&kept.transport, &kept.unknown), (&old.transport, &old.unknown));
        }
        let again = add(&added.text, file, &entry("new-one", "pkg@2"), IfThere::Refuse);
        assert!(matches!(again, Err(AddError::Exists { .. })), "{dialect:?}");
        let again = add(&added.text, file, &entry("new-one", "pkg@2"), IfThere::Replace).unwrap();
        assert!(again.replaced && again.text.contains("pkg@2") && !again.text.contains("pkg@1"));
    }
}

#[test]
fn comments_and_order_stay() {
    let text = "{\n  // mine\n  \"mcpServers\": {\n    \"a\": {\"command\": \"a\"} // first\n  },\n  \
                \"other\": 1,\n}\n";
    let added = add(text, Path::new("x.json"), &entry("b", "pkg"), IfThere::Refuse).unwrap();
    assert!(
        added.text.starts_with(
            "{\n  // mine\n  \"mcpServers\": {\n    \"a\": {\"command\": \"a\"}, // first\n"
        ),
        "{}",
        added.text
    );
    assert!(added.text.ends_with("  \"other\": 1,\n}\n"), "{}", added.text);
    let toml = "# mine\nmodel = \"o3\"\n\n[mcp_servers.a]\ncommand = \"a\" # first\n";
    let added = add(toml, Path::new("config.toml"), &entry("b", "pkg"), IfThere::Refuse).unwrap();
    assert!(added.text.starts_with(toml), "{}", added.text);
}

#[test]
fn what_is_not_there_is_made_and_what_is_broken_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deep/mcp.json");
    add_to_file(&file, &entry("a", "pkg"), IfThere::Refuse).unwrap();
    add_to_file(&file, &entry("b", "pkg"), IfThere::Refuse).unwrap();
    let names: Vec<_> =
        declared_in(&file, None).unwrap().entries.into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["a", "b"]);
    std::fs::write(&file, "{\"mcpServers\": {").unwrap();
    let error = add_to_file(&file, &entry("c", "pkg"), IfThere::Refuse).unwrap_err();
    assert!(matches!(error, AddError::File { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"mcpServers\": {");
}

/// An entry that strangers wrote must not read the user's secrets.
#[test]
fn a_text_never_becomes_a_variable() {
    for (file, text) in [("x.json", ""), (".gemini/settings.json", "{\"mcpServers\": {}}")] {
        let evil = entry("evil", "${HOME}");
        let error = add(text, Path::new(file), &evil, IfThere::Refuse).unwrap_err();
        assert!(matches!(error, AddError::Unsupported { .. }), "{file}: {error}");
    }
    let bare = entry("evil", "$HOME");
    assert!(add("", Path::new("x.json"), &bare, IfThere::Refuse).is_ok());
    let gemini = Path::new(".gemini/settings.json");
    assert!(add("{\"mcpServers\": {}}", gemini, &bare, IfThere::Refuse).is_err());
}
