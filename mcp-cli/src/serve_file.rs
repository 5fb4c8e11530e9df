//! The file of `mcp serve`: who is let in, how much is taken on, and who is told when something is
//! wrong.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use etcetera::BaseStrategy as _;
use mcp_agent::service::{
    AccessSettings, ApiKey, JwtIssuer, ServerTemplate, Service, ServiceLimits, ServiceOptions,
};
use mcp_client::{Hub, config::ConfigWatch};
use serde::Deserialize;
use tokio::task::AbortHandle;

use crate::{
    alerts::{self, AlertEntry, Alerting, WebhookEntry},
    error_report::{CliError, Report, Result},
    exit_code::ErrorCode,
    messages::Messages,
    terminal_text::one_line,
};

/// What is written in the file. A word that is not known here is an error: it may be a misspelt
/// restriction.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServeFile {
    public_url: Option<String>,
    #[serde(default)]
    key: Vec<ApiKey>,
    #[serde(default)]
    jwt: Vec<JwtIssuer>,
    #[serde(default)]
    limits: ServiceLimits,
    #[serde(default)]
    alert: Vec<AlertEntry>,
    webhook: Option<WebhookEntry>,
    #[serde(default)]
    template: Vec<ServerTemplate>,
}

impl ServeFile {
    /// Reads a file. One that is not there says nothing, unless it was named.
    pub(crate) fn read(named: Option<&Path>) -> Result<Self> {
        let Some(path) = named.map(Path::to_owned).or_else(usual_path) else {
            return Ok(Self::default());
        };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => {
                return Ok(Self::default());
            }
            Err(error) => return Err(unreadable(&path, &error)),
        };
        check_mode(&path)?;
        let file: Self = toml_edit::de::from_str(&text).map_err(|error| {
            Report::new(ErrorCode::Config, format!("{} cannot be used", path.display()))
                .cause(error.to_string().trim_end().to_owned())
        })?;
        alerts::rules(&file.alert, file.webhook.as_ref())?;
        file.access().check().map_err(|error| {
            let text = format!("{} cannot be used", path.display());
            Report::new(ErrorCode::Config, text).cause(error.to_string())
        })?;
        drop(file.with_templates(ServiceOptions::new())?);
        Ok(file)
    }

    /// Reads a file for a service, which needs the secrets that it names.
    pub(crate) fn read_to_serve(named: Option<&Path>) -> Result<Self> {
        let file = Self::read(named)?;
        file.access().check_secrets().map_err(|error| {
            Report::new(ErrorCode::Config, "people cannot sign in").cause(error.to_string())
        })?;
        Ok(file)
    }

    /// Lets administrators start servers of the commands that are written down.
    pub(crate) fn with_templates(&self, options: ServiceOptions) -> Result<ServiceOptions> {
        options.templates(&self.template).map_err(|error| {
            let report = Report::new(ErrorCode::Config, "a template cannot be used");
            report.cause(error.to_string()).causes_of(&error).into()
        })
    }

    /// How much is taken on.
    pub(crate) fn limits(&self) -> ServiceLimits {
        self.limits.clone()
    }

    /// Tells of what is wrong with servers, as long as what is given lives.
    pub(crate) fn alerts(&self, hub: &Hub) -> Result<Option<Alerting>> {
        alerts::begin(&self.alert, self.webhook.as_ref(), hub)
    }

    /// Who is let in.
    pub(crate) fn access(&self) -> AccessSettings {
        let mut access = AccessSettings::default();
        access.public_url.clone_from(&self.public_url);
        access.keys.clone_from(&self.key);
        access.issuers.clone_from(&self.jwt);
        access
    }
}

/// `~/.config/mcp/serve.toml`, or its place under `XDG_CONFIG_HOME`.
pub(crate) fn usual_path() -> Option<PathBuf> {
    let folders = etcetera::base_strategy::choose_base_strategy().ok()?;
    Some(folders.config_dir().join("mcp").join("serve.toml"))
}

pub(crate) fn unreadable(path: &Path, error: &io::Error) -> CliError {
    let text = format!("{} cannot be read", path.display());
    Report::new(ErrorCode::Config, text).cause(error.to_string()).into()
}

/// Whoever may write the file may let in anybody.
#[cfg(unix)]
fn check_mode(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).map_err(|error| unreadable(path, &error))?.permissions().mode();
    if mode & 0o022 == 0 {
        return Ok(());
    }
    let text = format!("others may write {}", path.display());
    let help = format!("chmod go-w {}", path.display());
    Err(Report::new(ErrorCode::Config, text).help(help).into())
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the shape that it has on Unix")]
fn check_mode(_: &Path) -> Result<()> {
    Ok(())
}

/// Heeds changes of the file for as long as it lives.
pub(crate) struct FollowingAccess(AbortHandle);

impl Drop for FollowingAccess {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for FollowingAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FollowingAccess").finish_non_exhaustive()
    }
}

/// Lets in whom the file names whenever it changes. A file that cannot be used changes nothing.
pub(crate) fn follow(
    named: Option<&Path>,
    service: &Service,
    messages: &Arc<Messages>,
) -> Option<FollowingAccess> {
    let path = named.map(Path::to_owned).or_else(usual_path)?;
    let mut watch = match ConfigWatch::new([&path]) {
        Ok(watch) => watch,
        // Without a folder there is nothing to change in it.
        Err(_) if named.is_none() => return None,
        Err(error) => {
            messages.warning(format_args!("changes of {} are not heeded: {error}", path.display()));
            return None;
        }
    };
    let (service, messages) = (service.clone(), Arc::clone(messages));
    let named = named.map(Path::to_owned);
    let following = async move {
        while watch.changed().await.is_ok() {
            match ServeFile::read_to_serve(named.as_deref()) {
                Ok(file) => {
                    service.set_access(&file.access());
                    messages.note(format_args!("{}: who is let in was changed", path.display()));
                }
                Err(CliError::Report(report)) => messages.warning(format_args!(
                    "{} was changed and cannot be used, so the same are let in as before: {}",
                    path.display(),
                    one_line(report.message())
                )),
                Err(CliError::BrokenPipe) => {}
            }
        }
        messages.warning(format_args!("changes of {} are not heeded any more", path.display()));
    };
    #[expect(clippy::disallowed_methods, reason = "aborted with the handle")]
    let task = tokio::spawn(following);
    Some(FollowingAccess(task.abort_handle()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ServeFile> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("serve.toml");
        fs::write(&path, text).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        ServeFile::read(Some(&path))
    }

    #[test]
    fn words_that_are_not_known_are_errors() {
        assert!(read("").unwrap().access().is_empty());
        let key = "[[key]]\nname = 'ci'\nrole = 'user'\n\
                   digest = 'sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'\n";
        assert_eq!(read(key).unwrap().access().keys.len(), 1);
        let jwt = "[[jwt]]\nissuer = 'https://id.example'\naudience = ['x']\n\
                   grant = [{value = '*', role = 'user'}]\n";
        let client = format!("{jwt}client_id = 'x'\nclient_secret_env = 'X'\nscopes = ['a']\n");
        assert_eq!(read(&client).unwrap().access().issuers[0].scopes, ["a"]);
        for bad in [
            "keys = []",
            &format!("{key}alow = ['notes']\n"),
            &key.replace("'user'", "'root'"),
            &format!("{key}{key}"),
            "[[jwt]]\nissuer = 'https://id.example'\naudience = []\ngrant = []\n",
            "[limits]\nrequest = 3\n",
            "[[template]]\nname = 'x'\ncommand = '{y}'\n",
            "[[alert]]\nname = 'x'\nwhen = 'down'\n",
            "[[jwt]]\nissuer = 'http://id.example'\naudience = ['x']\n\
             grant = [{value = '*', role = 'user'}]\n",
            &format!("{jwt}scopes = ['openid']\n"),
            &format!("{jwt}client_secret_env = 'X'\n"),
            &format!("{jwt}client_id = ''\n"),
            &format!("{jwt}client_id = 'x'\nclient_secret = 's3cret'\n"),
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_write_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o620)).unwrap();
        let Err(CliError::Report(report)) = ServeFile::read(Some(file.path())) else { panic!() };
        assert!(report.message().contains("others may write"), "{}", report.message());
    }
}
