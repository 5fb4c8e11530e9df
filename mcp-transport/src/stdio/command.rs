//! The recipe for a server that is a child process.

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    fmt, io,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::runtime::Handle;

#[cfg(all(target_os = "linux", feature = "sandbox"))]
use super::confinement::Confinement;
#[cfg(not(all(target_os = "linux", feature = "sandbox")))]
use super::sandbox;
use super::{
    child::{ChildProcess, Limits},
    environment,
    launch::Launch,
    nursery, program, redact,
    sandbox::Sandbox,
};
use crate::{BoxFuture, Connect, ConnectError, Transport, transport::Binding};

/// How to start a server as a child process.
///
/// The program is started with exactly these arguments, without a shell. It sees a few harmless
/// variables of this program's environment (`PATH`, `HOME`, the locale and the like) and those
/// named here; nothing else.
///
/// ```
/// use mcp_transport::{Connect, stdio::ChildCommand};
///
/// let server = ChildCommand::new("npx")
///     .args(["-y", "@modelcontextprotocol/server-filesystem", "/tmp"])
///     .env("API_KEY", "never shown");
/// assert_eq!(server.endpoint(), "npx -y @modelcontextprotocol/server-filesystem /tmp");
/// ```
#[derive(Clone)]
pub struct ChildCommand {
    program: String,
    arguments: Vec<String>,
    variables: BTreeMap<String, Variable>,
    cwd: Option<PathBuf>,
    limits: Limits,
    sandbox: Option<Sandbox>,
}

/// Where the value of a variable comes from.
#[derive(Clone)]
enum Variable {
    Set(OsString),
    Inherited,
}

impl ChildCommand {
    /// Starts with a program: a path, or a name that is looked up in `PATH`.
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            variables: BTreeMap::new(),
            cwd: None,
            limits: Limits::default(),
            sandbox: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable. Values are never shown.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.into(), Variable::Set(value.into()));
        self
    }

    /// Hands down one of this program's own variables, as it is when the child is started.
    #[must_use]
    pub fn inherit_env(mut self, name: impl Into<String>) -> Self {
        self.variables.insert(name.into(), Variable::Inherited);
        self
    }

    /// Starts the program in this folder.
    #[must_use]
    pub fn cwd(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cwd = Some(folder.into());
        self
    }

    /// How long one message of the server may be; 64 MiB unless set. A longer one ends the
    /// connection, since it would otherwise fill the memory.
    #[must_use]
    pub fn max_line_bytes(mut self, limit: usize) -> Self {
        self.limits.max_line_bytes = limit;
        self
    }

    /// How long the server may take to exit after its input was closed, before it gets SIGTERM;
    /// 500 ms unless set.
    #[must_use]
    pub fn shutdown_grace(mut self, grace: Duration) -> Self {
        self.limits.shutdown_grace = grace;
        self
    }

    /// How long the server may take to exit after SIGTERM, before it gets SIGKILL; 500 ms unless
    /// set.
    #[must_use]
    pub fn kill_grace(mut self, grace: Duration) -> Self {
        self.limits.kill_grace = grace;
        self
    }

    /// Starts the program within bounds that the kernel keeps. Without a [`cwd`](Self::cwd) it starts
    /// in the sandbox's folder.
    #[must_use]
    pub fn sandbox(mut self, sandbox: Sandbox) -> Self {
        self.sandbox = Some(sandbox);
        self
    }

    /// Starts the program. Must be called in a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// The program cannot be found or started; then it does not run.
    ///
    /// # Cancel safety
    /// Dropping the future kills the program if it was started.
    pub async fn spawn(&self) -> Result<ChildProcess, ConnectError> {
        let failed = |source| ConnectError::Spawn { program: self.program.clone(), source };
        Handle::try_current().map_err(io::Error::other).map_err(failed)?;
        let launch = self.launch()?;
        let newborn = nursery::spawn(launch, self.limits.kill_grace).await.map_err(failed)?;
        ChildProcess::start(newborn, &self.program, self.limits).map_err(failed)
    }

    /// The program, and the variables that it gets.
    fn found(&self) -> Result<(program::Found, BTreeMap<OsString, OsString>), ConnectError> {
        if let Some(cwd) = &self.cwd
            && !cwd.is_dir()
        {
            return Err(ConnectError::InvalidSetting {
                setting: "cwd".to_owned(),
                reason: format!("`{}` is not a folder", cwd.display()),
            });
        }
        let environment = self.environment()?;
        let places = program::Places {
            path: environment.get(OsStr::new("PATH")).map(OsString::as_os_str),
            home: environment.get(OsStr::new("HOME")).map(OsString::as_os_str),
            cwd: self.cwd.as_deref(),
        };
        let found = program::find(&self.program, &places)?;
        Ok((found, environment))
    }

    fn launch(&self) -> Result<Launch, ConnectError> {
        let (found, mut environment) = self.found()?;
        if let Some(folder) = found.extra_folder {
            let path = environment.entry("PATH".into()).or_default();
            if !path.is_empty() {
                path.push(":");
            }
            path.push(folder);
        }
        let mut launch = Launch {
            path: found.path,
            arguments: self.arguments.clone(),
            environment,
            folder: self.cwd.clone(),
            #[cfg(all(target_os = "linux", feature = "sandbox"))]
            confinement: None,
        };
        if let Some(sandbox) = &self.sandbox {
            self.confine(&mut launch, sandbox)?;
        }
        Ok(launch)
    }

    #[cfg(all(target_os = "linux", feature = "sandbox"))]
    fn confine(&self, launch: &mut Launch, sandbox: &Sandbox) -> Result<(), ConnectError> {
        let is_set = |name: &str| self.variables.contains_key(name);
        let folder = sandbox.settle(&mut launch.environment, is_set)?;
        launch.confinement = Some(Confinement::new(sandbox, &folder, &launch.path)?);
        launch.folder.get_or_insert(folder);
        Ok(())
    }

    /// Nothing runs with less protection than asked for.
    #[expect(clippy::unused_self, reason = "the same call where a sandbox can be kept")]
    #[cfg(not(all(target_os = "linux", feature = "sandbox")))]
    fn confine(&self, _: &mut Launch, _: &Sandbox) -> Result<(), ConnectError> {
        let reason = if cfg!(target_os = "linux") {
            "this program was built without the feature `sandbox`"
        } else {
            "only Linux can keep it"
        };
        Err(sandbox::refused(reason))
    }

    fn environment(&self) -> Result<BTreeMap<OsString, OsString>, ConnectError> {
        let mut environment: BTreeMap<_, _> = environment::inherited(env::vars_os()).collect();
        for (name, variable) in &self.variables {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(ConnectError::InvalidSetting {
                    setting: format!("environment variable {name:?}"),
                    reason: "a name cannot be empty or contain `=`".to_owned(),
                });
            }
            let value = match variable {
                Variable::Set(value) => Some(value.clone()),
                Variable::Inherited => env::var_os(name),
            };
            if let Some(value) = value {
                environment.insert(name.into(), value);
            }
        }
        Ok(environment)
    }
}

impl Connect for ChildCommand {
    fn connect(&self) -> BoxFuture<'_, Result<Arc<dyn Transport>, ConnectError>> {
        Box::pin(async { Ok(Arc::new(self.spawn().await?) as Arc<dyn Transport>) })
    }

    fn check(&self) -> Result<(), ConnectError> {
        self.found().map(drop)
    }

    fn endpoint(&self) -> String {
        redact::command_line(&self.program, &self.arguments)
    }

    fn binding(&self) -> Binding {
        Binding::Stdio
    }
}

/// Shows no values of variables, and no arguments that look like secrets.
impl fmt::Debug for ChildCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildCommand")
            .field("program", &self.program)
            .field("arguments", &redact::hidden(&self.arguments))
            .field("variables", &self.variables.keys())
            .field("cwd", &self.cwd)
            .field("limits", &self.limits)
            .field("sandbox", &self.sandbox)
            .finish()
    }
}
