//! The suite that asks the real local model. Not to be run beside a build: the model needs the
//! processors.

use anyhow::Result;

use crate::{model, process, tools};

/// Sets the models up if they are not there, then runs test target `live` with `MCP_LIVE_MODEL`
/// naming the manifest, `MCP_LIVE_EMBEDDINGS` the folder of the model of embeddings and
/// `MCP_INTEROP_DIR` that of the peers. Arguments filter the tests by name.
pub(crate) fn run(filters: &[String]) -> Result<()> {
    let manifest = model::ensure()?;
    let peers = tools::interop()?;
    let embeddings = tools::embeddings()?;
    let suite = ["test", "--package", "mcp-tests", "--features", "live", "--test", "live", "--"];
    let mut test = process::cargo(suite);
    test.args(["--test-threads", "1"]).args(filters).env("MCP_LIVE_MODEL", manifest);
    test.env("MCP_INTEROP_DIR", peers).env("MCP_LIVE_EMBEDDINGS", embeddings);
    process::run(&mut test)
}
