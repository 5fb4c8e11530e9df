//! Statements of others about who we are: the token that a platform gives a workload, or an
//! identity provider a person.

use std::{fmt, future::Future, io, path::PathBuf, sync::Arc};

use mcp_transport::{BoxFuture, error::BoxError};

use crate::Secret;

/// The largest file that is taken for an assertion.
const MAX_BYTES: u64 = 256 << 10;

/// Where an assertion comes from. It is asked anew each time one is needed, since assertions are
/// short-lived and whoever issues them replaces them.
///
/// ```
/// use mcp_client::oauth::AssertionSource;
///
/// let kubernetes = AssertionSource::file("/var/run/secrets/tokens/mcp");
/// ```
#[derive(Clone)]
pub struct AssertionSource {
    name: Arc<str>,
    get: Arc<dyn Fn() -> BoxFuture<'static, Result<Secret, BoxError>> + Send + Sync>,
}

/// There is no assertion.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssertionError {
    /// The file cannot be read.
    #[error("cannot read the assertion in {path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The environment does not have the variable, or not as text.
    #[error("the environment variable {name}, which should hold an assertion, is not set")]
    Variable {
        /// Its name.
        name: String,
    },
    /// What was found is not text, is empty, or is too long.
    #[error("{origin} holds no assertion")]
    NotOne {
        /// The file or variable.
        origin: String,
    },
    /// The user's own source failed.
    #[error("no assertion could be had")]
    Callback(#[source] BoxError),
}

impl AssertionSource {
    /// A file, read anew each time: the projected token of a Kubernetes service account, a SPIFFE
    /// JWT-SVID that an agent renews.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = path.display().to_string();
        Self::new(name, move || {
            let path = path.clone();
            async move {
                let read = tokio::task::spawn_blocking(move || read_file(path)).await;
                read.map_err(BoxError::from)?.map_err(BoxError::from)
            }
        })
    }

    /// An environment variable of this process.
    pub fn variable(name: impl Into<String>) -> Self {
        let variable = name.into();
        Self::new(format!("the environment variable {variable}"), move || {
            let found = std::env::var(&variable).ok();
            let name = variable.clone();
            async move {
                let text = found.ok_or_else(|| AssertionError::Variable { name: name.clone() })?;
                let origin = || format!("the environment variable {name}");
                Ok(checked(&text).ok_or_else(|| AssertionError::NotOne { origin: origin() })?)
            }
        })
    }

    /// A function, called anew each time: the metadata service of a cloud, the OIDC endpoint of a
    /// build system, a single sign-on that refreshes its tokens.
    pub fn callback<F, Fut>(get: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Secret, BoxError>> + Send + 'static,
    {
        Self::new("a callback".to_owned(), get)
    }

    fn new<F, Fut>(name: String, get: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Secret, BoxError>> + Send + 'static,
    {
        Self { name: name.into(), get: Arc::new(move || Box::pin(get())) }
    }

    /// What people call it; no secret.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The assertion as it is now.
    pub(super) async fn get(&self) -> Result<Secret, AssertionError> {
        (self.get)().await.map_err(|error| match error.downcast::<AssertionError>() {
            Ok(error) => *error,
            Err(error) => AssertionError::Callback(error),
        })
    }
}

fn read_file(path: PathBuf) -> Result<Secret, AssertionError> {
    let read = std::fs::File::open(&path).and_then(|file| {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(file, MAX_BYTES), &mut bytes)?;
        Ok(bytes)
    });
    match read {
        Ok(bytes) => std::str::from_utf8(&bytes)
            .ok()
            .and_then(checked)
            .ok_or_else(|| AssertionError::NotOne { origin: path.display().to_string() }),
        Err(source) => Err(AssertionError::File { path, source }),
    }
}

fn checked(text: &str) -> Option<Secret> {
    let text = text.trim();
    let fits = u64::try_from(text.len()).is_ok_and(|length| length < MAX_BYTES);
    (fits && !text.is_empty()).then(|| Secret::new(text))
}

impl fmt::Debug for AssertionSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AssertionSource").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_read_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let source = AssertionSource::file(&path);
        assert!(matches!(source.get().await, Err(AssertionError::File { .. })));
        for text in ["one", "two"] {
            std::fs::write(&path, format!("{text}\n")).unwrap();
            assert_eq!(source.get().await.unwrap().reveal(), text);
        }
        std::fs::write(&path, " \n").unwrap();
        assert!(matches!(source.get().await, Err(AssertionError::NotOne { .. })));
    }

    #[tokio::test]
    async fn a_variable_that_is_not_set_is_named() {
        let error = AssertionSource::variable("NO_SUCH_VARIABLE_HERE").get().await.unwrap_err();
        assert!(error.to_string().contains("NO_SUCH_VARIABLE_HERE"), "{error}");
        let path = AssertionSource::variable("PATH").get().await.unwrap();
        assert_eq!(path.reveal(), std::env::var("PATH").unwrap());
    }

    #[tokio::test]
    async fn the_error_of_a_callback_is_kept() {
        let source = AssertionSource::callback(|| async { Err("the cloud is down".into()) });
        let error = source.get().await.unwrap_err();
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.to_string(), "the cloud is down");
    }
}
