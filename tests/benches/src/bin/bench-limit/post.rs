//! One connection of hyper's, kept alive.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet};

use crate::message::{Message, answers};

/// Where the id of a response is to be found.
const START_BYTES: usize = 128;

pub(crate) struct Post {
    sender: http1::SendRequest<Full<Bytes>>,
    uri: Uri,
    // Drives the connection until this is dropped.
    _connection: JoinSet<hyper::Result<()>>,
}

impl Post {
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        let url: Uri = url.parse()?;
        let authority = url.authority().context("the URL has no host")?;
        let stream = TcpStream::connect(authority.as_str()).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let uri = url.path().parse()?;
        Ok(Self { sender, uri, _connection: driver })
    }

    pub(crate) async fn notify(&mut self, message: &Message) -> Result<()> {
        let mut body = Vec::new();
        message.write_notification(&mut body);
        let mut reply = self.post(body, &message.headers).await?;
        while let Some(frame) = reply.frame().await {
            frame?;
        }
        Ok(())
    }

    /// Nothing is kept of the reply but its start; how long it was is told.
    pub(crate) async fn call(&mut self, message: &Message, id: u64) -> Result<usize> {
        let mut body = Vec::with_capacity(512);
        message.write(id, &mut body);
        let mut reply = self.post(body, &message.headers).await?;
        let mut length = 0;
        while let Some(frame) = reply.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            if length == 0 {
                ensure!(answers(&data[..data.len().min(START_BYTES)], id), "not our reply");
            }
            length += data.len();
        }
        ensure!(length > 0, "an empty reply");
        Ok(length)
    }

    async fn post(&mut self, body: Vec<u8>, headers: &HeaderMap) -> Result<Incoming> {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = headers.clone();
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        ensure!(response.status().is_success(), "status {}", response.status());
        Ok(response.into_body())
    }
}
