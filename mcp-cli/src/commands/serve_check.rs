//! `mcp serve --check` and `mcp serve --explain`

use std::{fs, net::IpAddr};

use mcp_agent::service::{AccessRules, AccessSettings, Role as Rights};
use mcp_client::config::{ServerConfig, TransportConfig};
use serde_json::{Value, json};
use toml_edit::{Document, Item};

use crate::{
    args::{Output, ServeArgs},
    connect::{Chosen, choose},
    context::Context,
    error_report::Result,
    exit_code::ExitCode,
    printer::Printer,
    serve_file::{self, ServeFile},
    targets,
    terminal_text::one_line,
};

/// Says what would be served. What is wrong makes the exit code another than 0.
pub(super) fn check(
    args: &ServeArgs,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    let file = ServeFile::read_to_serve(args.settings.as_deref())?;
    let chosen = chosen(args, context)?;
    args.layers.options(&chosen)?;
    let callers_own = callers_own(&file.access(), &args.listen, &chosen.servers);
    let access = told(&file.access(), args);
    let trusted = file.access();
    let sign_ins = sign_ins(&trusted, &args.listen);
    let missing = missing(&chosen.servers);
    for (server, why) in &missing {
        context.messages.warning(format_args!("{}: {}", one_line(server), one_line(why)));
    }
    let can_sign_in = sign_ins.iter().all(|sign_in| sign_in.back.is_some());
    let usable = chosen.problems.is_empty() && callers_own.is_empty() && can_sign_in;
    if printer.output() == Output::Text {
        printer.line(format_args!("listen  {}", one_line(&args.listen)))?;
        printer.line(format_args!("access  {}", one_line(&access)))?;
        for SignIn { issuer, client, back } in &sign_ins {
            let back = back.as_ref().map_or_else(
                || format!("to nobody: {NO_WAY_BACK}"),
                |back| format!("redirect URI {back}"),
            );
            let (issuer, client, back) = (one_line(issuer), one_line(client), one_line(&back));
            printer.line(format_args!("sign-in  {issuer}  client {client}  {back}"))?;
        }
        for server in &chosen.servers {
            let (name, kind) = (one_line(&server.name), kind(&server.transport));
            let wrong = callers_own.iter().find(|(name, _)| *name == server.name);
            let state = match wrong {
                _ if !server.enabled => "not served: it is disabled",
                Some((_, reason)) => &format!("served to nobody: {reason}"),
                None if server.is_per_caller() => "served for each caller",
                None => "served",
            };
            let state = one_line(state);
            printer.line(format_args!("server  {name}  {kind}  {state}  {}", place(server)))?;
        }
        for problem in &chosen.problems {
            let text = format!("{}  not served: {}", problem.server, problem.reason);
            printer.line(format_args!("server  {}  {}", one_line(&text), problem.origin))?;
        }
    } else {
        let warnings = |name: &str| -> Vec<&String> {
            missing.iter().filter(|(of, _)| of == name).map(|(_, why)| why).collect()
        };
        let served: Vec<Value> = chosen
            .servers
            .iter()
            .map(|server| {
                let wrong = callers_own.iter().find(|(name, _)| *name == server.name);
                json!({
                    "name": server.name, "kind": kind(&server.transport),
                    "served": server.enabled && wrong.is_none(), "place": place(server),
                    "per_caller": server.is_per_caller(),
                    "reason": wrong.map(|(_, reason)| reason),
                    "warnings": warnings(&server.name),
                })
            })
            .collect();
        let problems: Vec<Value> = chosen
            .problems
            .iter()
            .map(|problem| {
                json!({
                    "name": problem.server, "reason": problem.reason,
                    "place": problem.origin.to_string(),
                })
            })
            .collect();
        let sign_ins: Vec<Value> = sign_ins
            .iter()
            .map(|SignIn { issuer, client, back }| {
                json!({"issuer": issuer, "client_id": client, "redirect_uri": back})
            })
            .collect();
        printer.json(&json!({
            "schema": 1, "listen": args.listen, "access": access, "sign_in": sign_ins,
            "servers": served, "problems": problems, "ok": usable,
        }))?;
    }
    Ok(if usable { ExitCode::Success } else { ExitCode::Usage })
}

/// Says who may use a server or a tool, and which line decides.
pub(super) fn explain(
    what: &str,
    args: &ServeArgs,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    let access = ServeFile::read(args.settings.as_deref())?.access();
    let chosen = chosen(args, context)?;
    let (server, tool) = what.split_once('/').map_or((what, None), |(s, t)| (s, Some(t)));
    let configured = chosen.servers.iter().find(|known| known.name == server);
    let problem = chosen.problems.iter().find(|problem| problem.server == server);
    let (is_served, reason) = match (configured, problem) {
        (Some(known), _) if known.enabled => (true, place(known)),
        (Some(known), _) => (false, format!("it is disabled  {}", place(known))),
        (None, Some(problem)) => (false, format!("{}  {}", problem.reason, problem.origin)),
        (None, None) => (false, "no server of this name is configured".to_owned()),
    };
    let lines = Lines::read(args);
    let mut rights = Vec::new();
    if access.is_empty() {
        rights.push((owner(args), true, "nothing is said against it".to_owned()));
    }
    for (at, key) in access.keys.iter().enumerate() {
        let rules = rules(&key.allow, &key.deny);
        let place = |pattern: &str| lines.of("key", at, pattern);
        let (may, why) = ruling(&rules, key.role, server, tool, place);
        rights.push((format!("key {} ({})", key.name, key.role), may, why));
    }
    for (at, issuer) in access.issuers.iter().enumerate() {
        for grant in &issuer.grants {
            let rules = rules(&grant.allow, &grant.deny);
            let place = |pattern: &str| lines.of("jwt", at, pattern);
            let (may, why) = ruling(&rules, grant.role, server, tool, place);
            let who =
                format!("{} = {} of {} ({})", issuer.claim, grant.value, issuer.issuer, grant.role);
            rights.push((who, may, why));
        }
    }
    if printer.output() == Output::Text {
        let word = if is_served { "served" } else { "not served:" };
        printer.line(format_args!("{}  {word}  {}", one_line(server), one_line(&reason)))?;
        for (who, may, why) in &rights {
            let may = if *may { "yes" } else { "no" };
            printer.line(format_args!("{}: {may}, {}", one_line(who), one_line(why)))?;
        }
    } else {
        let rights: Vec<Value> = rights
            .iter()
            .map(|(who, may, why)| json!({"who": who, "may": may, "why": why}))
            .collect();
        printer.json(&json!({
            "schema": 1, "server": server, "tool": tool, "served": is_served, "reason": reason,
            "rights": rights,
        }))?;
    }
    Ok(if is_served { ExitCode::Success } else { ExitCode::Usage })
}

const NO_WAY_BACK: &str = "their browsers come back by `public_url`, which is not set";

/// An issuer at which people sign in.
struct SignIn<'a> {
    issuer: &'a str,
    client: &'a str,
    /// The redirect URI that the issuer has to know, if browsers can come back at all.
    back: Option<String>,
}

fn sign_ins<'a>(access: &'a AccessSettings, listen: &str) -> Vec<SignIn<'a>> {
    let base = match &access.public_url {
        Some(url) => Some(url.trim_end_matches('/').to_owned()),
        None => is_this_machine(listen).then(|| format!("http://{listen}")),
    };
    let issuers = access.issuers.iter().filter_map(|issuer| {
        let back = base.as_ref().map(|base| format!("{base}/connect/signed-in"));
        Some(SignIn { issuer: &issuer.issuer, client: issuer.client_id.as_deref()?, back })
    });
    issuers.collect()
}

/// The servers that are reached on behalf of callers, and why nobody can be one.
fn callers_own(
    access: &AccessSettings,
    listen: &str,
    servers: &[ServerConfig],
) -> Vec<(String, String)> {
    let has_way_back = access.public_url.is_some() || is_this_machine(listen);
    let wrong = |server: &ServerConfig| {
        if server.wants_login_of_callers() && !has_way_back {
            return Some((server.name.clone(), format!("people log in there, and {NO_WAY_BACK}")));
        }
        let exchange = server.oauth.as_ref()?.exchange.as_ref()?;
        let issuers: Vec<_> = access.issuers.iter().map(|one| one.issuer.as_str()).collect();
        let reason = match (&exchange.issuer, &*issuers) {
            (_, []) => {
                "it is reached with the tokens of people, and no `[[jwt]]` issuer is trusted"
                    .to_owned()
            }
            (Some(named), known) if !known.contains(&named.as_str()) => {
                format!("its `exchange.issuer` {named} is no `[[jwt]]` issuer")
            }
            (None, [_, _, ..]) => {
                "several `[[jwt]]` issuers are trusted; name one as `exchange.issuer`".to_owned()
            }
            _ => return None,
        };
        Some((server.name.clone(), reason))
    };
    servers.iter().filter(|server| server.enabled).filter_map(wrong).collect()
}

/// Whether nobody elsewhere reaches an address.
fn is_this_machine(listen: &str) -> bool {
    let host = listen.rsplit_once(':').map_or(listen, |(host, _)| host);
    let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

/// The programs that cannot be started as things are here, by server.
fn missing(servers: &[ServerConfig]) -> Vec<(String, String)> {
    let mut missing = Vec::new();
    for server in servers.iter().filter(|server| server.enabled) {
        for endpoint in server.apart() {
            // What cannot work at all is told elsewhere.
            let Ok(recipe) = endpoint.recipe(None, None) else { continue };
            if let Err(error) = recipe.check() {
                let cause = std::error::Error::source(&error);
                let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
                missing.push((server.name.clone(), format!("{error}{cause}")));
            }
        }
    }
    missing
}

fn chosen(args: &ServeArgs, context: &Context) -> Result<Chosen> {
    let configured = context.settings.configured()?;
    let targets = targets::parse(&args.servers)?;
    choose(&targets, &args.command, &configured, &args.server)
}

fn owner(args: &ServeArgs) -> String {
    match &args.token_env {
        _ if args.no_token => "everybody on this machine".to_owned(),
        Some(name) => format!("whoever has the token in `{name}`"),
        None => "whoever has the token of the start".to_owned(),
    }
}

/// Who is let in.
fn told(access: &AccessSettings, args: &ServeArgs) -> String {
    if access.is_empty() {
        return owner(args);
    }
    let count = |role| access.keys.iter().filter(|key| key.role == role).count();
    let roles = [Rights::Admin, Rights::Operator, Rights::User, Rights::Viewer];
    let keys = roles.into_iter().filter(|role| count(*role) > 0);
    let keys = keys.map(|role| format!("{} with a key as {role}", count(role)));
    let issuers = access.issuers.iter().map(|issuer| format!("tokens of {}", issuer.issuer));
    let token = args.token_env.as_ref().map(|_| owner(args));
    keys.chain(issuers).chain(token).collect::<Vec<_>>().join(", ")
}

fn rules(allow: &[String], deny: &[String]) -> AccessRules {
    let rules = allow.iter().fold(AccessRules::default(), AccessRules::allow);
    deny.iter().fold(rules, AccessRules::deny)
}

/// Whether a server or a tool may be used, and why.
fn ruling(
    rules: &AccessRules,
    role: Rights,
    server: &str,
    tool: Option<&str>,
    place: impl Fn(&str) -> String,
) -> (bool, String) {
    let Some(tool) = tool else {
        let may = rules.sees(server);
        let why = if may { "it is there, at least in part" } else { "the patterns leave it out" };
        return (may, why.to_owned());
    };
    if role < Rights::User {
        return (false, format!("the role `{role}` calls nothing"));
    }
    // A server that is denied as a whole denies its tools.
    let ruling = rules.ruling(server, tool);
    let why = match (ruling.allowed, ruling.pattern) {
        (true, Some(pattern)) => format!("allowed by `{pattern}`  {}", place(pattern)),
        (false, Some(pattern)) => format!("denied by `{pattern}`  {}", place(pattern)),
        (true, None) => "nothing is said against it".to_owned(),
        (false, None) => "no pattern allows it".to_owned(),
    };
    (ruling.allowed, why)
}

fn kind(transport: &TransportConfig) -> &'static str {
    match transport {
        TransportConfig::Stdio { .. } => "stdio",
        TransportConfig::Http { url, .. } => match url.split_once("://") {
            Some(("ws" | "wss", _)) => "ws",
            Some(("unix", _)) => "unix",
            Some(("tcp", _)) => "tcp",
            _ => "http",
        },
        _ => "sse",
    }
}

fn place(server: &ServerConfig) -> String {
    server.origin.as_ref().map_or_else(|| "the command line".to_owned(), ToString::to_string)
}

/// Where patterns stand in the file.
struct Lines {
    path: String,
    text: String,
}

impl Lines {
    fn read(args: &ServeArgs) -> Self {
        let path = args.settings.clone().or_else(serve_file::usual_path).unwrap_or_default();
        // One that cannot be read was told of before; one that is not there has no lines.
        let text = fs::read_to_string(&path).unwrap_or_default();
        Self { path: path.display().to_string(), text }
    }

    /// The place of a pattern in the table of this kind and number.
    fn of(&self, kind: &str, number: usize, pattern: &str) -> String {
        let line = self.line(kind, number, pattern);
        line.map_or_else(|| self.path.clone(), |line| format!("{}:{line}", self.path))
    }

    fn line(&self, kind: &str, number: usize, pattern: &str) -> Option<usize> {
        let document = Document::parse(self.text.as_str()).ok()?;
        let tables = document.get(kind).and_then(Item::as_array_of_tables)?;
        let start = tables.get(number)?.span()?.start;
        let quoted = [format!("\"{pattern}\""), format!("'{pattern}'")];
        let found =
            quoted.iter().filter_map(|text| self.text[start..].find(text.as_str())).min()?;
        Some(self.text[..start + found].matches('\n').count() + 1)
    }
}
