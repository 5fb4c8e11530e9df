//! Strings, with and without escapes.

use serde::de::Visitor;
use wide::u8x16;

use super::{Reader, Refused};
use crate::{
    blocks::{BLOCK, look},
    scan,
};

/// The next byte from `at` on that is not plain: a quote, a backslash or a control character.
fn next_special(text: &[u8], mut at: usize) -> Option<usize> {
    // Most strings end within one step; the others are worth longer ones.
    if let Some(step) = text.get(at..)?.first_chunk::<16>() {
        let special = specials(*step).to_bitmask();
        if special != 0 {
            return Some(at + special.trailing_zeros() as usize);
        }
        at += 16;
    }
    while let Some(block) = text.get(at..)?.first_chunk() {
        let special = specials_of(block);
        if special != 0 {
            return Some(at + special.trailing_zeros() as usize);
        }
        at += BLOCK;
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..b' ');
    Some(at + text.get(at..)?.iter().position(is_special)?)
}

/// The bytes of a block that are not plain, one bit per byte.
fn specials_of(block: &[u8; BLOCK]) -> u64 {
    let (steps, _) = block.as_chunks::<16>();
    let [a, b, c, d] = [0, 1, 2, 3].map(|index| specials(steps[index]));
    if (a | b | c | d).to_bitmask() == 0 {
        return 0;
    }
    let mask = |special: u8x16| u64::from(special.to_bitmask());
    mask(a) | mask(b) << 16 | mask(c) << 32 | mask(d) << 48
}

/// All bits of each byte that is not plain.
fn specials(step: [u8; 16]) -> u8x16 {
    let step = u8x16::from(step);
    let control = step.min(u8x16::splat(b' ' - 1)).simd_eq(step);
    step.simd_eq(u8x16::splat(b'"')) | step.simd_eq(u8x16::splat(b'\\')) | control
}

impl<'de> Reader<'de> {
    /// Reads the string whose quote is here.
    pub(super) fn string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Refused> {
        let start = self.at + 1;
        let special = next_special(self.bytes(), start).ok_or(Refused)?;
        if self.bytes()[special] == b'"' {
            self.at = special + 1;
            return visitor.visit_borrowed_str(&self.text[start..special]);
        }
        self.at = scan::string_end(self.bytes(), special).map_err(|_| Refused)?;
        visitor.visit_string(unescaped(&self.text[start..self.at - 1])?)
    }

    /// Goes to the end of the string whose quote is here.
    pub(super) fn skip_string(&mut self) -> Result<(), Refused> {
        let special = next_special(self.bytes(), self.at + 1).ok_or(Refused)?;
        self.skip_string_from(special)
    }

    /// Goes to the end of a string that is plain up to `special`.
    fn skip_string_from(&mut self, mut special: usize) -> Result<(), Refused> {
        loop {
            match self.bytes()[special] {
                b'"' => {
                    self.at = special + 1;
                    return Ok(());
                }
                b'\\' => {
                    let after = special + 1 + escape_len(&self.bytes()[special + 1..])?;
                    special = next_special(self.bytes(), after).ok_or(Refused)?;
                }
                _ => return Err(Refused),
            }
        }
    }
}

/// How long an escape is, without its backslash.
fn escape_len(rest: &[u8]) -> Result<usize, Refused> {
    match rest {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Ok(1),
        [b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => {
            Ok(5)
        }
        _ => Err(Refused),
    }
}

/// The inside of a string without its escapes.
fn unescaped(inside: &str) -> Result<String, Refused> {
    let bytes = inside.as_bytes();
    // Never too little: an escape is longer than what it stands for.
    let mut text = String::with_capacity(bytes.len());
    let mut taken = 0;
    for start in (0..bytes.len()).step_by(BLOCK) {
        let mut specials = look(bytes, start, specials_of);
        while specials != 0 {
            let at = start + specials.trailing_zeros() as usize;
            specials &= specials - 1;
            // The second byte of an escape may be special too.
            if at < taken {
                continue;
            }
            text.push_str(&inside[taken..at]);
            // Control characters must be escaped.
            if bytes[at] != b'\\' {
                return Err(Refused);
            }
            let (character, len) = escaped(&bytes[at + 1..])?;
            text.push(character);
            taken = at + 1 + len;
        }
    }
    text.push_str(&inside[taken..]);
    Ok(text)
}

/// What an escape stands for, and how long it is without its backslash.
fn escaped(rest: &[u8]) -> Result<(char, usize), Refused> {
    let character = match rest.first() {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'u') => return escaped_unit(rest),
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        _ => return Err(Refused),
    };
    Ok((character, 1))
}

/// `\uXXXX`, or a pair of them.
#[cold]
fn escaped_unit(rest: &[u8]) -> Result<(char, usize), Refused> {
    let unit = |at: usize| {
        let digits = rest.get(at..at + 4).and_then(|digits| std::str::from_utf8(digits).ok())?;
        u16::from_str_radix(digits, 16).ok()
    };
    let first = unit(1).ok_or(Refused)?;
    if let Some(character) = char::from_u32(first.into()) {
        return Ok((character, 5));
    }
    let pair = if rest.get(5..7) == Some(b"\\u") { unit(7) } else { None };
    let pair = [first, pair.ok_or(Refused)?];
    // Half a pair stands for nothing.
    match char::decode_utf16(pair).next() {
        Some(Ok(character)) => Ok((character, 11)),
        _ => Err(Refused),
    }
}
