//! Some of the tools of another set.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    PreparedCall, ProgressSink, ToolError, ToolFacts, ToolFilter, ToolOutput, ToolSnapshot, Toolset,
};
use crate::model::{BoxFuture, ToolDefinition};

type Keep = dyn Fn(&ToolDefinition, &ToolFacts) -> bool + Send + Sync;

/// An inner snapshot, and what is left of it.
type Sieved = Mutex<Option<(Arc<ToolSnapshot>, Arc<ToolSnapshot>)>>;

/// The tools of another set that pass a test. The others can be neither seen nor called.
pub struct Filtered<T> {
    inner: T,
    keep: Box<Keep>,
    snapshot: Sieved,
    catalog: Sieved,
}

impl<T: Toolset> Filtered<T> {
    /// Keeps the tools for which `keep` is true.
    pub fn new(inner: T, keep: impl Fn(&ToolDefinition) -> bool + Send + Sync + 'static) -> Self {
        Self::sieve(inner, move |tool, _| keep(tool))
    }

    /// Keeps the tools that the filter accepts.
    pub fn by(inner: T, filter: ToolFilter) -> Self {
        Self::sieve(inner, move |tool, facts| filter.accepts(tool, facts))
    }

    fn sieve(
        inner: T,
        keep: impl Fn(&ToolDefinition, &ToolFacts) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { inner, keep: Box::new(keep), snapshot: Mutex::default(), catalog: Mutex::default() }
    }

    fn sieved(&self, inner: Arc<ToolSnapshot>, last: &Sieved) -> Arc<ToolSnapshot> {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((seen, kept)) = &*last
            && Arc::ptr_eq(seen, &inner)
        {
            return Arc::clone(kept);
        }
        let is_kept = |tool: &&ToolDefinition| (self.keep)(tool, &self.inner.facts(&tool.name));
        let tools = inner.tools.iter().filter(is_kept).cloned().collect();
        let kept = Arc::new(ToolSnapshot::new(inner.generation, tools));
        *last = Some((inner, Arc::clone(&kept)));
        kept
    }
}

impl<T: Toolset> Toolset for Filtered<T> {
    fn snapshot(&self) -> Arc<ToolSnapshot> {
        self.sieved(self.inner.snapshot(), &self.snapshot)
    }

    fn catalog(&self) -> Arc<ToolSnapshot> {
        self.sieved(self.inner.catalog(), &self.catalog)
    }

    fn facts(&self, name: &str) -> ToolFacts {
        self.inner.facts(name)
    }

    fn call(
        &self,
        call: PreparedCall,
        progress: ProgressSink,
    ) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        let kept = self.catalog();
        if kept.get(&call.name).is_none() {
            return Box::pin(std::future::ready(Err(ToolError::Unknown { name: call.name })));
        }
        let calling = self.inner.call(call, progress);
        Box::pin(async move {
            let mut output = calling.await?;
            output.reveals.retain(|tool| kept.get(&tool.name).is_some());
            Ok(output)
        })
    }
}

impl<T: fmt::Debug> fmt::Debug for Filtered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filtered").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolbox::LocalTools;

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Nothing {}

    #[test]
    fn hides_what_fails_the_test() {
        let tools = LocalTools::new().tool("read", "Reads.", |_: Nothing| async { "" }).tool(
            "write",
            "Writes.",
            |_: Nothing| async { "" },
        );
        let tools = Filtered::new(tools, |tool| tool.name == "read");
        let names =
            |set: &ToolSnapshot| set.tools.iter().map(|t| t.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&tools.snapshot()), ["read"]);
        assert!(Arc::ptr_eq(&tools.snapshot(), &tools.snapshot()));
    }
}
