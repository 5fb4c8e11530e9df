use std::{fs, path::Path, sync::Arc};

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::*;
use crate::{
    caller::{Answer, Operation},
    layers::testing::Fake,
};

fn server() -> Fake {
    Fake::new(|call, before| {
        Box::pin(async move {
            call.clock.attempt();
            match before {
                1 => Err(CallError::UnknownServer { server: call.server }),
                2 => std::future::pending().await,
                _ => Ok(Reply::new(Answer::Pong)),
            }
        })
    })
}

fn tool(arguments: &Value) -> Call {
    Call::tool("mail", "send", arguments.as_object().unwrap().clone())
}

async fn record(path: &Path) {
    let audit = AuditLayer::new(AuditLog::open(path).unwrap()).layer(server());
    audit.call(tool(&json!({"to": "ann", "password": "hunter2"}))).await.unwrap();
    audit.call(tool(&json!({"to": "bob"}))).await.unwrap_err();
    let mut called_off = Box::pin(audit.call(tool(&json!({}))));
    assert!(futures_util::FutureExt::now_or_never(&mut called_off).is_none());
    drop(called_off);
    audit.call(Call::new("mail", Operation::Ping)).await.unwrap();
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn every_end_is_recorded_without_secrets() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    record(&path).await;
    // A second program goes on with the same file.
    record(&path).await;
    assert_eq!(verify(&path).unwrap().lines, 8);
    let lines: Vec<Value> =
        lines(&path).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let outcomes: Vec<_> = lines.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes[..4], ["ok", "unknown_server", "cancelled", "ok"]);
    assert_eq!(lines[0]["arguments"], json!({"to": "ann", "password": "[redacted]"}));
    assert_eq!((&lines[0]["target"], &lines[0]["sent"]), (&json!("send"), &json!(true)));
}

#[tokio::test]
async fn whatever_is_changed_shows() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    record(&path).await;
    let whole = lines(&path);
    let tampered = |lines: &[String]| {
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        verify(&path).unwrap_err()
    };
    let mut changed = whole.clone();
    changed[1] = changed[1].replace("bob", "eve");
    assert!(matches!(tampered(&changed), AuditError::Changed { line: 2 }));
    let mut missing = whole.clone();
    missing.remove(2);
    assert!(matches!(tampered(&missing), AuditError::Torn { line: 3 }));
    let mut moved = whole.clone();
    moved.swap(0, 1);
    assert!(matches!(tampered(&moved), AuditError::Torn { line: 1 }));
    let mut extra = whole.clone();
    extra.push("{}".to_owned());
    assert!(matches!(tampered(&extra), AuditError::Malformed { line: 5 }));
    // The end can be cut off; only a hash that was kept elsewhere shows it.
    fs::write(&path, whole.join("\n") + "\n").unwrap();
    let kept = verify(&path).unwrap().last_hash;
    assert_eq!(verify_since(&path, &kept).unwrap().lines, 4);
    fs::write(&path, whole[..3].join("\n") + "\n").unwrap();
    assert_eq!(verify(&path).unwrap().lines, 3);
    assert!(matches!(verify_since(&path, &kept).unwrap_err(), AuditError::CutOff));
}

#[tokio::test]
async fn many_writers_make_one_chain() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let audits: Vec<_> = (0..4)
        .map(|_| {
            let answers = Fake::new(|_, _| Box::pin(async { Ok(Reply::new(Answer::Pong)) }));
            AuditLayer::new(AuditLog::open(&path).unwrap()).layer(answers)
        })
        .collect();
    let calls = (0..40)
        .map(|number| audits[number % 4].call(Call::tool("mail", number.to_string(), Map::new())));
    let replies = futures_util::future::join_all(calls).await;
    assert!(replies.iter().all(Result::is_ok));
    assert_eq!(verify(&path).unwrap().lines, 40);
}

#[tokio::test]
async fn a_file_that_is_no_record_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "hello\n").unwrap();
    assert!(AuditLog::open(&path).unwrap_err().to_string().contains("begin a new file"));
}

/// A device that is always full stands for the disk; the file is named through a link.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_cannot_be_recorded_stops_everything_until_it_can_be() {
    let folder = TempDir::new().unwrap();
    let (disk, path) = (folder.path().join("disk.jsonl"), folder.path().join("audit.jsonl"));
    let lead_to = |place: &Path| {
        // Nothing may be there at the first time.
        let _ = fs::remove_file(&path);
        std::os::unix::fs::symlink(place, &path).unwrap();
    };
    lead_to("/dev/full".as_ref());
    let answers = Arc::new(Fake::new(|_, _| Box::pin(async { Ok(Reply::new(Answer::Pong)) })));
    let audit = AuditLayer::new(AuditLog::open(&path).unwrap()).layer(Arc::clone(&answers));
    let first = audit.call(tool(&json!({}))).await.unwrap_err();
    assert!(matches!(first, CallError::Unrecorded { .. }), "{first}");
    for _ in 0..2 {
        let next = audit.call(tool(&json!({}))).await.unwrap_err();
        assert!(!next.was_sent(), "{next}");
    }
    assert_eq!(answers.calls(), 1);

    // There is room again: the next call is made, and the record says what it lacks.
    lead_to(&disk);
    for _ in 0..2 {
        audit.call(tool(&json!({}))).await.unwrap();
    }
    assert_eq!(answers.calls(), 3);
    let verified = verify(&disk).unwrap();
    assert_eq!((verified.lines, verified.gaps, verified.unrecorded), (3, 1, 1));
    let gap: Value = serde_json::from_str(&lines(&disk)[0]).unwrap();
    assert_eq!(
        [&gap["outcome"], &gap["unrecorded"], &gap["notMade"]],
        [&json!("gap"), &json!(1), &json!(2)]
    );
    assert!(gap["error"].as_str().unwrap().contains("space"), "{gap}");
}

#[tokio::test]
async fn no_line_is_too_long_to_go_on_from() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let answers = || Fake::new(|_, _| Box::pin(async { Ok(Reply::new(Answer::Pong)) }));
    let audit = AuditLayer::new(AuditLog::open(&path).unwrap()).layer(answers());
    let many: Vec<u32> = (0..400_000).collect();
    audit.call(tool(&json!({"numbers": many}))).await.unwrap();
    let long = "\u{1}".repeat(1 << 20);
    let resource = Operation::ReadResource { uri: long.as_str().into() };
    audit.call(Call::new("mail", resource).partition(long)).await.unwrap();
    drop(audit);
    // Another program goes on with it.
    let audit = AuditLayer::new(AuditLog::open(&path).unwrap()).layer(answers());
    audit.call(tool(&json!({}))).await.unwrap();
    assert_eq!(verify(&path).unwrap().lines, 3);
    let lines = lines(&path);
    assert!(lines.iter().all(|line| line.len() < 1 << 20));
    let first: Value = serde_json::from_str(&lines[0]).unwrap();
    assert!(first["arguments"]["leftOut"]["bytes"].as_u64().unwrap() > 1 << 20, "{first}");
    assert!(lines[1].contains("bytes more"), "{}", lines[1].len());
}

#[tokio::test]
async fn a_long_line_of_an_earlier_time_is_gone_on_from() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let told = json!({"outcome": "ok", "arguments": "x".repeat(3 << 20)});
    let (line, _) = record::Link::default().line(&told).unwrap();
    fs::write(&path, line + "\n").unwrap();
    record(&path).await;
    assert_eq!(verify(&path).unwrap().lines, 5);
}
