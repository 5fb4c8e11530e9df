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
    /// The generations of each set's snapshot and catalog.
    generations: Vec<(u64, u64)>,
    snapshot: Arc<ToolSnapshot>,
    catalog: Arc<ToolSnapshot>,
    /// Exposed name to set and name in that set.
    routes: HashMap<String, (usize, String)>,
    /// Set and name in that set to exposed name.
    exposed: HashMap<(usize, String), String>,
}

impl Toolbox {
    /// The tools of all these sets.
    pub fn new(sets: Vec<Arc<dyn Toolset>>) -> Self {
        Self { sets, merged: Mutex::default() }
    }

    fn merged(&self) -> Arc<Merged> {
        let parts: Vec<_> = self.sets.iter().map(|set| (set.snapshot(), set.catalog())).collect();
        let generations: Vec<_> =
            parts.iter().map(|(shown, all)| (shown.generation, all.generation)).collect();
        let mut merged = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        if merged.generations != generations {
            *merged = Arc::new(merge(&parts, generations, merged.snapshot.generation + 1));
        }
        Arc::clone(&merged)
    }
}

fn merge(
    parts: &[(Arc<ToolSnapshot>, Arc<ToolSnapshot>)],
    generations: Vec<(u64, u64)>,
    generation: u64,
) -> Merged {
    let mut taken = HashSet::new();
    let mut exposed = HashMap::new();
    let (mut shown, mut all) = (Vec::new(), Vec::new());
    for (set, (snapshot, catalog)) in parts.iter().enumerate() {
        for tool in &*catalog.tools {
            let name = names::distinct(&tool.name, &set.to_string(), &taken);
            taken.insert(name.clone());
            exposed.insert((set, tool.name.clone()), name.clone());
            let renamed = ToolDefinition { name, ..tool.clone() };
            if snapshot.get(&tool.name).is_some() {
                shown.push(renamed.clone());
            }
            all.push(renamed);
        }
    }
    Merged {
        generations,
        snapshot: Arc::new(ToolSnapshot::new(generation, shown)),
        catalog: Arc::new(ToolSnapshot::new(generation, all)),
        routes: exposed.iter().map(|(inner, name)| (name.clone(), inner.clone())).collect(),
        exposed,
    }
}

impl Toolset for Toolbox {
    fn snapshot(&self) -> Arc<ToolSnapshot> {
        Arc::clone(&self.merged().snapshot)
    }

    fn catalog(&self) -> Arc<ToolSnapshot> {
        Arc::clone(&self.merged().catalog)
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
        let merged = self.merged();
        let Some((set, name)) = merged.routes.get(&call.name) else {
            return Box::pin(std::future::ready(Err(ToolError::Unknown { name: call.name })));
        };
        let set = *set;
        call.name.clone_from(name);
        let calling = self.sets[set].call(call, progress);
        Box::pin(async move {
            let mut output = calling.await?;
            output.rename_reveals(|name| merged.exposed.get(&(set, name.to_owned())).cloned());
            Ok(output)
        })
    }
}
