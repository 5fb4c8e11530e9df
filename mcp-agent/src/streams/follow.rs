//! Changes of servers as events.

use mcp_client::{Change, Client, ServerWatch, Watch};
use mcp_protocol::subscriptions::SubscriptionFilter;
use serde_json::{Value, json};

use super::{Event, EventKind, EventSink, EventStream};

/// Changes that are heard of: those of one connection, or of a server of a hub across its restarts.
#[derive(Debug)]
#[non_exhaustive]
pub enum Watched {
    /// Of one connection.
    Connection(Watch),
    /// Of a server of a hub.
    Server(ServerWatch),
}

impl From<Watch> for Watched {
    fn from(watch: Watch) -> Self {
        Self::Connection(watch)
    }
}

impl From<ServerWatch> for Watched {
    fn from(watch: ServerWatch) -> Self {
        Self::Server(watch)
    }
}

impl Watched {
    async fn next(&mut self) -> Option<Change> {
        match self {
            Self::Connection(watch) => watch.next().await,
            Self::Server(watch) => watch.next().await,
        }
    }
}

impl EventStream {
    /// Adds the changes that a watch hears of, until it ends.
    pub fn follow(&mut self, sink: &EventSink, server: &str, watched: impl Into<Watched>) {
        let (sink, server, mut watched) = (sink.clone(), server.to_owned(), watched.into());
        self.followed.spawn(async move {
            while let Some(change) = watched.next().await {
                if let Some((kind, data)) = describe(&change) {
                    sink.send(Event::new(server.as_str(), kind, data)).await;
                }
            }
        });
    }

    /// Adds the changes of these resources, each with what it says after the change, until the
    /// connection ends. After a gap, all of them are read again. When the future is done, it is
    /// clear how the server tells of changes.
    ///
    /// # Cancel safety
    /// When the future is dropped, nothing is added.
    pub async fn follow_contents(
        &mut self,
        sink: &EventSink,
        server: &str,
        client: Client,
        uris: Vec<String>,
    ) {
        let (sink, server) = (sink.clone(), server.to_owned());
        let mut watch = client.watch(SubscriptionFilter {
            resource_subscriptions: uris.clone(),
            ..SubscriptionFilter::default()
        });
        watch.ready().await;
        self.followed.spawn(async move {
            while let Some(change) = watch.next().await {
                let changed = match change {
                    Change::Resource(uri) => vec![uri.to_string()],
                    Change::Gap => uris.clone(),
                    _ => continue,
                };
                for uri in changed {
                    let data = match client.read_resource(uri.as_str()).anew().await {
                        Ok(result) => json!({"uri": uri, "contents": result.contents}),
                        Err(error) => json!({"uri": uri, "error": error.to_string()}),
                    };
                    sink.send(Event::new(server.as_str(), EventKind::Resource, data)).await;
                }
            }
        });
    }
}

fn describe(change: &Change) -> Option<(EventKind, Value)> {
    Some(match change {
        Change::Tools => (EventKind::List, json!({"list": "tools"})),
        Change::Prompts => (EventKind::List, json!({"list": "prompts"})),
        Change::Resources => (EventKind::List, json!({"list": "resources"})),
        Change::Resource(uri) => (EventKind::Resource, json!({"uri": &**uri})),
        Change::Gap => (EventKind::Gap, Value::Null),
        _ => return None,
    })
}
