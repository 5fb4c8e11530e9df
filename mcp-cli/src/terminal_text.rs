//! Text from servers and models, made harmless for a terminal.

use std::{borrow::Cow, fmt::Write as _, str::Chars};

use crate::theme::SEQUENCES;

/// Removes what could take control of a terminal or disguise text: escape sequences, control
/// characters other than tab and line feed, and characters that change the writing direction.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    clean_but(text, |_| None)
}

/// [`clean`], which leaves our own colors. All that is written in our own words passes here, so that
/// a name in the middle of them that nobody cleaned does no harm.
pub(crate) fn clean_painted(text: &str) -> Cow<'_, str> {
    clean_but(text, |rest| SEQUENCES.into_iter().find(|sequence| rest.starts_with(sequence)))
}

/// `keep` is given the text from an escape on, and tells which sequence there stays.
fn clean_but(text: &str, keep: impl Fn(&str) -> Option<&'static str>) -> Cow<'_, str> {
    if !text.chars().any(is_dangerous) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '\u{1b}'
            && let Some(kept) = keep(rest)
        {
            out.push_str(kept);
            rest = &rest[kept.len()..];
            continue;
        }
        let mut chars = rest[c.len_utf8()..].chars();
        take(c, &mut chars, &mut out);
        rest = chars.as_str();
    }
    Cow::Owned(out)
}

/// One character, or the sequence that it begins.
fn take(c: char, chars: &mut Chars<'_>, out: &mut String) {
    match c {
        '\u{1b}' => skip_escape(chars),
        // C1 introducers: CSI; DCS, SOS, OSC, PM and APC.
        '\u{9b}' => skip_csi(chars),
        '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(chars),
        // A Windows line end; a lone return would let a line overwrite itself.
        '\r' if peek(chars) == Some('\n') => (),
        '\r' => out.push('\n'),
        c if is_dangerous(c) => (),
        c => out.push(c),
    }
}

/// [`clean`], with every line break and tab turned into one space.
pub(crate) fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for part in clean(text).split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(part);
    }
    out
}

/// JSON text whose dangerous characters are escaped, so that it shows on a terminal as what it is.
pub(crate) fn escape_json(json: &str) -> Cow<'_, str> {
    if !json.chars().any(is_dangerous) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_dangerous(c) {
            // Every such character is of the basic plane, so one escape is enough. Writing to a
            // `String` cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Shortens to a number of characters, the last of which says that something is missing.
pub(crate) fn shorten(text: &str, max_chars: usize) -> Cow<'_, str> {
    if text.chars().count() <= max_chars {
        return Cow::Borrowed(text);
    }
    let mut short: String = text.chars().take(max_chars.saturating_sub(1)).collect();
    short.push('…');
    Cow::Owned(short)
}

fn is_dangerous(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        // Direction marks, embeddings, overrides and isolates.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            true
        }
        c => c.is_control(),
    }
}

fn peek(chars: &Chars<'_>) -> Option<char> {
    chars.clone().next()
}

/// The next character, if it is such a one.
fn next_if(chars: &mut Chars<'_>, wanted: impl Fn(char) -> bool) -> Option<char> {
    let next = peek(chars).filter(|c| wanted(*c))?;
    chars.next();
    Some(next)
}

fn skip_escape(chars: &mut Chars<'_>) {
    match peek(chars) {
        Some('[') => {
            chars.next();
            skip_csi(chars);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            chars.next();
            skip_string(chars);
        }
        // Intermediate bytes, then one final byte, as in `ESC ( B`.
        Some(' '..='~') => {
            while next_if(chars, |c| (' '..='/').contains(&c)).is_some() {}
            next_if(chars, |c| ('0'..='~').contains(&c));
        }
        _ => (),
    }
}

fn skip_csi(chars: &mut Chars<'_>) {
    while next_if(chars, |c| (' '..='?').contains(&c)).is_some() {}
    next_if(chars, |c| ('@'..='~').contains(&c));
}

/// Skips to the string terminator; a line break ends a string that nobody closed.
fn skip_string(chars: &mut Chars<'_>) {
    while let Some(c) = next_if(chars, |c| c != '\n') {
        match c {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                next_if(chars, |c| c == '\\');
                return;
            }
            _ => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_text_and_removes_control() {
        for (text, want) in [
            ("plain ünïcode 漢字 🎉\n\tindented", "plain ünïcode 漢字 🎉\n\tindented"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]8;;http://evil\u{7}link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{1b}]0;title\nnext", "\nnext"),
            ("\u{1b}(Bx\u{1b}cy\u{1b}", "xy"),
            ("\u{9b}2Ja\u{9d}0;t\u{9c}b", "ab"),
            ("a\u{8}\u{0}\u{7f}b", "ab"),
            ("one\r\ntwo\rthree", "one\ntwo\nthree"),
            ("\u{202e}gpj.exe\u{202c}", "gpj.exe"),
            ("a\u{2066}b\u{2069}\u{200f}c", "abc"),
            // Joins emoji and scripts; harmless.
            ("👩\u{200d}💻", "👩\u{200d}💻"),
        ] {
            assert_eq!(clean(text), want, "{text:?}");
        }
    }

    #[test]
    fn makes_one_line() {
        assert_eq!(one_line(" a\n\n  b\tc\u{1b}[1m "), "a b c");
        assert_eq!(shorten("abcdef", 4), "abc…");
        assert_eq!(shorten("abcd", 4), "abcd");
        assert_eq!(escape_json("\"a\u{9b}\u{202e}é\""), "\"a\\u009b\\u202eé\"");
    }
}
