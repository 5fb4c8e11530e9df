#![expect(clippy::needless_pass_by_value, reason = "expected values read better unborrowed")]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ResultLimits, from_mcp, limit, limit_and_keep};
use crate::{
    model::{Media, MediaSource, Part},
    toolbox::{Artifacts, ToolOutput},
};

fn output(result: Value) -> ToolOutput {
    // As from the wire: raw members do not survive a tree of values.
    from_mcp(serde_json::from_str(&result.to_string()).unwrap())
}

#[track_caller]
fn check(result: Value, content: Value) {
    assert_eq!(serde_json::to_value(output(result).content).unwrap(), content);
}

#[test]
fn every_block_becomes_a_part() {
    check(
        json!({"content": [
            {"type": "text", "text": "words"},
            {"type": "image", "data": "aGk=", "mimeType": "image/png"},
            {"type": "audio", "data": "aGk=", "mimeType": "audio/wav"},
            {"type": "resource_link", "uri": "file:///a", "name": "a", "mimeType": "text/plain",
             "size": 3, "description": "An a."},
            {"type": "resource", "resource": {"uri": "file:///b", "text": "bee"}},
            {"type": "resource", "resource": {"uri": "file:///c", "blob": "aGk=",
             "mimeType": "application/pdf"}},
            {"type": "hologram", "data": 1},
        ]}),
        json!([
            {"text": "words"},
            {"image": {"mime_type": "image/png", "base64": "aGk="}},
            {"audio": {"mime_type": "audio/wav", "base64": "aGk="}},
            {"text": "[resource a <file:///a>, text/plain, 3 bytes] An a."},
            {"text": "[resource <file:///b>]\nbee"},
            {"document": {"mime_type": "application/pdf", "base64": "aGk=", "name": "file:///c"}},
            {"json": {"type": "hologram", "data": 1}},
        ]),
    );
}

#[test]
fn an_error_is_an_error() {
    assert!(output(json!({"content": [], "isError": true})).is_error);
}

#[test]
fn what_is_for_people_stays_with_them() {
    let output = output(json!({"content": [
        {"type": "text", "text": "secret", "annotations": {"audience": ["user"]}},
        {"type": "text", "text": "both", "annotations": {"audience": ["user", "assistant"]}},
    ]}));
    assert_eq!(output.content, [Part::Text("both".into())]);
    assert_eq!(output.for_user, [Part::Text("secret".into())]);
}

#[test]
fn structured_content_is_told_once() {
    let structured = json!({"b": 1, "a": [2]});
    let pretty = serde_json::to_string_pretty(&structured).unwrap();
    check(
        json!({"content": [{"type": "text", "text": pretty}], "structuredContent": structured}),
        json!([{"text": pretty}]),
    );
    check(
        json!({"content": [{"type": "text", "text": "one hit"}], "structuredContent": structured}),
        json!([{"text": "one hit"}, {"json": structured}]),
    );
    check(json!({"content": [], "structuredContent": [1]}), json!([{"json": [1]}]));
    let output = output(json!({"content": [], "structuredContent": structured}));
    assert_eq!(output.structured.unwrap().parse::<Value>().unwrap(), structured);
}

fn limited(parts: Vec<Part>, max_text_bytes: usize) -> Vec<Part> {
    let mut output = ToolOutput::parts(parts);
    limit(&mut output, ResultLimits { max_text_bytes, ..ResultLimits::default() });
    output.content
}

#[test]
fn a_long_text_keeps_both_ends() {
    let text: String = ('a'..='z').collect();
    assert_eq!(
        limited(vec![Part::Text(text)], 10),
        [Part::Text(
            "abcd\n[… 16 of 26 bytes left out here; ask for less, or for a part of it …]\nuvwxyz"
                .into()
        )]
    );
}

#[test]
fn a_large_picture_leaves_a_note() {
    let mut output = output(json!({"content": [
        {"type": "image", "data": "aGVsbG8hISEh", "mimeType": "image/png"},
    ]}));
    limit(&mut output, ResultLimits { max_media_bytes: 5, ..ResultLimits::default() });
    assert_eq!(output.to_text(), "[image/png, 9 bytes: too large to be shown]");
}

proptest! {
    #[test]
    fn never_longer_than_the_limit_and_one_note(
        texts in prop::collection::vec("\\PC{0,40}", 0..6),
        max in 0..120_usize,
    ) {
        let total: usize = texts.iter().map(String::len).sum();
        let parts = limited(texts.iter().cloned().map(Part::Text).collect(), max);
        let text: String = parts.iter().filter_map(Part::as_text).collect();
        if total <= max {
            prop_assert_eq!(text, texts.concat());
        } else {
            // The note, and what a cut inside a character may leave over.
            prop_assert!(text.len() <= max + 100);
            prop_assert!(text.contains(" bytes left out here"));
        }
    }
}

#[test]
fn what_is_cut_is_kept_and_can_be_read() {
    let rows: Vec<Value> = (0..900).map(|id| json!({"id": id, "note": "some words"})).collect();
    let whole = Value::Array(rows).to_string();
    let mut output = ToolOutput::text(whole.clone());
    let artifacts = Artifacts::default();
    let limits = ResultLimits { max_text_bytes: 2000, ..ResultLimits::default() };
    limit_and_keep(&mut output, limits, &artifacts);
    let [Part::Text(shown), Part::Text(note)] = output.content.as_slice() else { panic!() };
    assert!(serde_json::from_str::<Value>(shown).unwrap().is_array() && shown.len() <= 2000);
    let name = note.split('`').nth(1).unwrap();
    assert_eq!(artifacts.get(name).as_deref(), Some(whole.as_str()));
    let revealed: Vec<_> = output.reveals.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(revealed, ["read_artifact", "search_artifact"]);
}

#[test]
fn tokens_and_pictures_are_counted_too() {
    let mut output = ToolOutput::text("日".repeat(3000));
    let limits = ResultLimits { max_text_tokens: 600, max_images: 1, ..ResultLimits::default() };
    let image = || {
        Part::Image(Media {
            mime_type: "image/png".into(),
            source: MediaSource::Base64("AAAA".into()),
            name: None,
        })
    };
    output.content.extend([image(), image()]);
    limit(&mut output, limits);
    assert!(output.to_text().chars().filter(|c| *c == '日').count() <= 310);
    let pictures = output.content.iter().filter(|part| matches!(part, Part::Image(_)));
    assert_eq!(pictures.count(), 1);
    assert!(output.to_text().contains("only the first 1 pictures"), "{output:?}");
}
