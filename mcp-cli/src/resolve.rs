//! Finds the tool or prompt that is meant, on the server that has it.

use std::future::Future;

use mcp_client::{CallError, Client, Listing};
use mcp_protocol::{list::SkippedItem, prompts::Prompt, tools::Tool};

use crate::{
    args::ServerOptions,
    connect::{choose, unknown_server},
    context::Context,
    error_report::{CliError, Report, Result},
    exit_code::ErrorCode,
    failure,
    progress::wait,
    quote::{join, quote},
    settings::Configured,
    suggest,
    survey::survey,
    target::{Kind, Member, Target, member},
    targets,
    terminal_text::one_line,
};

/// What the command line says about a tool or a prompt, and about the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) kind: Kind,
    /// The name in one or two words, then arguments.
    pub(crate) words: &'a [String],
    /// After `--`.
    pub(crate) command: &'a [String],
    pub(crate) options: &'a ServerOptions,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Resolved<T> {
    /// The server's name.
    pub(crate) server: String,
    pub(crate) client: Client,
    pub(crate) item: T,
    /// The number of words that named it.
    pub(crate) words: usize,
    /// How to type it again, such as `fs.read_file` or `https://h/mcp read_file`.
    pub(crate) typed: String,
}

/// Things with a name.
pub(crate) trait Named {
    fn name(&self) -> &str;
}

impl Named for Tool {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for Prompt {
    fn name(&self) -> &str {
        &self.name
    }
}

/// Starts the server, or all that may have it, and finds the tool or prompt.
pub(crate) async fn resolve<T, F, Fut>(
    request: Request<'_>,
    context: &Context,
    list: F,
) -> Result<Resolved<T>>
where
    T: Named + Clone,
    F: Fn(Client) -> Fut,
    Fut: Future<Output = std::result::Result<Listing<T>, CallError>>,
{
    let configured = context.settings.configured()?;
    let names = configured.names();
    let mut found = member(request.kind, request.words, &names, request.command)
        .map_err(|error| targets::wrong(&error))?;
    let mut unknown = None;
    if let Some(Target::Name(name)) = &found.server
        && !names.contains(&name.as_str())
    {
        // Names of tools may contain dots as well.
        unknown = Some(name.clone());
        found = Member { server: None, name: request.words[0].clone(), words: 1 };
    }
    let search = Search { request, context, configured: &configured };
    match &found.server {
        Some(target) => search.on_one(target, &found, list).await,
        None => match (search.on_all(&found, list).await, unknown) {
            (Err(CliError::Report(report)), Some(server))
                if report.exit_code() == ErrorCode::UnknownTool.exit_code() =>
            {
                Err(unknown_server(&server, &configured).into())
            }
            (outcome, _) => outcome,
        },
    }
}

struct Search<'a> {
    request: Request<'a>,
    context: &'a Context,
    configured: &'a Configured,
}

impl Search<'_> {
    async fn on_one<T, F, Fut>(
        &self,
        target: &Target,
        member: &Member,
        list: F,
    ) -> Result<Resolved<T>>
    where
        T: Named + Clone,
        F: Fn(Client) -> Fut,
        Fut: Future<Output = std::result::Result<Listing<T>, CallError>>,
    {
        let targets =
            if self.request.command.is_empty() { std::slice::from_ref(target) } else { &[] };
        let chosen = choose(targets, self.request.command, self.configured, self.request.options)?;
        let (server, client) = self.context.connect(chosen).await?;
        let line = |_| format!("asking {server}");
        let listing = wait(&self.context.messages, list(client.clone()), line)
            .await
            .map_err(|error| failure::call(&server, &error))?;
        let typed = |name: &str| match target {
            Target::Name(server) => format!("{server}.{name}"),
            Target::File { .. } => format!("{target}.{name}"),
            Target::Url(_) => format!("{target} {name}"),
            Target::Command(_) => name.to_owned(),
        };
        let all = std::iter::once((server.as_str(), &listing));
        let name = self.pick(member, all, |_, name| typed(name))?;
        let item = listing.items.into_iter().find(|item| item.name() == name);
        item.map(|item| Resolved { server, client, typed: typed(&name), item, words: member.words })
            .ok_or_else(|| self.unknown(&member.name).into())
    }

    async fn on_all<T, F, Fut>(&self, member: &Member, list: F) -> Result<Resolved<T>>
    where
        T: Named + Clone,
        F: Fn(Client) -> Fut,
        Fut: Future<Output = std::result::Result<Listing<T>, CallError>>,
    {
        let chosen = choose(&[], &[], self.configured, self.request.options)?;
        let mut listings: Vec<(String, Client, Listing<T>)> = Vec::new();
        let list = &list;
        let ask = |name: String, client: Client| async move {
            list(client).await.map_err(|error| failure::call(&name, &error))
        };
        let tally = survey(self.context, chosen, ask, |found| {
            if let Ok((client, listing)) = &found.outcome {
                listings.push((found.name.clone(), client.clone(), listing.clone()));
            }
            Ok(())
        })
        .await?;
        let typed = |server: &str, name: &str| format!("{server}.{name}");
        let all = listings.iter().map(|(server, _, listing)| (server.as_str(), listing));
        let name = match self.pick(member, all, typed) {
            Ok(name) => name,
            // With some servers missing nobody knows whether they have it.
            Err(CliError::Report(report)) => {
                let mut failed = tally.failed.into_iter();
                return Err(match failed.next() {
                    Some(first) if listings.is_empty() => first.into(),
                    Some(first) => failed
                        .fold(report.cause(first.message()), |report, next| {
                            report.cause(next.message())
                        })
                        .into(),
                    None => CliError::Report(report),
                });
            }
            Err(other) => return Err(other),
        };
        let mut having = listings.into_iter().filter_map(|(server, client, listing)| {
            let item = listing.items.into_iter().find(|item| item.name() == name)?;
            Some((server, client, item))
        });
        let Some((server, client, item)) = having.next() else {
            return Err(self.unknown(&member.name).into());
        };
        let others: Vec<String> = having.map(|(server, _, _)| typed(&server, &name)).collect();
        if !others.is_empty() {
            let kind = self.request.kind;
            return Err(Report::new(
                ErrorCode::Usage,
                format!("several servers have a {kind} `{}`", one_line(&name)),
            )
            .help(format!("say which: {}, {}", typed(&server, &name), others.join(", ")))
            .into());
        }
        Ok(Resolved { typed: typed(&server, &name), server, client, item, words: member.words })
    }

    /// The name that is meant: as typed, or spelled otherwise in case and hyphens alone.
    fn pick<'l, T: Named + 'l>(
        &self,
        member: &Member,
        listings: impl Iterator<Item = (&'l str, &'l Listing<T>)> + Clone,
        typed: impl Fn(&str, &str) -> String,
    ) -> Result<String> {
        let wanted = member.name.as_str();
        let names = listings
            .clone()
            .flat_map(|(server, listing)| listing.items.iter().map(move |i| (server, i.name())));
        if names.clone().any(|(_, name)| name == wanted) {
            return Ok(wanted.to_owned());
        }
        if let Some(same) = suggest::same_but_spelling(wanted, names.clone().map(|(_, name)| name))
        {
            self.context.messages.note(format_args!("using `{}`", one_line(same)));
            return Ok(same.to_owned());
        }
        let kind = self.request.kind;
        let mut skipped = listings.clone().flat_map(|(_, listing)| &listing.skipped);
        if let Some(SkippedItem { error, .. }) =
            skipped.find(|item| item.name.as_deref() == Some(wanted))
        {
            let text = format!("the {kind} `{}` cannot be used as it is", one_line(wanted));
            return Err(Report::new(ErrorCode::ProtocolError, text).cause(one_line(error)).into());
        }
        let mut servers = listings.map(|(server, _)| server);
        let (report, only) = match (servers.next(), servers.next()) {
            (Some(server), None) => {
                let text = format!("server `{server}` has no {kind} `{}`", one_line(wanted));
                (Report::new(self.unknown_code(), text).server(server), format!(" {server}"))
            }
            _ => (self.unknown(wanted), String::new()),
        };
        let near = suggest::nearest(wanted, names.clone().map(|(_, name)| name));
        let Some((server, near)) = names.clone().find(|(_, name)| Some(*name) == near) else {
            let (count, verb) = (names.count(), format!("{kind}s"));
            let list = if self.request.command.is_empty() {
                format!("mcp {verb}{only}")
            } else {
                format!("mcp {verb} -- {}", join(self.request.command))
            };
            return Err(report.help(format!("`{list}` lists all {count}")).into());
        };
        let verb = match kind {
            Kind::Tool => "call",
            Kind::Prompt => "prompt",
        };
        let mut again = format!("mcp {verb} {}", typed(server, near));
        for word in self.request.words.get(member.words..).unwrap_or_default() {
            again.push(' ');
            again.push_str(&quote(word));
        }
        if !self.request.command.is_empty() {
            again.push_str(" -- ");
            again.push_str(&join(self.request.command));
        }
        Err(report.help(format!("did you mean `{}`?   {again}", one_line(near))).into())
    }

    fn unknown_code(&self) -> ErrorCode {
        match self.request.kind {
            Kind::Tool => ErrorCode::UnknownTool,
            Kind::Prompt => ErrorCode::UnknownPrompt,
        }
    }

    fn unknown(&self, name: &str) -> Report {
        let kind = self.request.kind;
        Report::new(self.unknown_code(), format!("no server has a {kind} `{}`", one_line(name)))
    }
}
