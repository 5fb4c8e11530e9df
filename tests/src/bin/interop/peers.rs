//! `peers.json`: which servers there are and what must work with each.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Settings, case::Case};

/// The whole file.
#[derive(Deserialize)]
pub(crate) struct Peers {
    surfaces: BTreeMap<String, Vec<Operation>>,
    peers: Vec<Peer>,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Peer {
    name: String,
    /// The revision that must be negotiated.
    pub(crate) revision: Option<String>,
    stdio: Option<Start>,
    http: Option<Start>,
    sse: Option<Start>,
    websocket: Option<Start>,
    tcp: Option<Start>,
    operations: Operations,
    #[serde(default)]
    also: Vec<Operation>,
    #[serde(default)]
    without: Vec<Without>,
    #[serde(default)]
    pub(crate) files: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) prepare: Vec<Vec<String>>,
    #[serde(default)]
    pub(crate) beside: Vec<String>,
}

/// How to start a peer with one transport.
#[derive(Clone, Deserialize)]
pub(crate) struct Start {
    pub(crate) command: Vec<String>,
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) path: String,
    eras: Vec<String>,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Operations {
    Surface(String),
    Own(Vec<Operation>),
}

/// One thing to do, and what must come of it.
#[derive(Clone, Deserialize)]
pub(crate) struct Operation {
    pub(crate) id: String,
    /// The members other than `id`.
    #[serde(flatten)]
    pub(crate) what: Map<String, Value>,
}

#[derive(Clone, Deserialize)]
struct Without {
    transport: Option<String>,
    era: Option<String>,
    id: String,
}

impl Peers {
    pub(crate) fn read(settings: &Settings) -> Result<Self> {
        let file = &settings.peers;
        let text = fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{}", file.display()))
    }

    /// Every peer with each of its transports in each way to choose the era.
    pub(crate) fn cases(&self, filters: &[String]) -> Vec<Case> {
        let mut cases = Vec::new();
        for peer in &self.peers {
            let transports = [
                ("stdio", &peer.stdio),
                ("http", &peer.http),
                ("sse", &peer.sse),
                ("websocket", &peer.websocket),
                ("tcp", &peer.tcp),
            ];
            for (transport, start) in transports {
                let Some(start) = start else { continue };
                for era in ["auto", "legacy", "modern"] {
                    let expected = match era {
                        // The newer one wins.
                        "auto" => start.eras.iter().max().cloned(),
                        era => start.eras.iter().find(|one| *one == era).cloned(),
                    };
                    let operations = self.operations(peer, transport, expected.as_deref());
                    let case = Case {
                        peer: peer.name.clone(),
                        transport,
                        era,
                        expected,
                        start: start.clone(),
                        setting: peer.clone(),
                        operations,
                    };
                    let name = case.to_string();
                    if filters.is_empty() || filters.iter().any(|part| name.contains(part)) {
                        cases.push(case);
                    }
                }
            }
        }
        cases
    }

    fn operations(&self, peer: &Peer, transport: &str, era: Option<&str>) -> Vec<Operation> {
        let all = match &peer.operations {
            Operations::Surface(name) => self.surfaces.get(name).cloned().unwrap_or_default(),
            Operations::Own(operations) => operations.clone(),
        };
        let is_lacking = |operation: &Operation| {
            peer.without.iter().any(|without| {
                without.id == operation.id
                    && without.transport.as_deref().is_none_or(|one| one == transport)
                    && without.era.as_deref().is_none_or(|one| Some(one) == era)
            })
        };
        all.into_iter()
            .chain(peer.also.iter().cloned())
            .filter(|operation| !is_lacking(operation))
            .collect()
    }
}
