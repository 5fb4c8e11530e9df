//! `mcp login`, `mcp logout` and `mcp whoami`

use std::{env, io, sync::Arc, time::SystemTime};

use mcp_client::{
    config::ServerConfig,
    oauth::{
        Authorizer, Browser, ClientCredentials, OAuth, OAuthError, Pasted, Revocation, TokenSet,
        TokenStore,
    },
};
use serde_json::json;

use crate::{
    access,
    args::{LoginArgs, LogoutArgs, Output, ServerOptions},
    connect::choose,
    context::Context,
    error_report::{CliError, Report, Result},
    exit_code::{ErrorCode, ExitCode},
    measure::show_time,
    printer::Printer,
    progress::wait,
    targets,
    terminal_text::one_line,
    theme::Role,
};

pub(super) async fn login(
    args: LoginArgs,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    let mut each = Each::new(server(&args.target, context)?);
    let store = args.kept.store().await?;
    for server in each.endpoints.clone() {
        let outcome = log_in(&args, &server, &store, context).await;
        let Some(tokens) = each.take(&server, outcome)? else { continue };
        if printer.output() == Output::Text {
            let good = printer.paint(Role::Good, "✓").to_string();
            printer.line(format_args!(
                "{good} logged in to {}  {}",
                server.name,
                about(&tokens)
            ))?;
        }
        each.told.push(describe(&server, Some(&tokens)));
    }
    each.finish(context, printer)
}

async fn log_in(
    args: &LoginArgs,
    server: &ServerConfig,
    store: &Arc<dyn TokenStore>,
    context: &Context,
) -> Result<TokenSet> {
    let mut oauth =
        if args.paste { by_hand(store, context)? } else { by_browser(server, store, context) };
    // What is said here wins over what the file says.
    if let Some(config) = &server.oauth {
        oauth = oauth.configured(config);
    }
    if let Some(client) = client(args)? {
        oauth = oauth.client(client);
    }
    if !args.scope.is_empty() {
        oauth = oauth.scopes(&args.scope);
    }
    let authorizer = at(oauth, server)?;
    let tokens = if args.paste {
        // The question stays on the screen.
        authorizer.login().await
    } else {
        let line = |_| "waiting for your answer in the browser (Ctrl-C to stop)".to_owned();
        wait(&context.messages, authorizer.login(), line).await
    };
    tokens.map_err(|error| failed(server, &error).into())
}

pub(super) async fn logout(
    args: LogoutArgs,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    let mut each = Each::new(server(&args.target, context)?);
    let store = args.kept.store().await?;
    for server in each.endpoints.clone() {
        let outcome = log_out(&server, &store).await;
        let Some(revocation) = each.take(&server, outcome)? else { continue };
        if printer.output() == Output::Text {
            let name = &server.name;
            match &revocation {
                Revocation::NoTokens => {
                    printer.line(format_args!("nobody was logged in to {name}"))?;
                }
                Revocation::Revoked { issuer } => printer.line(format_args!(
                    "the tokens of {name} are forgotten, and {} took them back",
                    one_line(issuer)
                ))?,
                _ => printer.line(format_args!("the tokens of {name} are forgotten"))?,
            }
        }
        let mut told = describe(&server, None);
        told["revoked"] = matches!(revocation, Revocation::Revoked { .. }).into();
        each.told.push(told);
        match &revocation {
            Revocation::NotOffered { issuer } => context.messages.note(format_args!(
                "{} takes no tokens back: they are good until they end",
                one_line(issuer)
            )),
            Revocation::Failed(error) => {
                let text = "the authorization server could not be told: the tokens are good until \
                            they end";
                let report = Report::new(ErrorCode::AuthRequired, text)
                    .server(&server.name)
                    .cause(error.to_string())
                    .causes_of(error);
                each.failed.push(report);
            }
            _ => {}
        }
    }
    each.finish(context, printer)
}

async fn log_out(server: &ServerConfig, store: &Arc<dyn TokenStore>) -> Result<Revocation> {
    authorizer(server, store)?.logout().await.map_err(|error| failed(server, &error).into())
}

pub(super) async fn whoami(
    args: LogoutArgs,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    let mut each = Each::new(server(&args.target, context)?);
    let store = args.kept.store().await?;
    for server in each.endpoints.clone() {
        let outcome = known(&server, &store).await;
        let Some(tokens) = each.take(&server, outcome)? else { continue };
        each.told.push(describe(&server, tokens.as_ref()));
        let Some(tokens) = tokens else {
            let text = format!("nobody is logged in to `{}`", server.name);
            let report = Report::new(ErrorCode::AuthRequired, text).server(&server.name);
            each.failed.push(report.help(format!("mcp login {}", args.target)));
            continue;
        };
        if printer.output() == Output::Text {
            printer.line(format_args!("{}  {}", server.name, about(&tokens)))?;
        }
    }
    each.finish(context, printer)
}

async fn known(server: &ServerConfig, store: &Arc<dyn TokenStore>) -> Result<Option<TokenSet>> {
    authorizer(server, store)?.tokens().await.map_err(|error| failed(server, &error).into())
}

/// A server, or each of its replicas: where they have URLs of their own, each has a login of its
/// own.
struct Each {
    name: String,
    endpoints: Vec<ServerConfig>,
    /// What became of each.
    told: Vec<serde_json::Value>,
    failed: Vec<Report>,
}

impl Each {
    fn new(mut server: ServerConfig) -> Self {
        let mut endpoints = server.apart();
        let mut known = Vec::new();
        endpoints.retain(|one| {
            let is_new = !known.contains(&one.transport);
            known.push(one.transport.clone());
            is_new
        });
        let name = server.name.clone();
        if endpoints.len() == 1 {
            server.replicas = None;
            endpoints = vec![server];
        }
        Self { name, endpoints, told: Vec::new(), failed: Vec::new() }
    }

    /// The outcome of one. The next one is asked even if this one fails.
    fn take<T>(&mut self, server: &ServerConfig, outcome: Result<T>) -> Result<Option<T>> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(CliError::Report(report)) => {
                let error = &report.to_json()["error"];
                self.told.push(json!({"server": server.name, "error": error}));
                self.failed.push(report);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn finish(mut self, context: &Context, printer: &mut Printer) -> Result<ExitCode> {
        let has_replicas = self.endpoints.len() > 1;
        if printer.output() != Output::Text {
            if has_replicas {
                let (name, told) = (&self.name, &self.told);
                printer.json(&json!({"schema": 1, "server": name, "replicas": told}))?;
            } else if let Some(only) = self.told.iter().find(|told| told.get("error").is_none()) {
                printer.json(only)?;
            }
        }
        if !has_replicas {
            return self.failed.pop().map_or(Ok(ExitCode::Success), |report| Err(report.into()));
        }
        for report in &self.failed {
            context.messages.error(report);
        }
        Ok(match self.failed.first() {
            None => ExitCode::Success,
            Some(_) if self.failed.len() < self.endpoints.len() => ExitCode::Partial,
            Some(first) => first.exit_code(),
        })
    }
}

fn server(target: &str, context: &Context) -> Result<ServerConfig> {
    let configured = context.settings.configured()?;
    let targets = targets::parse(&[target.to_owned()])?;
    let chosen = choose(&targets, &[], &configured, &ServerOptions::default())?;
    if let Some(problem) = chosen.problems.first() {
        return Err(crate::connect::unusable(problem).into());
    }
    let server = chosen.servers.into_iter().next();
    server.ok_or_else(|| Report::new(ErrorCode::Usage, "no server is named").into())
}

/// What an earlier login has stored.
fn authorizer(server: &ServerConfig, store: &Arc<dyn TokenStore>) -> Result<Authorizer> {
    let oauth = access::interactive(Browser::new(), store);
    at(
        match &server.oauth {
            Some(config) => oauth.configured(config),
            None => oauth,
        },
        server,
    )
}

fn at(oauth: OAuth, server: &ServerConfig) -> Result<Authorizer> {
    let oauth = oauth.server_within(server.reach);
    oauth.at(access::address(server)?).map_err(|error| failed(server, &error).into())
}

fn by_browser(server: &ServerConfig, store: &Arc<dyn TokenStore>, context: &Context) -> OAuth {
    let messages = Arc::clone(&context.messages);
    let port = server.oauth.as_ref().and_then(|config| config.callback_port);
    let browser = match port {
        // As the programs write it that have such a setting, and so as it is registered.
        Some(port) => Browser::new().redirect_uri(&format!("http://localhost:{port}/callback")),
        None => Browser::new(),
    };
    let browser = browser.announce(move |url| {
        let url = messages.paint(Role::Label, one_line(url.as_str()));
        messages.note("Open this page to continue, if your browser does not:");
        messages.note(format_args!("  {url}"));
        messages.note("No browser on this machine? Use --paste.");
    });
    access::interactive(browser, store)
}

fn by_hand(store: &Arc<dyn TokenStore>, context: &Context) -> Result<OAuth> {
    if !context.settings.interactive {
        return Err(Report::new(ErrorCode::Usage, "--paste needs a terminal to paste into").into());
    }
    let messages = Arc::clone(&context.messages);
    let pasted = Pasted::new(move |url| {
        messages.note("Open this page in any browser:");
        messages.note(format_args!("  {}", one_line(url.as_str())));
        messages.note("It ends at a page that does not load. Paste the address of that page.");
        messages.ask("address:");
        async {
            let reading = tokio::task::spawn_blocking(|| {
                let mut line = String::new();
                io::stdin().read_line(&mut line).map(|_| line.trim().to_owned())
            });
            Ok(reading.await??)
        }
    });
    Ok(access::interactive(pasted, store))
}

/// The client that was registered by hand, if one is named.
fn client(args: &LoginArgs) -> Result<Option<ClientCredentials>> {
    let Some(id) = &args.client_id else { return Ok(None) };
    let Some(variable) = &args.client_secret_env else {
        return Ok(Some(ClientCredentials::public(id)));
    };
    match env::var(variable) {
        Ok(secret) => Ok(Some(ClientCredentials::secret(id, secret))),
        Err(_) => Err(Report::new(
            ErrorCode::Usage,
            format!("the variable `{variable}` is not set in the environment"),
        )
        .into()),
    }
}

fn failed(server: &ServerConfig, error: &OAuthError) -> Report {
    Report::new(ErrorCode::AuthRequired, format!("cannot log in to `{}`", server.name))
        .server(&server.name)
        .cause(error.to_string())
        .causes_of(error)
}

fn about(tokens: &TokenSet) -> String {
    let mut parts = vec![format!("by {}", one_line(&tokens.issuer))];
    if !tokens.scopes_granted.is_empty() {
        parts.push(format!("scopes {}", one_line(&tokens.scopes_granted.join(" "))));
    }
    let left = tokens.expires_at.map(|at| at.duration_since(SystemTime::now()).ok());
    parts.push(match (left, tokens.refresh_token.is_some()) {
        (None, _) => "does not expire".to_owned(),
        (Some(_), true) => "renews itself".to_owned(),
        (Some(Some(left)), false) => format!("expires in {}", show_time(left)),
        (Some(None), false) => "expired".to_owned(),
    });
    parts.join(", ")
}

fn describe(server: &ServerConfig, tokens: Option<&TokenSet>) -> serde_json::Value {
    let expires_at = tokens.and_then(|tokens| tokens.expires_at);
    let seconds = expires_at.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    json!({
        "schema": 1,
        "server": server.name,
        "loggedIn": tokens.is_some(),
        "issuer": tokens.map(|tokens| &tokens.issuer),
        "scopes": tokens.map(|tokens| &tokens.scopes_granted),
        "expiresAt": seconds.map(|seconds| seconds.as_secs()),
        "renewsItself": tokens.map(|tokens| tokens.refresh_token.is_some()),
    })
}
