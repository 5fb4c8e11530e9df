//! Finds the members of a JSON-RPC object without building a tree.
//!
//! Only the shape that matters for routing is looked at: string boundaries and nesting. Whether the
//! values themselves are good JSON is found by whoever reads them into a type.

use std::ops::Range;

use memchr::memchr2;

use crate::blocks::{BLOCK, Brackets, Carry, look, quotes, quotes_and_backslashes};

/// Where the members of one JSON-RPC object lie in its text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Members {
    pub(crate) id: Option<Range<usize>>,
    pub(crate) method: Option<Range<usize>>,
    pub(crate) params: Option<Range<usize>>,
    pub(crate) result: Option<Range<usize>>,
    pub(crate) error: Option<Range<usize>>,
}

/// The text is not one JSON object; `at` is the byte where this became clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) at: usize,
    pub(crate) expected: &'static str,
}

/// Finds the members of the object in `text`.
pub(crate) fn members(text: &[u8]) -> Result<Members, Malformed> {
    let mut found = Members::default();
    entries(text, |key, value| {
        let slot = match key {
            b"id" => &mut found.id,
            b"method" => &mut found.method,
            b"params" => &mut found.params,
            b"result" => &mut found.result,
            b"error" => &mut found.error,
            _ => return,
        };
        *slot = Some(value);
    })?;
    Ok(found)
}

/// Calls `visit` with each key (as written, escapes included) and the range of its value.
pub(crate) fn entries(
    text: &[u8],
    mut visit: impl FnMut(&[u8], Range<usize>),
) -> Result<(), Malformed> {
    let mut at = expect(text, skip_space(text, 0), b'{', "`{`")?;
    at = skip_space(text, at);
    if text.get(at) == Some(&b'}') {
        return end(text, at + 1);
    }
    loop {
        at = skip_space(text, at);
        let key_end = skip_string(text, at)?;
        let key = &text[at + 1..key_end - 1];
        at = expect(text, skip_space(text, key_end), b':', "`:`")?;
        at = skip_space(text, at);
        let value_end = skip_value(text, at)?;
        visit(key, at..value_end);
        at = skip_space(text, value_end);
        match text.get(at) {
            Some(b',') => at += 1,
            Some(b'}') => return end(text, at + 1),
            _ => return Err(Malformed { at, expected: "`,` or `}`" }),
        }
    }
}

/// Splits the elements of the array in `text`.
pub(crate) fn elements(text: &[u8]) -> Result<Vec<Range<usize>>, Malformed> {
    let mut found = Vec::new();
    let mut at = expect(text, skip_space(text, 0), b'[', "`[`")?;
    at = skip_space(text, at);
    if text.get(at) == Some(&b']') {
        return end(text, at + 1).map(|()| found);
    }
    loop {
        at = skip_space(text, at);
        let value_end = skip_value(text, at)?;
        found.push(at..value_end);
        at = skip_space(text, value_end);
        match text.get(at) {
            Some(b',') => at += 1,
            Some(b']') => return end(text, at + 1).map(|()| found),
            _ => return Err(Malformed { at, expected: "`,` or `]`" }),
        }
    }
}

fn end(text: &[u8], at: usize) -> Result<(), Malformed> {
    let at = skip_space(text, at);
    if at == text.len() { Ok(()) } else { Err(Malformed { at, expected: "the end" }) }
}

fn expect(text: &[u8], at: usize, byte: u8, name: &'static str) -> Result<usize, Malformed> {
    if text.get(at) == Some(&byte) { Ok(at + 1) } else { Err(Malformed { at, expected: name }) }
}

fn skip_space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = text.get(at) {
        at += 1;
    }
    at
}

/// Goes to the end of the value that begins at `at`.
pub(crate) fn skip_value(text: &[u8], at: usize) -> Result<usize, Malformed> {
    match text.get(at) {
        Some(b'"') => skip_string(text, at),
        Some(b'{' | b'[') => skip_nested(text, at),
        Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
            let rest = &text[at..];
            let stop = |b: &u8| matches!(b, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
            Ok(at + rest.iter().position(stop).unwrap_or(rest.len()))
        }
        _ => Err(Malformed { at, expected: "a value" }),
    }
}

fn skip_string(text: &[u8], at: usize) -> Result<usize, Malformed> {
    string_end(text, expect(text, at, b'"', "a string")?)
}

/// Goes from the inside of a string to behind its end.
pub(crate) fn string_end(text: &[u8], at: usize) -> Result<usize, Malformed> {
    let endless = Malformed { at: text.len(), expected: "the end of a string" };
    let mut at = match quote_or_backslash(text, at) {
        None => return Err(endless),
        Some(quote) if text[quote] == b'"' => return Ok(quote + 1),
        Some(backslash) => backslash,
    };
    // Where one byte is escaped others are, and a search from each to the next would be slow.
    let mut escaped = false;
    while at < text.len() {
        let quotes = look(text, at, |block| quotes(block, &mut escaped));
        if quotes != 0 {
            return Ok(at + quotes.trailing_zeros() as usize + 1);
        }
        at += BLOCK;
    }
    Err(endless)
}

fn quote_or_backslash(text: &[u8], mut at: usize) -> Option<usize> {
    // Most strings are short, and a search in long steps has its price.
    if let Some(step) = text.get(at..)?.first_chunk() {
        let found = quotes_and_backslashes(step);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize);
        }
        at += step.len();
    }
    Some(at + memchr2(b'"', b'\\', &text[at..])?)
}

fn skip_nested(text: &[u8], start: usize) -> Result<usize, Malformed> {
    let mut carry = Carry::default();
    let mut depth = 0_usize;
    let mut at = start;
    while at < text.len() {
        let Brackets { open, close } = look(text, at, |block| Brackets::of(block, &mut carry));
        let (opened, closed) = (open.count_ones() as usize, close.count_ones() as usize);
        // The end is here only if all that was open could be closed.
        if depth <= closed
            && let Some(end) = end_of_nested(open, close, depth)
        {
            return Ok(at + end);
        }
        depth = depth + opened - closed;
        at += BLOCK;
        // What may be a long string is searched in longer steps.
        if let Some(hidden) = carry.leave_string() {
            at = string_end(text, at + usize::from(hidden))?;
        }
    }
    Err(Malformed { at: text.len(), expected: "the end of an object or array" })
}

/// Where the depth comes to zero, from `depth` at the start of the block.
fn end_of_nested(open: u64, close: u64, mut depth: usize) -> Option<usize> {
    let mut brackets = open | close;
    while brackets != 0 {
        let lowest = brackets & brackets.wrapping_neg();
        if open & lowest != 0 {
            depth += 1;
        } else {
            depth -= 1;
            if depth == 0 {
                return Some(lowest.trailing_zeros() as usize + 1);
            }
        }
        brackets ^= lowest;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn finds_members_in_any_order_and_spacing() {
        let text = br#" { "result" : {"a":"}\"{"} , "jsonrpc":"2.0","id" : 7 } "#;
        let found = members(text).unwrap();
        assert_eq!(&text[found.id.unwrap()], b"7");
        assert_eq!(&text[found.result.unwrap()], br#"{"a":"}\"{"}"#);
    }

    #[test]
    fn refuses_what_is_not_one_object() {
        for text in ["", "{", "[]", "nonsense", r#"{"a"}"#, r#"{"a":}"#, "{} {}", r#"{"a":"b"#] {
            assert!(members(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn finds_the_end_wherever_it_lies() {
        for len in 0..200 {
            for inside in ["a", r"\\", r#"\""#, "}", "\u{e9}"] {
                let value = format!(r#"{{"k":[{{"s":"{}"}}],"n":{{}}}}"#, inside.repeat(len));
                let text = format!(r#"{{"result":{value},"id":1}}"#);
                let found = members(text.as_bytes()).unwrap();
                assert_eq!(&text[found.result.unwrap()], value);
                assert_eq!(&text[found.id.unwrap()], "1");
            }
        }
    }

    proptest! {
        #[test]
        fn a_string_ends_where_a_reader_of_bytes_says(text in r#"[a"\\]{0,200}a{0,70}["\\]{0,9}"#) {
            let mut bytes = text.bytes().enumerate();
            let end = loop {
                match bytes.next() {
                    None => break None,
                    Some((at, b'"')) => break Some(at + 1),
                    Some((_, b'\\')) => drop(bytes.next()),
                    Some(_) => {}
                }
            };
            prop_assert_eq!(string_end(text.as_bytes(), 0).ok(), end, "{}", text);
        }

        #[test]
        fn never_panics(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = members(&text);
            let _ = elements(&text);
        }

        #[test]
        fn never_panics_on_json_like_text(text in r#"[{}\[\]":,\\a0 ]{0,60}"#) {
            let _ = members(text.as_bytes());
            let _ = elements(text.as_bytes());
        }
    }
}
