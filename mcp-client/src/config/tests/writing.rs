//! Servers in another program's way.

use std::path::Path;

use super::{
    super::{Declared, Dialect, declare, export},
    declared, sample,
};

/// What matters of a declaration: where it stood and whose it was do not.
fn meaning(mut declared: Declared) -> Declared {
    declared.file = "f".into();
    for entry in &mut declared.entries {
        entry.origin.file = "f".into();
        entry.origin.line = 0;
    }
    declared.entries.sort_by(|one, other| one.name.cmp(&other.name));
    declared
}

#[test]
fn a_file_survives_the_round_trip_with_what_nobody_understands() {
    for dialect in Dialect::ALL {
        let before = declared(dialect);
        assert!(before.problems.is_empty(), "{dialect:?}: {:?}", before.problems);
        let exported = export(&before, dialect);
        assert_eq!(exported.notes, Vec::<String>::new(), "{dialect:?}");
        let file = Path::new(sample(dialect).0);
        let after = declare(&exported.text, file, None)
            .unwrap_or_else(|error| panic!("{dialect:?}: {error}\n{}", exported.text));
        assert_eq!(meaning(after), meaning(before), "{dialect:?}\n{}", exported.text);
    }
}

#[test]
fn every_dialect_can_be_written_in_every_other() {
    for from in Dialect::ALL {
        for to in Dialect::ALL {
            let before = declared(from);
            let exported = export(&before, to);
            let after = declare(&exported.text, Path::new(sample(to).0), None)
                .unwrap_or_else(|error| panic!("{from:?} as {to:?}: {error}\n{}", exported.text));
            assert_eq!(after.problems, [], "{from:?} as {to:?}\n{}", exported.text);
            // Whatever is missing was said to be.
            for entry in &before.entries {
                let there = after.entry(&entry.name).is_some();
                let said = exported.notes.iter().any(|note| {
                    note.starts_with(&format!("{} ", entry.name)) && note.ends_with("left out")
                });
                assert!(there || said, "{from:?} as {to:?}: {}\n{:?}", entry.name, exported.notes);
            }
        }
    }
}

#[test]
fn variables_are_spelled_as_the_reader_spells_them() {
    let text = r#"{"mcpServers": {"a": {"url": "https://h/mcp",
        "headers": {"Authorization": "Bearer ${TOKEN}", "X-Key": "${KEY}"}}}}"#;
    let declared = declare(text, Path::new(".mcp.json"), None).unwrap();
    let written = |dialect| export(&declared, dialect).text.replace([' ', '\n'], "");
    assert!(written(Dialect::VsCode).contains(r#""Authorization":"Bearer${env:TOKEN}""#));
    assert!(written(Dialect::Gemini).contains(r#""Authorization":"Bearer${TOKEN}""#));
    assert!(written(Dialect::OpenCode).contains(r#""Authorization":"Bearer{env:TOKEN}""#));
    let codex = export(&declared, Dialect::Codex);
    assert!(codex.text.contains("bearer_token_env_var = \"TOKEN\""), "{}", codex.text);
    assert!(codex.text.contains("env_http_headers = { X-Key = \"KEY\" }"), "{}", codex.text);
    assert_eq!(codex.notes, Vec::<String>::new());
    let zed = export(&declared, Dialect::Zed);
    assert_eq!(
        zed.notes,
        [
            "a needs the value of ${TOKEN} in `headers.Authorization`: zed has no such variables",
            "a needs the value of ${KEY} in `headers.X-Key`: zed has no such variables",
        ]
    );
}

#[test]
fn what_has_no_words_there_is_said() {
    let declared = declared(Dialect::ClaudeCode);
    assert_eq!(
        export(&declared, Dialect::ClaudeDesktop).notes,
        [
            "files needs the value of ${KEY} in `env.K`: claude-desktop has no such variables",
            "files has `someone-elses-key` of claude-code; left out",
            "web is switched off, which cannot be said there; left out",
            "old is reached by HTTP+SSE, which claude-desktop cannot; left out",
            "unset is reached by URL, which claude-desktop cannot; left out",
        ]
    );
}
