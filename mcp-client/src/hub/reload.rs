//! A hub whose configuration file has changed.

use std::sync::Arc;

use super::{Applied, Hub, StateKind, member::Member};
use crate::config::{ConfigError, ConfigFile, Problem};

/// What came of reading a configuration anew.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reloaded {
    /// It is in force.
    Applied {
        /// What became of each server.
        applied: Applied,
        /// Entries that cannot be used. Those that ran before go on as they were.
        problems: Vec<Problem>,
    },
    /// The file is broken as a whole: all servers go on as they were.
    Kept(ConfigError),
}

impl Hub {
    /// Makes the servers those of a file that was read anew; see [`apply`](Self::apply). Nothing
    /// broken ends what works: neither a file that cannot be read nor an entry that cannot be used.
    ///
    /// ```no_run
    /// # #[cfg(feature = "config-watch")]
    /// # async fn example(hub: mcp_client::Hub) -> Result<(), Box<dyn std::error::Error>> {
    /// use mcp_client::{config, config::ConfigWatch};
    ///
    /// let file = std::path::Path::new("servers.json");
    /// let mut watch = ConfigWatch::new([file])?;
    /// loop {
    ///     watch.changed().await?;
    ///     let read = config::read_file(file, &|name| std::env::var(name).ok());
    ///     println!("{:?}", hub.reload(read).await);
    /// }
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// When the future is dropped, some servers may not have been changed; calling again finishes
    /// it.
    pub async fn reload(&self, read: Result<ConfigFile, ConfigError>) -> Reloaded {
        let ConfigFile { mut servers, problems, .. } = match read {
            Ok(found) => found,
            Err(error) => return Reloaded::Kept(error),
        };
        let (mut spent, mut shown) = (Vec::new(), Vec::new());
        for problem in &problems {
            match self.find(&problem.server) {
                // Its trouble may be another now.
                Some(known) if known.any(|slot| slot.kind() == StateKind::NotConfigured) => {
                    spent.push(problem.server.clone());
                    shown.push(problem.clone());
                }
                Some(known) if !servers.iter().any(|server| server.name == problem.server) => {
                    servers.extend(known.config().map(Arc::unwrap_or_clone));
                }
                Some(_) => {}
                None => shown.push(problem.clone()),
            }
        }
        for name in spent {
            self.remove(&name).await;
        }
        // Those that came from no file are nothing that a file takes away.
        let is_foreign = |member: &Member| match member.config() {
            Some(config) => config.origin.is_none(),
            None => !member.any(|slot| slot.kind() == StateKind::NotConfigured),
        };
        let applied = self.settle(servers, is_foreign).await;
        self.report_problems(shown);
        Reloaded::Applied { applied, problems }
    }
}
