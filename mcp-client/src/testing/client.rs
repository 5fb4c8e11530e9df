//! A client that notes what it is told.

use std::{ops::Deref, sync::Arc};

use mcp_protocol::{
    input_required::InputRequest, jsonrpc::NotificationMessage, logging::LoggingMessageParams,
};
use mcp_transport::Connect;
use tokio::sync::watch;

use crate::{Change, Client, ClientBuilder, ConnectFailure};

/// A [`Client`] that notes everything a server tells and asks on its own account, for tests of
/// servers.
///
/// ```
/// use mcp_client::testing::{TestClient, TestServer};
/// use mcp_client::protocol::version::Era;
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = TestServer::new().only(Era::Legacy).capabilities(json!({"logging": {}}));
/// // In place of the server under test: `Client::stdio("my-server")`.
/// let client = TestClient::connect(server.client()).await?;
/// client.ping().await?;
/// server.notify("notifications/message", json!({"level": "info", "data": "Good morning"}));
/// let told = client.until(|told| !told.logs.is_empty()).await;
/// assert_eq!(told.logs[0].data.as_str(), r#""Good morning""#);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TestClient {
    client: Client,
    told: Arc<watch::Sender<Told>>,
}

/// What a server told and asked on its own account, each kind in order.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Told {
    /// Log messages. Modern servers send them only with a level set, legacy ones as they like.
    pub logs: Vec<LoggingMessageParams>,
    /// Changes of lists.
    pub changes: Vec<Change>,
    /// Notifications that belong to no call: all but log messages, those of changes among them.
    pub notifications: Vec<NotificationMessage>,
    /// Questions. The builder's handlers answer them.
    pub questions: Vec<InputRequest>,
}

impl TestClient {
    /// Connects. The builder's handlers for log messages, changes and notifications, and for
    /// consent to questions, are replaced by notes; those that answer questions are kept.
    ///
    /// # Errors
    /// As [`ClientBuilder::connect`].
    ///
    /// # Cancel safety
    /// Dropping the future ends what was started.
    pub async fn connect<R: Connect>(builder: ClientBuilder<R>) -> Result<Self, ConnectFailure> {
        let told = Arc::new(watch::Sender::new(Told::default()));
        let [logs, changes, notifications, questions] = [(); 4].map(|()| Arc::clone(&told));
        let client = builder
            .on_log(move |log, _| logs.send_modify(|told| told.logs.push(log)))
            .on_change(move |change, _| changes.send_modify(|told| told.changes.push(change)))
            .on_notification(move |notification, _| {
                notifications.send_modify(|told| told.notifications.push(notification));
            })
            .on_consent(move |question, _| {
                questions.send_modify(|told| told.questions.push(question));
                std::future::ready(true)
            })
            .connect()
            .await?;
        Ok(Self { client, told })
    }

    /// What was told so far.
    pub fn told(&self) -> Told {
        self.told.borrow().clone()
    }

    /// Waits until what was told is enough, and gives it.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn until(&self, is_enough: impl FnMut(&Told) -> bool) -> Told {
        match self.told.subscribe().wait_for(is_enough).await {
            Ok(told) => told.clone(),
            // The sender lives as long as this client.
            Err(_) => self.told(),
        }
    }
}

impl Deref for TestClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}
