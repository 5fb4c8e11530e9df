//! A connection that a task of its own carries, as a transport.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    task::{AbortHandle, JoinHandle},
    time::timeout,
};

use super::{Connection, End, RoutedReplies};
use crate::{
    BoxFuture, ConnectError, DeliveryError, Exchange, OutgoingMessage, OutgoingRequest, Transport,
    Unsolicited,
};

/// One connection. Its task ends with it.
#[derive(Debug)]
pub(crate) struct Carried {
    connection: Arc<Connection>,
    task: Mutex<Option<JoinHandle<()>>>,
    abort: AbortHandle,
    farewell: Duration,
}

impl Carried {
    /// Starts the task that moves messages until the connection ends. `what` names the connection
    /// in errors; `farewell` is how long the two sides may take to part.
    pub(crate) fn start<F>(
        what: &str,
        farewell: Duration,
        carry: impl FnOnce(Arc<Connection>) -> F,
    ) -> Result<Self, ConnectError>
    where
        F: Future<Output = End> + Send + 'static,
    {
        let runtime = Handle::try_current().map_err(|error| ConnectError::Spawn {
            program: format!("the task of {what}"),
            source: io::Error::other(error),
        })?;
        let connection = Arc::new(Connection::popped());
        let carrying = carry(Arc::clone(&connection));
        let carried = Arc::clone(&connection);
        let task = runtime.spawn(async move {
            let end = carrying.await;
            finish(&carried, end);
        });
        let abort = task.abort_handle();
        Ok(Self { connection, task: Mutex::new(Some(task)), abort, farewell })
    }
}

fn finish(connection: &Connection, end: End) {
    connection.outbox.shut();
    connection.routes.end(end);
}

impl Transport for Carried {
    fn exchange(&self, request: OutgoingRequest) -> Exchange {
        Exchange::new(RoutedReplies::new(Arc::clone(&self.connection), request))
    }

    fn send(&self, message: OutgoingMessage) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(self.connection.send(message.body))
    }

    fn unsolicited(&self) -> Option<Unsolicited> {
        self.connection.unsolicited()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            finish(&self.connection, End::closed("it was closed from this side"));
            let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(task) = task {
                // The task ends by itself, or is ended below.
                let _ = timeout(2 * self.farewell, task).await;
            }
            self.abort.abort();
        })
    }

    fn is_closed(&self) -> bool {
        self.connection.routes.is_over()
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        finish(&self.connection, End::closed("its owner let go of it"));
        self.abort.abort();
    }
}
