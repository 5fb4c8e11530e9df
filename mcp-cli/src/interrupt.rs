//! Ctrl-C, and other ways of asking the program to end.

/// Comes with Ctrl-C; never where that cannot be heard.
pub(crate) async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Comes with Ctrl-C, and with the signal by which service managers end programs.
pub(crate) async fn asked_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                () = interrupted() => (),
                _ = terminate.recv() => (),
            }
            return;
        }
    }
    interrupted().await;
}
