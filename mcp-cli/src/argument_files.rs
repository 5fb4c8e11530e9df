//! Files and standard input as sources of arguments.

use std::{
    fs,
    io::{self, Read as _},
};

use tokio::task::spawn_blocking;

use crate::{
    arguments::Sources,
    error_report::{Report, Result},
    exit_code::ErrorCode,
};

/// Files as they are named, and standard input, which was read before where a word asks for it.
#[derive(Debug, Default)]
pub(crate) struct ArgumentFiles {
    stdin: Vec<u8>,
}

impl ArgumentFiles {
    /// Reads standard input if a word asks for it: on a thread of its own, so that servers stay
    /// alive and Ctrl-C is heard meanwhile.
    pub(crate) async fn for_words(words: &[String]) -> Result<Self> {
        let asks = |word: &String| {
            word == "-" || word == "@-" || word.ends_with("=@-") || word.ends_with("%=-")
        };
        if !words.iter().any(asks) {
            return Ok(Self::default());
        }
        let reading = spawn_blocking(|| {
            let mut bytes = Vec::new();
            io::stdin().read_to_end(&mut bytes).map(|_| bytes)
        });
        let failed = |cause: String| {
            Report::new(ErrorCode::Unexpected, "cannot read standard input").cause(cause)
        };
        let stdin = reading
            .await
            .map_err(|error| failed(error.to_string()))?
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self { stdin })
    }
}

impl Sources for ArgumentFiles {
    fn file(&mut self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn stdin(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.stdin.clone())
    }
}
