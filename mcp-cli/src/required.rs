//! Servers without which nothing begins.

use mcp_client::{Hub, config::Origin};

use crate::{
    connect::{Chosen, ready, settled, unusable},
    context::Context,
    error_report::{Report, Result},
    progress::wait,
};

/// The servers of a configuration that say `required`.
#[derive(Debug)]
pub(crate) struct Required {
    servers: Vec<(String, Option<Origin>)>,
    /// Those whose entries cannot be used, and why.
    broken: Vec<(String, Report)>,
}

impl Required {
    /// Those among the servers that a command speaks to.
    pub(crate) fn of(chosen: &Chosen) -> Self {
        let servers = chosen.servers.iter().filter(|server| server.required && server.enabled);
        let broken = chosen.problems.iter().filter(|problem| problem.required);
        Self {
            servers: servers.map(|one| (one.name.clone(), one.origin.clone())).collect(),
            broken: broken
                .map(|one| (one.server.clone(), explained(unusable(one), Some(&one.origin))))
                .collect(),
        }
    }

    /// What is reached on behalf of the callers of a service cannot be up before they ask.
    pub(crate) fn without_callers_own(mut self, chosen: &Chosen) -> Self {
        let own = |name: &String| {
            chosen.servers.iter().any(|server| server.name == *name && server.is_per_caller())
        };
        self.servers.retain(|(name, _)| !own(name));
        self
    }

    /// That none of their entries is one that cannot be used.
    pub(crate) fn are_usable(&mut self) -> Result<()> {
        self.broken.pop().map_or(Ok(()), |(_, report)| Err(report.into()))
    }

    /// Waits until all of them are up, for as long as each may take to start.
    pub(crate) async fn are_up(&self, hub: &Hub, context: &Context) -> Result<()> {
        for (name, origin) in &self.servers {
            let line = |_| format!("starting {name}, which is required");
            let status = wait(&context.messages, settled(hub, name), line).await?;
            if let Err(report) = ready(&status) {
                return Err(explained(report, origin.as_ref()).into());
            }
        }
        Ok(())
    }

    /// The error for a server that failed, if it is one of them; else the error as it was.
    pub(crate) fn explain(
        &self,
        server: &str,
        report: Report,
    ) -> std::result::Result<Report, Report> {
        let is_it = |name: &String| name == server;
        if self.broken.iter().any(|(name, _)| is_it(name)) {
            return Ok(explained(report, None));
        }
        match self.servers.iter().find(|(name, _)| is_it(name)) {
            Some((_, origin)) => Ok(explained(report, origin.as_ref())),
            None => Err(report),
        }
    }
}

/// Says why the failure of one server is that of all.
fn explained(report: Report, origin: Option<&Origin>) -> Report {
    let place = origin.map_or_else(|| "its entry".to_owned(), ToString::to_string);
    report.fact("needed", format!("{place} says `required`: nothing begins without this server"))
}
