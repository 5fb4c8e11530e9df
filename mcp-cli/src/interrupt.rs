//! Ctrl-C.

/// Comes with Ctrl-C; never where that cannot be heard.
pub(crate) async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
