//! From targets to clients.

use std::{cell::RefCell, env, sync::Arc, time::Duration};

use mcp_client::{
    Client, EraChoice, Hub, HubOptions, Secret, ServerState, ServerStatus,
    config::{Problem, ServerConfig, TransportConfig},
};
use mcp_protocol::implementation::Implementation;
use mcp_transport::stdio::CommandUrl;
use tokio::time::timeout;

use crate::{
    access,
    args::{Era, ServerOptions},
    context::Context,
    error_report::{Report, Result},
    exit_code::ErrorCode,
    failure,
    progress::wait,
    settings::{self, Configured, DEMO},
    suggest,
    target::Target,
    terminal_text::one_line,
    trust,
};

/// How long a server may take to exit after its input was closed, before it gets a signal. The
/// result is printed by then, so everything longer is only waiting.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(150);
/// How long ending all servers may take in all.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// Which servers a command speaks to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chosen {
    /// Those that can be started.
    pub(crate) servers: Vec<ServerConfig>,
    /// Entries of the configuration that cannot.
    pub(crate) problems: Vec<Problem>,
    /// How many calls may run at a time, as the configuration says.
    pub(crate) max_concurrent_calls: Option<usize>,
}

/// The servers that were started, to be ended with the program.
#[derive(Debug, Default)]
pub(crate) struct Open(RefCell<Vec<Hub>>);

impl Open {
    /// The servers among which one of this name was started.
    pub(crate) fn hub_of(&self, server: &str) -> Option<Hub> {
        self.0.borrow().iter().rev().find(|hub| hub.server(server).is_some()).cloned()
    }

    /// Ends all servers. The result is already printed, so nobody waits for more than this.
    pub(crate) async fn close(&self) {
        let hubs = self.0.take();
        let close_all = async {
            for hub in &hubs {
                hub.close().await;
            }
        };
        // Whatever is left ends when the last handle is dropped.
        let _ = timeout(CLOSE_LIMIT, close_all).await;
    }
}

/// Finds the servers that are meant: the named ones, else all that are configured, else the demo.
pub(crate) fn choose(
    targets: &[Target],
    command: &[String],
    configured: &Configured,
    options: &ServerOptions,
) -> Result<Chosen> {
    let max_concurrent_calls = configured.max_concurrent_calls;
    let mut chosen = Chosen { max_concurrent_calls, ..Chosen::default() };
    if !command.is_empty() {
        chosen.servers.push(ad_hoc(&Target::Command(command.to_vec()), options)?);
    }
    for target in targets {
        match target {
            Target::Name(name) => pick(name, configured, &mut chosen)?,
            Target::File { file, name } => {
                pick(name, &settings::read(file)?, &mut chosen)?;
            }
            Target::Url(_) | Target::Command(_) => chosen.servers.push(ad_hoc(target, options)?),
        }
    }
    if targets.is_empty() && command.is_empty() {
        if configured.is_empty() {
            chosen.servers.push(settings::demo_server()?);
        } else {
            chosen.servers.extend(configured.servers.iter().filter(|s| s.enabled).cloned());
            chosen.problems.clone_from(&configured.problems);
        }
    }
    make_names_unique(&mut chosen.servers);
    let oauths = chosen.servers.iter_mut().filter_map(|server| server.oauth.as_mut());
    for oauth in oauths.filter(|_| !options.for_callers) {
        oauth.per_caller = false;
    }
    if let Some(era) = options.era {
        for server in &mut chosen.servers {
            server.era = match era {
                Era::Auto => EraChoice::Auto,
                Era::Legacy => EraChoice::Legacy,
                Era::Modern => EraChoice::Modern,
            };
        }
    }
    if let Some(limit) = options.startup_timeout {
        for server in &mut chosen.servers {
            server.startup_timeout = Some(limit);
        }
    }
    Ok(chosen)
}

fn pick(name: &str, configured: &Configured, chosen: &mut Chosen) -> Result<()> {
    if let Some(server) = configured.servers.iter().find(|server| server.name == name) {
        // Naming a server is enough to use one that is switched off.
        let mut server = server.clone();
        server.enabled = true;
        chosen.servers.push(server);
        return Ok(());
    }
    if let Some(problem) = configured.problems.iter().find(|problem| problem.server == name) {
        chosen.problems.push(problem.clone());
        return Ok(());
    }
    if name == DEMO {
        chosen.servers.push(settings::demo_server()?);
        return Ok(());
    }
    Err(unknown_server(name, configured).into())
}

/// The error for a name that nobody configured.
pub(crate) fn unknown_server(name: &str, configured: &Configured) -> Report {
    let report = Report::new(ErrorCode::UnknownServer, format!("there is no server `{name}`"));
    let report = match &configured.file {
        Some(file) => report.fact("looked", file.display().to_string()),
        None => report.fact("looked", "nothing is configured"),
    };
    let names = configured.names();
    match suggest::nearest(name, names.iter().copied()) {
        Some(near) => report.help(format!("did you mean `{near}`?")),
        None => report.help(format!(
            "known: {}; or give an http(s):// address, FILE.json#NAME, or `-- COMMAND`",
            names.join(", ")
        )),
    }
}

/// The error for an entry of the configuration that cannot be used.
pub(crate) fn unusable(problem: &Problem) -> Report {
    Report::new(ErrorCode::Config, format!("server `{}` {}", problem.server, problem.reason))
        .fact("from", problem.origin.to_string())
        .server(&problem.server)
}

fn ad_hoc(target: &Target, options: &ServerOptions) -> Result<ServerConfig> {
    let (name, transport) = match target {
        Target::Url(url) if has_scheme(url, "stdio") => command_of_url(url)?,
        Target::Url(url) => {
            let headers = options
                .header
                .iter()
                .map(|header| match header.split_once(':') {
                    Some((name, value)) => {
                        Ok((name.trim().to_owned(), Secret::new(value.trim().to_owned())))
                    }
                    None => Err(Report::new(
                        ErrorCode::Usage,
                        "a header must have the form `NAME: VALUE`".to_owned(),
                    )),
                })
                .collect::<Result<_, _>>()?;
            (name_of_url(url), TransportConfig::Http { url: url.clone(), headers })
        }
        Target::Command(words) => {
            let Some((program, args)) = words.split_first() else {
                return Err(Report::new(ErrorCode::Usage, "the command is empty").into());
            };
            let env = options.env.iter().map(|pair| variable(pair)).collect::<Result<_>>()?;
            let transport = TransportConfig::Stdio {
                command: program.clone(),
                args: args.to_vec(),
                env,
                cwd: None,
            };
            (name_of_command(words), transport)
        }
        Target::Name(name) | Target::File { name, .. } => {
            return Err(Report::new(
                ErrorCode::Usage,
                format!("`{name}` is neither an address nor a command"),
            )
            .into());
        }
    };
    Ok(ServerConfig::new(name, transport))
}

/// A command that was written as an address.
fn command_of_url(url: &str) -> Result<(String, TransportConfig)> {
    let found = CommandUrl::parse(url).map_err(|error| {
        Report::new(ErrorCode::Usage, format!("cannot use the address: {error}"))
    })?;
    let words: Vec<_> = std::iter::once(&found.program).chain(&found.args).cloned().collect();
    let env = found.env.into_iter().map(|(name, value)| (name, Secret::new(value))).collect();
    let CommandUrl { program: command, args, cwd, .. } = found;
    Ok((name_of_command(&words), TransportConfig::Stdio { command, args, env, cwd }))
}

fn has_scheme(url: &str, scheme: &str) -> bool {
    url.split_once("://").is_some_and(|(found, _)| found.eq_ignore_ascii_case(scheme))
}

fn variable(pair: &str) -> Result<(String, Secret)> {
    if let Some((key, value)) = pair.split_once('=') {
        return Ok((key.to_owned(), Secret::new(value.to_owned())));
    }
    match env::var(pair) {
        Ok(value) => Ok((pair.to_owned(), Secret::new(value))),
        Err(_) => Err(Report::new(
            ErrorCode::Usage,
            format!("the variable `{pair}` is not set in the environment"),
        )
        .help(format!("write -e {pair}=VALUE"))
        .into()),
    }
}

/// The host, without what many have in common; of a socket in a file, the file's name.
pub(crate) fn name_of_url(url: &str) -> String {
    if has_scheme(url, "unix") {
        return name_of_command(&[url.to_owned()]);
    }
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    // Whatever stands before `@` is a secret.
    let host = authority.rsplit('@').next().unwrap_or(authority);
    if host.is_empty() { "server".to_owned() } else { host.to_owned() }
}

/// The program; behind a runner such as `npx`, what it runs.
pub(crate) fn name_of_command(words: &[String]) -> String {
    let stem = |word: &str| {
        let file = word.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or(word);
        // `pkg@1.2` and `server.py`.
        let file = file.split('@').find(|part| !part.is_empty()).unwrap_or(file);
        let stem = file.split_once('.').map_or(file, |(stem, _)| stem);
        if stem.is_empty() { "server".to_owned() } else { stem.to_owned() }
    };
    let Some((program, args)) = words.split_first() else { return "server".to_owned() };
    let program = stem(program);
    let runs_another = matches!(
        program.as_str(),
        "npx" | "uvx" | "bunx" | "node" | "bun" | "deno" | "python" | "python3" | "uv" | "pipx"
    );
    let skips = |word: &&String| !word.starts_with('-') && *word != "run" && *word != "tool";
    // Code is no name.
    let runs_code = matches!(args.first().map(String::as_str), Some("-c" | "-e" | "--eval"));
    match args.iter().find(skips) {
        Some(word) if runs_another && !runs_code => stem(word),
        _ => program,
    }
}

fn make_names_unique(servers: &mut [ServerConfig]) {
    for index in 1..servers.len() {
        let base = servers[index].name.clone();
        let mut count = 1;
        while servers[..index].iter().any(|server| server.name == servers[index].name) {
            count += 1;
            servers[index].name = format!("{base}-{count}");
        }
    }
}

impl Context {
    /// Starts servers; returns at once. They end with the program.
    ///
    /// Those of a project's file are asked about first. One that nobody agrees to is refused by
    /// the hub.
    pub(crate) async fn start(&self, servers: Vec<ServerConfig>) -> Result<Hub> {
        self.start_with(servers, |options| self.let_servers_ask(options)).await
    }

    /// The same with other settings; servers ask the person only where these say so.
    pub(crate) async fn start_with(
        &self,
        mut servers: Vec<ServerConfig>,
        settings: impl FnOnce(&mut HubOptions),
    ) -> Result<Hub> {
        trust::agree(&mut servers, self).await?;
        for server in servers.iter().filter(|server| server.enabled) {
            for place in server.exposed() {
                let name = one_line(&server.name);
                self.messages.warning(format_args!(
                    "everything sent to `{name}` at {place} can be read on the way; use TLS, or a \
                     tunnel"
                ));
            }
        }
        let mut options = HubOptions::default();
        options.allowed = trust::allowed()?;
        options.client.implementation = Implementation::new("mcp-cli", env!("CARGO_PKG_VERSION"));
        if self.settings.timeout.is_some() {
            options.client.call_timeout = self.settings.timeout;
        }
        options.shutdown_grace = Some(SHUTDOWN_GRACE);
        options.authorize(access::stored);
        if let Some(verdicts) = settings::verdicts() {
            options.client.verdicts = Arc::new(verdicts);
        }
        let logs = Arc::clone(&self.logs);
        options.client.on_log(move |message, asker| logs.take(message, &asker));
        settings(&mut options);
        let hub = Hub::start(servers, &options);
        self.logs.know(&hub);
        self.open.0.borrow_mut().push(hub.clone());
        Ok(hub)
    }

    /// Starts the one server that is meant, and waits for it.
    pub(crate) async fn connect(&self, chosen: Chosen) -> Result<(String, Client)> {
        if let Some(problem) = chosen.problems.first() {
            return Err(unusable(problem).into());
        }
        let Some(server) = chosen.servers.into_iter().next() else {
            return Err(Report::new(ErrorCode::Usage, "no server is named").into());
        };
        let name = server.name.clone();
        let hub = self.start(vec![server]).await?;
        let status = self.wait_for(&hub, &name).await?;
        ready(&status).map(|client| (name, client)).map_err(Into::into)
    }

    /// Waits until a server is up or down.
    pub(crate) async fn wait_for(&self, hub: &Hub, name: &str) -> Result<ServerStatus> {
        let line = |_| format!("starting {name}");
        wait(&self.messages, settled(hub, name), line).await
    }
}

/// Waits until one server is no longer starting.
pub(crate) async fn settled(hub: &Hub, name: &str) -> Result<ServerStatus> {
    let mut seen = 0;
    loop {
        match hub.status().into_iter().find(|status| status.name == name) {
            Some(status) if !matches!(status.state, ServerState::Starting) => return Ok(status),
            Some(_) => seen = hub.changed_since(seen).await,
            None => {
                return Err(Report::new(
                    ErrorCode::Unexpected,
                    format!("server `{name}` was not started"),
                )
                .into());
            }
        }
    }
}

/// The client of a server that is up, or why it is not.
pub(crate) fn ready(status: &ServerStatus) -> std::result::Result<Client, Report> {
    let name = &status.name;
    match &status.state {
        ServerState::Ready(client) => Ok(client.clone()),
        ServerState::Down(failure) | ServerState::NeedsAuth(failure) => {
            Err(failure::connect(name, failure, status.took, status.origin.as_ref()))
        }
        ServerState::NotConfigured(reason) => {
            let report = Report::new(ErrorCode::Config, format!("server `{name}`: {reason}"));
            Err(match &status.origin {
                Some(origin) => report.fact("from", origin.to_string()),
                None => report,
            }
            .server(name))
        }
        ServerState::Refused(refusal) => Err(trust::refused(status, refusal)),
        ServerState::PerCaller => {
            let text = format!("server `{name}` has no credentials of its own");
            Err(Report::new(ErrorCode::AuthRequired, text)
                .cause("its entry says `oauth.exchange`: it is reached on behalf of whoever asks")
                .help("ask through `mcp serve`, with the token of a person of a `[[jwt]]` issuer")
                .server(name))
        }
        ServerState::Disabled => {
            Err(Report::new(ErrorCode::Config, format!("server `{name}` is switched off"))
                .server(name))
        }
        other => Err(Report::new(ErrorCode::Unexpected, format!("server `{name}` is {other:?}"))
            .server(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_servers_after_what_they_are() {
        for (command, want) in [
            ("npx -y @modelcontextprotocol/server-everything", "server-everything"),
            ("npx -y pkg@1.2.3", "pkg"),
            ("uvx mcp-server-git --repository .", "mcp-server-git"),
            ("uv run server.py", "server"),
            ("node ./dist/index.js", "index"),
            ("/usr/bin/python3 /x/time.py", "time"),
            ("./target/debug/mcp demo-server", "mcp"),
            ("docker run x", "docker"),
            ("python3 -c import_x", "python3"),
        ] {
            let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
            assert_eq!(name_of_command(&words), want, "{command}");
        }
        assert_eq!(name_of_url("https://user:pw@mcp.linear.app/mcp?x"), "mcp.linear.app");
        assert_eq!(name_of_url("http://127.0.0.1:8000/mcp"), "127.0.0.1:8000");
    }

    #[test]
    fn unknown_names_are_refused_with_advice() {
        let mut configured = Configured::default();
        let transport = || TransportConfig::Http { url: "http://h".into(), headers: [].into() };
        configured.servers.push(ServerConfig::new("files", transport()));
        let options = ServerOptions::default();
        let choose = |name: &str| choose(&[Target::Name(name.into())], &[], &configured, &options);
        assert_eq!(choose("files").unwrap().servers.len(), 1);
        assert_eq!(choose("demo").unwrap().servers[0].name, "demo");
        let crate::error_report::CliError::Report(report) = choose("file").unwrap_err() else {
            panic!("no report")
        };
        assert_eq!(report.to_json()["error"]["hint"], "did you mean `files`?");
    }
}
