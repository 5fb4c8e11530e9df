//! JSON made shorter that stays JSON.

use serde_json::{Map, Value};

/// The value with long lists, objects and texts cut until it takes at most so many bytes; `None`
/// when even the strictest cut is too long. What is left out is counted where it stood.
pub(super) fn trim(value: &Value, max_bytes: usize) -> Option<String> {
    // Entries of a list or object, and characters of a text.
    const LIMITS: [(usize, usize); 8] =
        [(200, 4000), (100, 2000), (50, 1000), (24, 500), (12, 250), (6, 120), (4, 60), (2, 40)];
    LIMITS.into_iter().find_map(|(entries, characters)| {
        let text = shorter(value, entries, characters).to_string();
        (text.len() <= max_bytes).then_some(text)
    })
}

fn shorter(value: &Value, entries: usize, characters: usize) -> Value {
    let inner = |value: &Value| shorter(value, entries, characters);
    match value {
        Value::String(text) => match text.char_indices().nth(characters) {
            Some((end, _)) => {
                let left_out = text[end..].chars().count();
                format!("{} [… {left_out} characters left out]", &text[..end]).into()
            }
            None => value.clone(),
        },
        Value::Array(items) if items.len() > entries => {
            let tail = items.len() - entries / 2;
            let head = entries - entries / 2;
            let note = format!("[… {} of {} items left out]", tail - head, items.len());
            let kept = items[..head].iter().map(inner);
            kept.chain([note.into()]).chain(items[tail..].iter().map(inner)).collect()
        }
        Value::Array(items) => items.iter().map(inner).collect(),
        Value::Object(members) => {
            let mut kept: Map<String, Value> = members
                .iter()
                .take(entries)
                .map(|(key, value)| (key.clone(), inner(value)))
                .collect();
            if members.len() > entries {
                let left_out = members.len() - entries;
                kept.insert("…".into(), format!("{left_out} members left out").into());
            }
            Value::Object(kept)
        }
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keeps_the_shape_and_both_ends_of_lists() {
        let rows: Vec<_> = (0..1000).map(|id| json!({"id": id, "name": "n".repeat(90)})).collect();
        let text = trim(&json!({"rows": rows}), 2000).unwrap();
        assert!(text.len() <= 2000);
        let value: Value = serde_json::from_str(&text).unwrap();
        let rows = value["rows"].as_array().unwrap();
        assert_eq!((&rows[0]["id"], &rows[rows.len() - 1]["id"]), (&json!(0), &json!(999)));
        assert!(text.contains("of 1000 items left out"), "{text}");
    }

    #[test]
    fn gives_up_where_nothing_can_be_cut() {
        let deep = (0..60).fold(json!(1), |inner, _| json!({"a long name for a member": inner}));
        assert_eq!(trim(&deep, 200), None);
    }
}
