//! `mcp demo-server`

use crate::{
    demo_server,
    error_report::{Report, Result},
    exit_code::{ErrorCode, ExitCode},
};

pub(super) async fn run() -> Result<ExitCode> {
    match demo_server::serve().await {
        // The client has gone without a word; there is nobody to tell.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Report::new(ErrorCode::Unexpected, "the demo server stopped")
                .cause(error.to_string())
                .into())
        }
        _ => Ok(ExitCode::Success),
    }
}
