//! Some of the tools of another set.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use super::{PreparedCall, ProgressSink, ToolError, ToolFacts, ToolOutput, ToolSnapshot, Toolset};
use crate::model::{BoxFuture, ToolDefinition};

type Keep = dyn Fn(&ToolDefinition) -> bool + Send + Sync;

/// The tools of another set that pass a test. The others can be neither seen nor called.
pub struct Filtered<T> {
    inner: T,
    keep: Box<Keep>,
    /// The inner snapshot last seen, and what is left of it.
    last: Mutex<Option<(Arc<ToolSnapshot>, Arc<ToolSnapshot>)>>,
}

impl<T: Toolset> Filtered<T> {
    /// Keeps the tools for which `keep` is true.
    pub fn new(inner: T, keep: impl Fn(&ToolDefinition) -> bool + Send + Sync + 'static) -> Self {
        Self { inner, keep: Box::new(keep), last: Mutex::default() }
    }
}

impl<T: Toolset> Toolset for Filtered<T> {
    fn snapshot(&self) -> Arc<ToolSnapshot> {
        let inner = self.inner.snapshot();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((seen, kept)) = &*last
            && Arc::ptr_eq(seen, &inner)
        {
            return Arc::clone(kept);
        }
        let tools = inner.tools.iter().filter(|tool| (self.keep)(tool)).cloned().collect();
        let kept = Arc::new(ToolSnapshot::new(inner.generation, tools));
        *last = Some((inner, Arc::clone(&kept)));
        kept
    }

    fn facts(&self, name: &str) -> ToolFacts {
        self.inner.facts(name)
    }

    fn call(
        &self,
        call: PreparedCall,
        progress: ProgressSink,
    ) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        if self.snapshot().get(&call.name).is_some() {
            self.inner.call(call, progress)
        } else {
            Box::pin(std::future::ready(Err(ToolError::Unknown { name: call.name })))
        }
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
