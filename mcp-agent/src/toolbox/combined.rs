//! Several toolsets as one.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    PreparedCall, ProgressSink, ToolError, ToolFacts, ToolOutput, ToolSnapshot, Toolset, names,
};
use crate::model::{BoxFuture, ToolDefinition};

/// Several toolsets as one. Where two offer the same name, the first keeps it and the other's is
/// shortened to make room for a hash.
#[derive(Debug, Default)]
pub struct Toolbox {
    sets: Vec<Arc<dyn Toolset>>,
    merged: Mutex<Arc<Merged>>,
}

/// The tools of all sets at one moment.
#[derive(Debug, Default)]
struct Merged {
    /// The generation of each set.
    generations: Vec<u64>,
    snapshot: Arc<ToolSnapshot>,
    /// Exposed name to set and name in that set.
    routes: HashMap<String, (usize, String)>,
}

impl Toolbox {
    /// The tools of all these sets.
    pub fn new(sets: Vec<Arc<dyn Toolset>>) -> Self {
        Self { sets, merged: Mutex::default() }
    }

    fn merged(&self) -> Arc<Merged> {
        let snapshots: Vec<_> = self.sets.iter().map(Toolset::snapshot).collect();
        let generations: Vec<_> = snapshots.iter().map(|snapshot| snapshot.generation).collect();
        let mut merged = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        if merged.generations != generations {
            *merged = Arc::new(merge(&snapshots, generations, merged.snapshot.generation + 1));
        }
        Arc::clone(&merged)
    }
}

fn merge(snapshots: &[Arc<ToolSnapshot>], generations: Vec<u64>, generation: u64) -> Merged {
    let mut taken = HashSet::new();
    let mut routes = HashMap::new();
    let mut tools = Vec::new();
    for (set, snapshot) in snapshots.iter().enumerate() {
        for tool in &*snapshot.tools {
            let name = names::distinct(&tool.name, &set.to_string(), &taken);
            taken.insert(name.clone());
            routes.insert(name.clone(), (set, tool.name.clone()));
            tools.push(ToolDefinition { name, ..tool.clone() });
        }
    }
    Merged { generations, snapshot: Arc::new(ToolSnapshot::new(generation, tools)), routes }
}

impl Toolset for Toolbox {
    fn snapshot(&self) -> Arc<ToolSnapshot> {
        Arc::clone(&self.merged().snapshot)
    }

    fn facts(&self, name: &str) -> ToolFacts {
        match self.merged().routes.get(name) {
            Some((set, name)) => self.sets[*set].facts(name),
            None => ToolFacts::new(name),
        }
    }

    fn call(
        &self,
        mut call: PreparedCall,
        progress: ProgressSink,
    ) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        match self.merged().routes.get(&call.name) {
            Some((set, name)) => {
                call.name.clone_from(name);
                self.sets[*set].call(call, progress)
            }
            None => Box::pin(std::future::ready(Err(ToolError::Unknown { name: call.name }))),
        }
    }
}
