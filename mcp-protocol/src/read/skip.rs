//! Values that stay text: checked to be JSON, and left where they are.

use super::{Reader, Refused};
use crate::scan;

/// How deep a value that stays text may nest here: one bit each.
const MAX_DEPTH: u32 = u64::BITS;

/// The brackets that are open, innermost last: a set bit is an object.
#[derive(Default)]
struct Open {
    objects: u64,
    depth: u32,
}

impl Open {
    fn push(&mut self, object: bool) -> Result<(), Refused> {
        if self.depth == MAX_DEPTH {
            return Err(Refused);
        }
        self.objects = self.objects << 1 | u64::from(object);
        self.depth += 1;
        Ok(())
    }

    fn pop(&mut self) {
        self.objects >>= 1;
        self.depth -= 1;
    }

    fn is_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

impl Reader<'_> {
    /// Goes to the end of the value that begins here, whose inside may not be JSON.
    pub(super) fn pass(&mut self) -> Result<(), Refused> {
        self.at = scan::skip_value(self.bytes(), self.at).map_err(|_| Refused)?;
        Ok(())
    }

    /// Goes to the end of the next value.
    pub(super) fn skip_value(&mut self) -> Result<(), Refused> {
        let mut open = Open::default();
        loop {
            match self.peek()? {
                b'"' => self.skip_string()?,
                b'{' => {
                    self.at += 1;
                    if self.peek()? != b'}' {
                        open.push(true)?;
                        self.skip_key()?;
                        continue;
                    }
                    self.at += 1;
                }
                b'[' => {
                    self.at += 1;
                    if self.peek()? != b']' {
                        open.push(false)?;
                        continue;
                    }
                    self.at += 1;
                }
                b't' => self.word("true")?,
                b'f' => self.word("false")?,
                b'n' => self.word("null")?,
                _ => _ = self.skip_number()?,
            }
            loop {
                if open.depth == 0 {
                    return Ok(());
                }
                match (self.peek()?, open.is_object()) {
                    (b',', true) => {
                        self.at += 1;
                        self.skip_key()?;
                        break;
                    }
                    (b',', false) => {
                        self.at += 1;
                        break;
                    }
                    (b'}', true) | (b']', false) => {
                        self.at += 1;
                        open.pop();
                    }
                    _ => return Err(Refused),
                }
            }
        }
    }

    fn skip_key(&mut self) -> Result<(), Refused> {
        if self.peek()? != b'"' {
            return Err(Refused);
        }
        self.skip_string()?;
        self.expect(b':')
    }

    /// Goes to the end of the number that begins here. Whether it is a whole one.
    pub(super) fn skip_number(&mut self) -> Result<bool, Refused> {
        if self.next_is(b'-') {
            self.at += 1;
        }
        if self.next_is(b'0') {
            self.at += 1;
        } else {
            self.skip_digits()?;
        }
        let mut whole = true;
        if self.next_is(b'.') {
            whole = false;
            self.at += 1;
            self.skip_digits()?;
        }
        if self.next_is(b'e') || self.next_is(b'E') {
            whole = false;
            self.at += 1;
            if self.next_is(b'+') || self.next_is(b'-') {
                self.at += 1;
            }
            self.skip_digits()?;
        }
        Ok(whole)
    }

    /// At least one digit.
    fn skip_digits(&mut self) -> Result<(), Refused> {
        let start = self.at;
        while self.bytes().get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(Refused) }
    }

    fn next_is(&self, byte: u8) -> bool {
        self.bytes().get(self.at) == Some(&byte)
    }
}
