//! Over the standard streams: blocking reads and writes, one write for all that one read brought.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;

use anyhow::Result;

use crate::answers::{Answer, Answers, HEAD};

/// A body larger than this is written from where it lies.
const COPIED_BYTES: usize = 64 * 1024;

/// Serves until standard input ends.
pub(crate) fn serve(answers: &Answers) -> Result<()> {
    // Not through the standard library's buffers, which would copy and split at lines.
    let mut input = File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let mut output = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    let mut buffer = vec![0; 64 * 1024];
    let mut filled = 0;
    let mut out = Vec::with_capacity(COPIED_BYTES * 2);
    loop {
        if filled == buffer.len() {
            buffer.resize(filled * 2, 0);
        }
        let read = input.read(&mut buffer[filled..])?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let mut start = 0;
        while let Some(length) = memchr::memchr(b'\n', &buffer[start..filled]) {
            let line = &buffer[start..start + length];
            start += length + 1;
            let Answer::Response { id, key, body } = answers.to(line) else { continue };
            out.extend_from_slice(HEAD);
            out.extend_from_slice(id);
            out.extend_from_slice(b",\"");
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(b"\":");
            if body.len() <= COPIED_BYTES {
                out.extend_from_slice(body);
            } else {
                output.write_all(&out)?;
                output.write_all(body)?;
                out.clear();
            }
            out.extend_from_slice(b"}\n");
        }
        output.write_all(&out)?;
        out.clear();
        buffer.copy_within(start..filled, 0);
        filled -= start;
    }
}
