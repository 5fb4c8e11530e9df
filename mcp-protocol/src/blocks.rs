//! JSON text 64 bytes at a time: which brackets stand outside strings.
//!
//! Quotes and backslashes become bit masks, and carries say what the block before left open, so
//! no byte needs a branch.

use wide::u8x16;

/// How many bytes are looked at together: one per bit of a mask.
pub(crate) const BLOCK: usize = 64;

/// Looks at the block that starts at `at`, filled up with space where the text ends before.
#[inline]
pub(crate) fn look<T>(text: &[u8], at: usize, look: impl FnOnce(&[u8; BLOCK]) -> T) -> T {
    let rest = &text[at..];
    if let Some(block) = rest.first_chunk() {
        return look(block);
    }
    let mut block = [b' '; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    look(&block)
}

/// Every second bit, beginning with the lowest.
const EVEN: u64 = 0x5555_5555_5555_5555;

/// What one block leaves for the next.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Carry {
    /// The last byte was a backslash that hides the next byte.
    escaped: bool,
    /// All bits are set inside a string.
    in_string: u64,
}

impl Carry {
    /// Inside a string, forgets it and says whether a backslash hides the next byte.
    pub(crate) fn leave_string(&mut self) -> Option<bool> {
        (self.in_string != 0).then(|| std::mem::take(self).escaped)
    }
}

/// The brackets of a block, one bit per byte, the first byte lowest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Brackets {
    pub(crate) open: u64,
    pub(crate) close: u64,
}

impl Brackets {
    /// The brackets outside strings.
    pub(crate) fn of(block: &[u8; BLOCK], carry: &mut Carry) -> Self {
        let [mut quotes, mut backslashes, mut open, mut close] = [0; 4];
        for (index, step) in block.as_chunks::<16>().0.iter().enumerate() {
            let step = u8x16::from(*step);
            // `[` and `]` differ from `{` and `}` by this bit alone.
            let folded = step | u8x16::splat(0x20);
            let mask = |bytes: u8x16, byte| {
                u64::from(bytes.simd_eq(u8x16::splat(byte)).to_bitmask()) << (16 * index)
            };
            quotes |= mask(step, b'"');
            backslashes |= mask(step, b'\\');
            open |= mask(folded, b'{');
            close |= mask(folded, b'}');
        }
        quotes &= !hidden(backslashes, &mut carry.escaped);
        let strings = toggled(quotes) ^ carry.in_string;
        carry.in_string = 0_u64.wrapping_sub(strings >> 63);
        Self { open: open & !strings, close: close & !strings }
    }
}

/// The quotes of a block that no backslash hides.
pub(crate) fn quotes(block: &[u8; BLOCK], escaped: &mut bool) -> u64 {
    let [mut quotes, mut backslashes] = [0; 2];
    for (index, step) in block.as_chunks::<16>().0.iter().enumerate() {
        let step = u8x16::from(*step);
        let mask = |byte| u64::from(step.simd_eq(u8x16::splat(byte)).to_bitmask()) << (16 * index);
        quotes |= mask(b'"');
        backslashes |= mask(b'\\');
    }
    quotes & !hidden(backslashes, escaped)
}

/// The quotes and backslashes among a few bytes, one bit per byte, the first byte lowest.
pub(crate) fn quotes_and_backslashes(step: &[u8; 16]) -> u32 {
    let step = u8x16::from(*step);
    (step.simd_eq(u8x16::splat(b'"')) | step.simd_eq(u8x16::splat(b'\\'))).to_bitmask()
}

/// The bytes that a backslash hides: of a run of backslashes, every second.
fn hidden(backslashes: u64, carry: &mut bool) -> u64 {
    let carried = u64::from(*carry);
    if backslashes == 0 {
        *carry = false;
        return carried;
    }
    let backslashes = backslashes & !carried;
    let follows = backslashes << 1 | carried;
    let odd_starts = backslashes & !EVEN & !follows;
    // The sum carries each run that starts at an odd place to its end.
    let (runs, overflow) = odd_starts.overflowing_add(backslashes);
    *carry = overflow;
    (EVEN ^ (runs << 1)) & follows
}

/// All bits from each odd set bit to the next.
fn toggled(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Byte by byte.
    fn plainly(text: &[u8]) -> Vec<(usize, u8)> {
        let (mut found, mut in_string, mut hidden) = (Vec::new(), false, false);
        for (at, &byte) in text.iter().enumerate() {
            if std::mem::take(&mut hidden) {
                // In JSON no backslash stands outside a string; masks do not look.
                if !in_string && b"{}[]".contains(&byte) {
                    found.push((at, byte));
                }
                continue;
            }
            match byte {
                b'\\' => hidden = true,
                b'"' => in_string = !in_string,
                b'{' | b'}' | b'[' | b']' if !in_string => found.push((at, byte)),
                _ => {}
            }
        }
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn same_as_byte_by_byte(text in r#"([a"{}]|\\|\\\\|\[|\]){0,200}"#) {
            let mut carry = Carry::default();
            let mut found = Vec::new();
            for (index, chunk) in text.as_bytes().chunks(BLOCK).enumerate() {
                let mut block = [b' '; BLOCK];
                block[..chunk.len()].copy_from_slice(chunk);
                let Brackets { open, close } = Brackets::of(&block, &mut carry);
                prop_assert_eq!(open & close, 0);
                for (bit, byte) in block.into_iter().enumerate() {
                    if (open | close) >> bit & 1 == 1 {
                        found.push((index * BLOCK + bit, byte));
                    }
                }
            }
            prop_assert_eq!(found, plainly(text.as_bytes()));
        }
    }
}
