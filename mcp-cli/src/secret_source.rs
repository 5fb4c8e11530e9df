//! Where a secret comes from. Never the command line: other users of a machine see that.

use std::{env, fs, path::PathBuf, str::FromStr};

use mcp_client::Secret;

use crate::{
    error_report::{Report, Result},
    exit_code::ErrorCode,
};

/// A place that holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretSource {
    Variable(String),
    File(PathBuf),
}

impl FromStr for SecretSource {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Variable(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            // What was written may be the secret itself.
            _ => {
                Err("write env:NAME or file:PATH; secrets are not for the command line".to_owned())
            }
        }
    }
}

impl SecretSource {
    /// The secret, without the space around it. `option` is named when there is none.
    pub(crate) fn read(&self, option: &str) -> Result<Secret> {
        let report = |text: String| Report::new(ErrorCode::Usage, text);
        let text = match self {
            Self::Variable(name) => env::var(name).map_err(|_| {
                report(format!("the variable `{name}`, which {option} names, is not set"))
            })?,
            Self::File(path) => fs::read_to_string(path).map_err(|error| {
                let path = path.display();
                report(format!("{path}, which {option} names, cannot be read"))
                    .cause(error.to_string())
            })?,
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(report(format!("what {option} names is empty")).into());
        }
        Ok(Secret::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_secrets_are_not_repeated() {
        let variable = SecretSource::Variable("KEY".into());
        assert_eq!("env:KEY".parse(), Ok(variable));
        assert_eq!("file:/run/key".parse(), Ok(SecretSource::File("/run/key".into())));
        for text in ["s3cret", "env:", "file:", "redis://:s3cret@host", ""] {
            let error = text.parse::<SecretSource>().unwrap_err();
            assert!(!error.contains("s3cret"), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        fs::write(&file, " a b\n").unwrap();
        let read = || SecretSource::File(file.clone()).read("--key");
        assert_eq!(read().ok().map(|secret| secret.reveal().to_owned()).as_deref(), Some("a b"));
        fs::write(&file, "\n").unwrap();
        assert!(read().is_err());
    }
}
