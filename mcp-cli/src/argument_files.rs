//! Files and standard input as sources of arguments.

use std::{
    fs,
    io::{self, Read as _},
};

use crate::arguments::Sources;

/// Reads files as they are named, and standard input once.
#[derive(Debug, Default)]
pub(crate) struct ArgumentFiles {
    stdin: Option<Vec<u8>>,
}

impl Sources for ArgumentFiles {
    fn file(&mut self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn stdin(&mut self) -> io::Result<Vec<u8>> {
        if let Some(bytes) = &self.stdin {
            return Ok(bytes.clone());
        }
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes)?;
        self.stdin = Some(bytes.clone());
        Ok(bytes)
    }
}
