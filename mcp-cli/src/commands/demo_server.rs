//! `mcp demo-server`

use std::io;

use tokio::net::TcpListener;

use crate::{
    demo_server,
    error_report::{Report, Result},
    exit_code::{ErrorCode, ExitCode},
    printer::Printer,
};

pub(super) async fn run(http: Option<&str>, printer: &mut Printer) -> Result<ExitCode> {
    let served = match http {
        None => demo_server::serve().await,
        Some(address) => {
            let (listener, url) = listen(address).await.map_err(|error| {
                Report::new(ErrorCode::Usage, format!("cannot listen at {address}"))
                    .cause(error.to_string())
                    .help("give another address as HOST:PORT; port 0 is any free one")
            })?;
            printer.line(url)?;
            printer.flush()?;
            demo_server::serve_http(listener).await
        }
    };
    match served {
        // The client has gone without a word; there is nobody to tell.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Report::new(ErrorCode::Unexpected, "the demo server stopped")
                .cause(error.to_string())
                .into())
        }
        _ => Ok(ExitCode::Success),
    }
}

async fn listen(address: &str) -> io::Result<(TcpListener, String)> {
    let listener = TcpListener::bind(address).await?;
    let url = format!("http://{}/mcp", listener.local_addr()?);
    Ok((listener, url))
}
