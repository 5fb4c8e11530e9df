//! Skills of servers: read when they are needed, verified when they are read.

use mcp_client::{
    CallErrorKind, Client, EraChoice, SkillError, Skills,
    protocol::version::Era,
    testing::{Answer, Heard, TestServer, legacy_opening, modern_opening},
};
use serde_json::{Value, json};

const MAIN: &str = "skill://acme/pdf/SKILL.md";
const FORMS: &str = "skill://acme/pdf/references/FORMS.md";
const MAIN_TEXT: &str =
    "---\nname: pdf\ndescription: Fills forms\n---\nRead references/FORMS.md.\n";
const MAIN_DIGEST: &str = "sha256:839aad10ab32ca5668f7b04c0e9be92aeb89c2f31ef232872b339309012247c9";
const FORMS_DIGEST: &str =
    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn entry() -> Value {
    json!({
        "uri": MAIN,
        "frontmatter": {"name": "pdf", "description": "Fills forms"},
        "resources": [
            {"uri": MAIN, "digest": MAIN_DIGEST, "size": MAIN_TEXT.len()},
            {"uri": FORMS, "digest": FORMS_DIGEST, "size": 3},
        ],
    })
}

/// A client and a server with one skill, whose `SKILL.md` is this text.
async fn connect(era: Era, main: &'static str, settings: Value) -> (Client, Heard) {
    let capabilities = json!({
        "resources": {}, "extensions": {"io.modelcontextprotocol/skills": settings},
    });
    let mut forms = ["abd", "abc"].into_iter().cycle();
    let (server, seen) = TestServer::scripted(move |method, params| {
        let opening = match era {
            Era::Modern => modern_opening(method, &capabilities),
            Era::Legacy => legacy_opening(method, "2025-11-25", &capabilities),
        };
        if let Some(act) = opening {
            return act;
        }
        match (method, params["uri"].as_str()) {
            ("skills/list", _) => {
                let broken = json!({"uri": "skill://other/SKILL.md"});
                Answer::result(
                    json!({"skills": [broken, entry()], "ttlMs": 0, "cacheScope": "private"}),
                )
            }
            ("skills/get", Some(MAIN)) => Answer::result(json!({"skill": entry()})),
            ("resources/read", Some(MAIN)) => {
                Answer::result(json!({"contents": [{"uri": MAIN, "text": main}]}))
            }
            // The first answer is what a server said before the entry; it may be kept.
            ("resources/read", Some(FORMS)) => Answer::result(json!({
                "contents": [{"uri": FORMS, "text": forms.next()}],
                "ttlMs": 60_000, "cacheScope": "private", "resultType": "complete",
            })),
            ("resources/directory/read", Some(_)) => {
                let (name, next) = match params["cursor"].as_str() {
                    None => ("references", json!("2")),
                    Some(_) => ("scripts", Value::Null),
                };
                let uri = format!("skill://acme/pdf/{name}");
                let child = json!({"uri": uri, "name": name, "mimeType": "inode/directory"});
                Answer::result(json!({"resources": [child], "nextCursor": next}))
            }
            _ => Answer::error_with(-32602, "no such thing", Value::Null),
        }
    })
    .parts();
    let era = if era == Era::Modern { EraChoice::Modern } else { EraChoice::Legacy };
    let client = Client::connect_with(server).era(era).extension(Skills).connect().await;
    (client.expect("the script answers the opening"), seen)
}

fn reads(seen: &Heard) -> Vec<Value> {
    seen.params("resources/read").iter().map(|params| params["uri"].clone()).collect()
}

// covers: skills-verified
#[tokio::test]
async fn files_are_read_one_by_one_when_they_are_needed() {
    for era in [Era::Modern, Era::Legacy] {
        let (client, seen) = connect(era, MAIN_TEXT, json!({})).await;
        let skills = client.skills().unwrap();
        let listing = skills.list().await.unwrap();
        assert_eq!((listing.items.len(), listing.skipped.len()), (1, 1));
        let entry = skills.get(MAIN).await.unwrap();
        assert_eq!(entry, listing.items[0]);
        assert!(reads(&seen).is_empty());

        let skill = skills.load(entry).await.unwrap();
        assert_eq!(skill.text(), MAIN_TEXT);
        assert_eq!(skill.origin(), client.endpoint());
        assert_eq!(reads(&seen), [MAIN]);
        for unlisted in ["references/OTHER.md", "../../x", "skill://other/SKILL.md"] {
            let error = skill.read(unlisted).await.unwrap_err();
            assert!(matches!(error, SkillError::Unlisted { .. }), "{error}");
        }
        assert_eq!(reads(&seen), [MAIN]);
    }
}

// covers: skills-verified
#[tokio::test]
async fn what_was_kept_from_before_the_entry_is_read_anew() {
    let (client, seen) = connect(Era::Modern, MAIN_TEXT, json!({})).await;
    let skills = client.skills().unwrap();
    let skill = skills.load(skills.get(MAIN).await.unwrap()).await.unwrap();
    let error = skill.read("references/FORMS.md").await.unwrap_err();
    assert!(matches!(&error, SkillError::DigestMismatch { uri } if uri == FORMS), "{error}");
    assert!(error.is_mismatch());
    assert_eq!(reads(&seen), [MAIN, FORMS], "the server itself said so: asking again is idle");
    let forms = skill.read("./references/FORMS.md#first").await.unwrap();
    assert_eq!((&*forms.uri, forms.as_text()), (FORMS, Some("abc")));
    assert_eq!(reads(&seen), [MAIN, FORMS, FORMS]);
    skill.read(FORMS).await.unwrap();
    assert_eq!(reads(&seen).len(), 3, "what is kept and verified is not asked for again");
}

type Check = fn(&SkillError) -> bool;

// covers: skills-verified
#[tokio::test]
async fn a_skill_that_is_not_as_its_entry_says_is_not_loaded() {
    let cases: [(&str, Check); 3] = [
        ("---\nname: pdf\ndescription: Fills forms\n---\nRead references/EVIL!.md.\n", |error| {
            matches!(error, SkillError::DigestMismatch { .. })
        }),
        ("---\nname: pdf\ndescription: Fills forms\n---\n", |error| {
            matches!(error, SkillError::SizeMismatch { .. })
        }),
        (
            MAIN_TEXT,
            |error| matches!(error, SkillError::FrontmatterMismatch { field, .. } if field == "description"),
        ),
    ];
    for (text, check) in cases {
        let (client, seen) = connect(Era::Modern, text, json!({})).await;
        let skills = client.skills().unwrap();
        let mut entry = skills.get(MAIN).await.unwrap();
        if text == MAIN_TEXT {
            entry.frontmatter.insert("description", json!("Fills in forms"));
        }
        let error = skills.load(entry).await.unwrap_err();
        assert!(check(&error) && error.is_mismatch(), "{error}");
        assert_eq!(reads(&seen), [MAIN]);
    }
}

#[tokio::test]
async fn directories_are_read_only_where_the_server_says_so() {
    let (client, seen) = connect(Era::Modern, MAIN_TEXT, json!({})).await;
    let error = client.skills().unwrap().read_directory("skill://acme/pdf").await.unwrap_err();
    assert!(matches!(error, SkillError::NotOffered { .. }), "{error}");
    assert!(!seen.methods().contains(&"resources/directory/read".to_owned()));

    let (client, _) = connect(Era::Modern, MAIN_TEXT, json!({"directoryRead": true})).await;
    let listing = client.skills().unwrap().read_directory("skill://acme/pdf").await.unwrap();
    let names: Vec<_> = listing.items.iter().map(|child| &*child.name).collect();
    assert_eq!(names, ["references", "scripts"]);
}

#[tokio::test]
async fn both_sides_must_take_part() {
    let capabilities = json!({"extensions": {"io.modelcontextprotocol/skills": {}}});
    let script = |capabilities: Value| {
        TestServer::scripted(move |method, _| {
            modern_opening(method, &capabilities).unwrap_or(Answer::Silence)
        })
        .parts()
    };
    let client = Client::connect_with(script(capabilities).0).connect().await.unwrap();
    assert!(matches!(client.skills(), Err(SkillError::NotDeclared)));
    let client = Client::connect_with(script(json!({})).0).extension(Skills);
    let client = client.connect().await.unwrap();
    assert!(matches!(client.skills(), Err(SkillError::NotOffered { .. })));

    let (client, seen) = connect(Era::Modern, MAIN_TEXT, json!({})).await;
    let error = client.skills().unwrap().get("skill://no/SKILL.md").await.unwrap_err();
    let SkillError::Call(error) = error else { panic!("{error}") };
    assert!(matches!(error.kind(), CallErrorKind::Rejected(object) if object.code == -32602));
    let meta = &seen.params("skills/get")[0]["_meta"];
    let declared = &meta["io.modelcontextprotocol/clientCapabilities"]["extensions"];
    assert_eq!(declared["io.modelcontextprotocol/skills"], json!({}));
}
